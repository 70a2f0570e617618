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

import json
import random
import struct
import sys
import time
from contextlib import suppress

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import psutil
import soxr

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


def seeds(seed: int) -> dict[str, list[bytes]]:
    """Real inputs for each target."""
    sound = common.conversation(20.0, seed)
    coded = common.mu_law(sound)
    wide = (32767 * sound).astype(">i2").tobytes()
    packets: list[bytes] = []
    opus = _opus(soxr.resample(sound, common.RATE, 48000))
    for n in range(900):
        for ssrc, kind, ticks, payload in (
            (1, 0, 160, coded[160 * n : 160 * n + 160]),
            (2, 8, 160, coded[160 * n : 160 * n + 160]),
            (3, 9, 160, wide[160 * n : 160 * n + 160]),
            (4, 98, 320, wide[640 * n : 640 * n + 640]),
            (5, 96, 960, opus[n % len(opus)]),
            (6, 97, 960, opus[n % len(opus)]),
            (1 + n % 5, 13 if n % 2 else 101, 160, b"\1\x0a\0\xa0"),
        ):
            first = 0x80 | (0x10 if n % 50 == 7 else 0) | (0x20 if n % 50 == 9 else 0)
            head = struct.pack("!BBHII", first, kind, 65000 + n & 0xFFFF, n * ticks, ssrc)
            more = struct.pack("!HHI", 0xBEDE, 1, 0) if first & 0x10 else b""
            tail = b"\0\0\0\4" if first & 0x20 else b""
            packets.append(head + more + payload + tail)
        if n % 60 == 0:
            packets.append(struct.pack("!BBHIIIIII", 0x80, 200, 6, 1 + n % 6, n, n, n, n, n))
            packets.append(struct.pack("!BBHI", 0x81, 203, 1, 1 + n % 6))
    return {
        "rtp": packets,
        "rtcp": [p for p in packets if p[1] >= 200] + packets[:20],
        "sdp": _descriptions(),
        "stream": _stream_messages(sound, coded, opus),
        "twilio": _twilio_messages(coded),
    }


def _opus(sound: np.ndarray) -> list[bytes]:
    import av

    context = av.CodecContext.create("libopus", "w")
    context.sample_rate, context.layout, context.format = 48000, "mono", "s16"
    out: list[bytes] = []
    for n in range(200):
        piece = (32767 * sound[960 * n : 960 * n + 960]).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48000, 960 * n
        out += [bytes(packet) for packet in context.encode(frame)]
    return out


def _descriptions() -> list[bytes]:
    head = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    bodies = (
        "m=audio 5004 RTP/AVP 0 8 9 13 101\r\na=rtpmap:101 telephone-event/8000\r\n"
        "a=fmtp:101 0-15\r\n",
        "m=audio 5004 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=fmtp:97 sprop-stereo=1\r\n",
        "m=audio 5004 RTP/AVP 96 98\r\na=rtpmap:96 L16/16000/1\r\na=rtpmap:98 CN/16000\r\n",
        "m=video 1 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\n"
        "m=audio 1 RTP/AVP 0\r\n",
        "a=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n"
        "a=ssrc:1 cname:x\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=extmap:1 urn:x\r\n",
    )
    return [(head + body).encode() for body in bodies]


def _stream_messages(sound: np.ndarray, coded: bytes, opus: list[bytes]) -> list[bytes]:
    narrow = (32767 * sound).astype("<i2").tobytes()
    floats = sound.astype("<f4").tobytes()
    kinds = {
        "s16le": [narrow[640 * n : 640 * n + 640] for n in range(150)],
        "f32le": [floats[1280 * n : 1280 * n + 1280] for n in range(150)],
        "mulaw": [coded[160 * n : 160 * n + 160] for n in range(150)],
        "opus": opus[:150],
    }
    out: list[bytes] = []
    for encoding, pieces in kinds.items():
        rate = 48000 if encoding == "opus" else 16000
        start = {"type": "start", "rate": rate, "encoding": encoding, "channels": 1}
        start |= {"purpose": "personal", "participants": ["A"], "consent": "x", "keep_sound": False}
        out.append(b"\1" + json.dumps(start).encode())
        out += [b"\0" + piece for piece in pieces]
        out.append(b"\1" + json.dumps({"type": "marker", "note": "here"}).encode())
        out.append(b"\1" + json.dumps({"type": "end"}).encode())
    return out


def _twilio_messages(coded: bytes) -> list[bytes]:
    import base64

    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    about = {"tracks": ["inbound", "outbound"], "mediaFormat": form}
    about |= {
        "customParameters": {"purpose": "personal", "participants": "A,B", "informed": "true"}
    }
    out: list[dict] = [{"event": "connected"}, {"event": "start", "start": about}]
    for n in range(300):
        payload = base64.b64encode(coded[160 * n : 160 * n + 160]).decode()
        for track in ("inbound", "outbound"):
            media = {"track": track, "chunk": str(n + 1), "timestamp": str(20 * n)}
            out.append({"event": "media", "media": {**media, "payload": payload}})
        if n % 50 == 0:
            out.append({"event": "dtmf", "dtmf": {"digit": "1"}})
    return [json.dumps(message).encode() for message in [*out, {"event": "stop"}]]


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
