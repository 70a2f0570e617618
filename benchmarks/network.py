"""Calls through a bad network: what is lost, how long the buffer holds back, and for how long.

Packets of real speech (PCMU, 20 ms) pass a simulated network that drops, bursts, delays, reorders,
duplicates, and whose sender's clock drifts, into the stream that every call goes through, on a
simulated clock. After it the sound is compared with what was sent, sample by sample: each packet
that came in time must be where it belongs, each that did not must be a gap, and nothing else.
`hold_ms` is how long packets were held back between arrival and being handed on; `settled_s` how
long after a disturbance the buffer's delay was back at its target (nothing held, the shortest
patience), for good.

Then the same over sockets in real time: ffmpeg, the real sender, through a relay that spoils what
passes, to a port, a hub and its events.

Aim: no crash, gaps counted exactly, the delay back within 5 s, nothing held for more than 200 ms.
Ends with 1 if one fails, with the reasons in `failed`.
"""

import heapq
import shutil
import struct
import subprocess
import threading
import time

import common  # first: it sets one thread before numpy is loaded
import numpy as np
from common_network import Conditions, Network, Relay

from livemood.engine import Hub, MonitorSettings
from livemood.model import load_model
from livemood.sources.rtp import (
    STATIC,
    JitterBuffer,
    RtpPort,
    RtpReceiver,
    RtpStream,
    parse_packet,
)

SIZE, PACKET_S = 160, 0.02
SETTLE_S = 5.0
SWEEP_S = 0.25


SCENARIOS = {
    "clean": Conditions(),
    "loss 1 %": Conditions(loss=0.01),
    "loss 5 %": Conditions(loss=0.05),
    "loss 10 %": Conditions(loss=0.10),
    "loss 20 %": Conditions(loss=0.20),
    "bursts": Conditions(burst=0.01),
    "jitter 100 ms": Conditions(jitter_s=0.1),
    "reordering 5 %": Conditions(reorder=0.05),
    "duplicates 10 %": Conditions(duplicate=0.1),
    "drift 200 ppm": Conditions(drift_ppm=200),
    "drift -200 ppm": Conditions(drift_ppm=-200),
    "all at once": Conditions(0.05, 0.002, 0.1, 0.05, 0.05, 200),
}
HOURS = ("drift 200 ppm", "drift -200 ppm", "all at once")
"""These take an hour of sound, the others ten minutes."""


class Call:
    """One stream behind a network, on a simulated clock."""

    def __init__(self, sound: bytes) -> None:
        self._sound = sound
        self._pieces = len(sound) // SIZE
        self.stream = RtpStream(STATIC.sound[0], STATIC)
        self._levels = STATIC.sound[0].new_decoder()(bytes(range(256)))[:, 0]
        self.holds: list[float] = []
        self.unsettled = 0.0
        """When the buffer last held something back, or had more than the shortest patience."""
        self.end = self.gap_samples = self.gaps = self.wrong = 0

    def payload(self, number: int) -> bytes:
        """Of packet `number`."""
        at = number % self._pieces * SIZE
        return self._sound[at : at + SIZE]

    def run(self, count: int, conditions, spoiled_until: float, seed: int) -> tuple[int, int]:
        """Send `count` packets; how many were lost, and how many more came twice.

        The first and the last always come, so that all that is lost can be seen.
        """
        network = Network(conditions, seed)
        coming: list[tuple[float, int, int]] = []
        lost = twice = order = 0
        swept, slow = 0.0, 1 + conditions.drift_ppm * 1e-6
        for number in range(count):
            sent = number * PACKET_S * slow
            while coming and coming[0][0] <= sent:
                swept = self._arrive(*heapq.heappop(coming), swept)
            last = number == count - 1
            delays = [0.0] if not number or last or sent > spoiled_until else network.delays()
            lost += not delays
            twice += max(0, len(delays) - 1)
            for delay in delays:
                order += 1
                heapq.heappush(coming, (sent + delay, order, number))
        while coming:
            swept = self._arrive(*heapq.heappop(coming), swept)
        self._take(self.stream.flush(), count * PACKET_S * slow + 1)
        return lost, twice

    def _arrive(self, at: float, _order: int, number: int, swept: float) -> float:
        while (deadline := self.stream.deadline) is not None and deadline <= at:
            self._take(self.stream.due(deadline), deadline)
        while swept + SWEEP_S <= at:
            swept += SWEEP_S
            self._take(self.stream.idle(swept), swept)
        head = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * SIZE & 0xFFFFFFFF, 7)
        self._take(self.stream.push(parse_packet(head + self.payload(number)), at), at)
        patience = self.stream.packets.patience_s
        if self.stream.deadline is not None or patience > JitterBuffer.SHORTEST_S:
            self.unsettled = at
        return swept

    def _take(self, blocks, now: float) -> None:
        for block in blocks:
            if block.start > self.end:
                self.gaps += 1
                self.gap_samples += block.start - self.end
            self.wrong += block.start < self.end or block.start % SIZE != 0
            self.end = block.end
            if len(block.samples):
                self.holds.append(now - block.captured_at)
                codes = np.frombuffer(self.payload(block.start // SIZE), np.uint8)
                self.wrong += not np.array_equal(block.samples[:, 0], self._levels[codes])


def simulated(name: str, conditions: Conditions, sound: bytes, seconds: float, seed: int) -> dict:
    """One scenario: disturbed for all but the last ten seconds."""
    call, began = Call(sound), time.monotonic()
    count, spoiled = round(seconds / PACKET_S), seconds - 10
    lost, twice = call.run(count, conditions, spoiled, seed)
    counters, failed = call.stream.counters, []
    missing = lost + counters["late"]
    if call.gap_samples != missing * SIZE or counters["lost"] != missing or call.wrong:
        failed.append(f"{name}: gaps of {call.gap_samples} samples for {missing} missing packets")
    if counters["duplicate"] > twice or call.end != count * SIZE:
        failed.append(f"{name}: the clock ends at {call.end}, not {count * SIZE}")
    settled = max(0.0, call.unsettled - spoiled)
    longest = max(call.holds)
    if settled > SETTLE_S:
        failed.append(f"{name}: {settled:.1f} s until the delay was back")
    if longest > JitterBuffer.LONGEST_S + 1e-9:
        failed.append(f"{name}: a packet was held for {1000 * longest:.0f} ms")
    return {
        "scenario": name,
        "sound_s": seconds,
        "packets": count,
        "lost": lost,
        "late": counters["late"],
        "duplicates": counters["duplicate"],
        "gap_ms": round(call.gap_samples / 8),
        "gaps": call.gaps,
        "gaps_exact": call.gap_samples == missing * SIZE and not call.wrong,
        "hold_ms": common.quantiles([1000 * h for h in call.holds], 50, 95, 99, 100),
        "settled_s": round(settled, 2),
        "took_s": round(time.monotonic() - began, 1),
        "failed": failed,
    }


def real(model, seconds: float, conditions: Conditions, seed: int) -> dict:
    """One call by ffmpeg through a relay to a hub, in real time."""
    events, ended, gaps = [], threading.Event(), []

    def opened(_ssrc, form):
        session = hub.open(
            MonitorSettings(),
            source="call",
            sample_rate=form.rate,
            channels=1,
            sinks=[events.append, lambda e: e.type == "session.ended" and ended.set()],
        )
        end = 0

        def take(block) -> None:
            nonlocal end
            if block is None:
                session.finish()
                return
            if block.start > end and block.gap_cause == "packet_loss":
                gaps.append(block.start - end)
            end = block.end
            session.push(block)

        return take

    with (
        Hub(model) as hub,
        RtpReceiver() as receiver,
        common.conversation_file(seconds, seed) as path,
    ):
        port = receiver.listen(RtpPort("127.0.0.1", 0, opened, idle_s=1.5))
        with Relay(port.port, conditions, seed) as relay:
            command = ["ffmpeg", "-v", "error", "-re", "-i", path, "-ar", "8000", "-ac", "1"]
            command += ["-af", "aresample=8000,asetnsamples=160", "-c:a", "pcm_mulaw", "-f", "rtp"]
            command += ["-rtpflags", "send_bye", f"rtp://127.0.0.1:{relay.port}"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            assert ended.wait(30), "the call did not end"
        counts = port.counts()
    missing = relay.dropped + counts["late"]
    latencies = [e.latency_ms.total for e in events if e.type == "emotion"]
    return {
        "sender": "ffmpeg",
        "sound_s": seconds,
        "packets": relay.passed + relay.dropped,
        "lost": relay.dropped,
        "late": counts["late"],
        "duplicates": counts["duplicate"],
        "gap_ms": round(sum(gaps) / 8),
        "gaps_exact": sum(gaps) == missing * SIZE == counts["lost"] * SIZE,
        "latency_ms": common.quantiles(latencies, 50, 95, 99),
        "superseded": sum(c.superseded for c in events[-1].summary),
    }


def main() -> None:
    parser = common.arguments(__doc__)
    args = parser.parse_args()
    around = common.surroundings()
    sound = common.mu_law(common.conversation(60.0 if args.quick else 600.0, args.seed))
    rows = []
    for name, conditions in SCENARIOS.items():
        seconds = 20.0 if args.quick else 3600.0 if name in HOURS else 600.0
        rows.append(simulated(name, conditions, sound, seconds, args.seed))
        print(rows[-1], flush=True)
    failed = [reason for row in rows for reason in row.pop("failed")]
    live = None
    if shutil.which("ffmpeg"):
        model = load_model(args.model, "cpu")
        model.warm_up()
        spoil = Conditions(loss=0.05, jitter_s=0.1, reorder=0.05, duplicate=0.05)
        live = real(model, 4.0 if args.quick else 60.0, spoil, args.seed)
        print(live, flush=True)
        if not live["gaps_exact"]:
            failed.append("over sockets: gaps are not what was lost")
    result = {"simulated": rows, "over_sockets": live, "failed": failed, **around}
    common.report("network", result, quick=args.quick)
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
