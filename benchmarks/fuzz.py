"""A million mutated packets, messages and descriptions through what reads them.

Each target is the real thing: `rtp` a port with its senders, streams and codecs, fed datagrams;
`rtcp` what reads reports; `sdp` the parser of session descriptions; `stream` and `twilio` the
messages of `/v1/stream` and `/v1/twilio`, with their decoding, up to a session that takes blocks.
Inputs are real ones (speech in every codec, descriptions, conversations of messages) with bits
turned, bytes and numbers replaced, pieces cut, doubled and joined, by a seeded generator; with
`--atheris TARGET` (extra `fuzz`) libFuzzer makes them instead, led by coverage.

No input may raise but what it is meant to, take longer than a second, or leave memory behind.
Ends with 1 if one does, with the input, in hexadecimal, in `failed`.
"""

import random
import sys
import time
from contextlib import suppress

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import psutil
from common_inputs import seeds

if "--atheris" in sys.argv:  # libFuzzer must see what is imported
    import atheris

    with atheris.instrument_imports(include=["livemood", "sdp_transform"]):
        import sdp_transform  # noqa: F401


from livemood.server.refused import Refused

# isort: split
from livemood.server.inputs import stream_messages as stream_input
from livemood.server.inputs import tracks
from livemood.server.inputs.decoding import open_decoding
from livemood.sources.rtp import STATIC, PayloadTypes, RtpFormat, RtpPort, parse_sdp
from livemood.sources.rtp.rtcp import read_rtcp

SHARES = {"rtp": 0.55, "rtcp": 0.1, "sdp": 0.05, "stream": 0.15, "twilio": 0.15}
"""Of all inputs; descriptions cost most."""
SLOWEST_S = 1.0
GROWTH_MB = 40.0
"""After the first fifth; what an allocator keeps is a few MB."""
NUMBERS = (
    0,
    1,
    2,
    12,
    127,
    128,
    159,
    160,
    255,
    256,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0xFFFFFFFF,
)
TYPES = PayloadTypes(
    {
        **STATIC.sound,
        96: RtpFormat("OPUS", 48000),
        97: RtpFormat("OPUS", 48000, 2),
        98: RtpFormat("L16", 16000),
    },
    STATIC.noise,
    frozenset({101}),
)


class Mutator:
    """Makes inputs out of real ones."""

    def __init__(self, seeds: list[bytes], rng: random.Random) -> None:
        self._seeds, self._rng = seeds, rng
        self._at = rng.randrange(len(seeds))

    def next(self) -> bytes:
        """Seeds in their order, so that streams go on, most of them spoilt a little."""
        rng = self._rng
        self._at = (self._at + (1 if rng.random() < 0.95 else rng.randrange(50))) % len(self._seeds)
        data = bytearray(self._seeds[self._at])
        for _ in range(rng.choice((0, 1, 1, 2, 4, 12))):
            self._spoil(data)
        return bytes(data[:4096])

    def _spoil(self, data: bytearray) -> None:
        rng, size = self._rng, len(data)
        at = rng.randrange(min(size, 40) if rng.random() < 0.5 else size) if size else 0
        how = rng.randrange(8)
        if how == 0 and size:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1 and size:
            data[at] = rng.randrange(256)
        elif how == 2:
            width = rng.choice((1, 2, 4))
            number = rng.choice(NUMBERS) & (256**width - 1)
            data[at : at + width] = number.to_bytes(width, rng.choice(("big", "little")))
        elif how == 3:
            del data[at : at + rng.randrange(1, 64)]
        elif how == 4:
            data[at:at] = data[at : at + rng.randrange(1, 64)]
        elif how == 5:
            data[at:at] = rng.randbytes(rng.randrange(1, 16))
        elif how == 6:
            other = rng.choice(self._seeds)
            data[at:] = other[rng.randrange(len(other)) if other else 0 :]
        else:
            data[at:at] = str(
                rng.choice((*NUMBERS, -1, 1e308, 2**70, "null", "[]", "\ud800"))
            ).encode("utf-8", "surrogatepass")


class Rtp:
    """Datagrams to a port, on a clock that goes on by 1 ms each, from two hosts."""

    def __init__(self) -> None:
        self._now, self._count = 1000.0, 0
        self._open()

    def _open(self) -> None:
        self._port = RtpPort("127.0.0.1", 0, self._opened, types=TYPES, most=50, parties=None)
        self._ends: dict[int, int] = {}

    def _opened(self, ssrc: int, _form):
        self._ends[ssrc] = 0

        def take(block) -> None:
            if block is None:
                return
            assert block.start >= self._ends[ssrc], "the clock went back"
            assert np.isfinite(block.samples).all(), "no numbers"
            assert len(block.samples) <= 48_000 * 2, "a block of seconds"
            self._ends[ssrc] = block.end

        return take

    def take(self, data: bytes) -> None:
        """One datagram, and now and then the rest of a receiver's work."""
        self._now += 0.001
        self._count += 1
        host = "127.0.0.1" if self._count % 10 else "127.0.0.2"
        self._port.take(data, (host, 9), self._now)
        if self._port.holding:
            self._port.due(self._now)
        if self._count % 250 == 0:
            self._port.sweep(self._now)
        if self._count % 100_000 == 0:
            self._port.close()
            self._open()
        waiting = sum(len(s.stream.packets._waiting) for s in self._port.senders.values())
        assert waiting <= 50 * 3001, "too much waits"


class Stream:
    """Messages of `/v1/stream`: the first is its start, the others are what follows."""

    def __init__(self) -> None:
        self._decode = None
        self._left = 0

    def take(self, data: bytes) -> None:
        """One message: text where it is meant to be."""
        message: bytes | str = data[1:]
        if not data or data[0] % 2:
            message = data[1:].decode("utf-8", "replace")
        with suppress(Refused):
            if self._left <= 0 or self._decode is None:
                start = stream_input.parsed(stream_input.START, message)
                self._decode, _ = open_decoding(start.encoding, start.rate, start.channels)
                self._left = 200
            elif isinstance(message, bytes):
                self._left -= 1
                samples = self._decode(message)
                assert samples.ndim == 2
            else:
                self._left -= 1
                kind = stream_input.checked(lambda: stream_input.KIND.validate_json(message)).type
                known = stream_input.CONTROLS
                if kind in known:
                    stream_input.parsed(known[kind], message)


class Twilio:
    """Messages of `/v1/twilio`."""

    def __init__(self) -> None:
        self._tracks: tracks.Tracks | None = None
        self._now = self._left = 0.0
        self._ends: dict[int, int] = {}

    def take(self, data: bytes) -> None:
        """One message."""
        self._now += 0.01
        with suppress(Refused):
            message = tracks.parse(data.decode("utf-8", "replace"))
            if isinstance(message, tracks.StartMessage):
                with suppress(Refused):
                    tracks.spec_of(message.start.parameters)
                if self._left <= 0 or self._tracks is None:
                    self._tracks = tracks.Tracks(message.start.tracks, self._now)
                    self._ends, self._left = {}, 500
            elif isinstance(message, tracks.MediaMessage) and self._tracks:
                self._left -= 1
                for block in self._tracks.push(message.media, self._now):
                    assert block.channel is not None
                    assert block.start >= self._ends.get(block.channel, 0), "the clock went back"
                    self._ends[block.channel] = block.end


def targets() -> dict:
    """What takes inputs, by name."""
    return {
        "rtp": Rtp().take,
        "rtcp": read_rtcp,
        "sdp": lambda data: parse_sdp(data.decode("utf-8", "replace")),
        "stream": Stream().take,
        "twilio": Twilio().take,
    }


def fuzz(name: str, take, given: list[bytes], count: int, seed: int) -> dict:
    """`count` inputs to one target."""
    mutator, process = Mutator(given, random.Random(f"{seed} {name}")), psutil.Process()
    failed: list[str] = []
    slowest, early, began = 0.0, 0, time.monotonic()
    for number in range(count):
        data = mutator.next()
        start = time.thread_time()  # not of the clock: others use the machine, too
        try:
            take(data)
        except Exception as error:  # what is looked for
            if len(failed) < 20:
                failed.append(f"{name} {number}: {error!r} {data.hex()[:2000]}")
        slowest = max(slowest, time.thread_time() - start)
        if number == count // 5:
            early = process.memory_info().rss
    grown = (process.memory_info().rss - early) / 2**20
    if slowest > SLOWEST_S:
        failed.append(f"{name}: an input took {slowest:.2f} s")
    if grown > GROWTH_MB:
        failed.append(f"{name}: {grown:.0f} MB more than after a fifth of the inputs")
    return {
        "target": name,
        "inputs": count,
        "slowest_ms": round(1000 * slowest, 1),
        "grown_mb": round(grown, 1),
        "took_s": round(time.monotonic() - began, 1),
        "failed": failed,
    }


def by_atheris(name: str, given: list[bytes], arguments: list[str]) -> None:
    """Let libFuzzer look for inputs that one target cannot take; `arguments` are its own."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory(prefix="livemood-") as folder:
        for number, data in enumerate(given[:500]):
            (Path(folder) / str(number)).write_bytes(data)
        atheris.Setup([sys.argv[0], folder, *arguments], targets()[name])
        atheris.Fuzz()


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--inputs", type=int, help="1,200,000, or 4,000 with --quick")
    parser.add_argument("--atheris", choices=SHARES, help="a target for libFuzzer")
    args, rest = parser.parse_known_args()
    around, given = common.surroundings(), seeds(args.seed)
    if args.atheris:
        by_atheris(args.atheris, given[args.atheris], rest)
        return
    count = args.inputs or (4_000 if args.quick else 1_200_000)
    rows = []
    for name, take in targets().items():
        rows.append(fuzz(name, take, given[name], round(SHARES[name] * count), args.seed))
        print(rows[-1], flush=True)
    failed = [reason for row in rows for reason in row.pop("failed")]
    result = {"inputs": sum(row["inputs"] for row in rows), "targets": rows, "failed": failed}
    common.report("fuzz", {**result, **around}, quick=args.quick)
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
