"""One party's packets to blocks of sound on one clock."""

from collections import Counter
from typing import Final, NamedTuple

import numpy as np

from livemood.audio import AudioBlock, Samples
from livemood.sources.rtp.clock import SenderClock
from livemood.sources.rtp.formats.codec import Undecodable
from livemood.sources.rtp.formats.decoders import Decoders
from livemood.sources.rtp.formats.payload import PayloadTypes, RtpFormat
from livemood.sources.rtp.jitter_buffer import Arrival, JitterBuffer
from livemood.sources.rtp.packet import MalformedPacket, RtpPacket
from livemood.sources.rtp.redundancy import unwrap


class _Sound(NamedTuple):
    """A packet's sound, not yet placed."""

    samples: Samples
    timestamp: int
    arrived: float
    missing: int
    """Packets that were given up before it."""
    anew: bool
    """Whether its timestamp says nothing of those before."""


class RtpStream:
    """Turns packets into blocks; lost packets into gaps, pauses of the sender into silence.

    A pure object. Positions are the sender's own samples since its first packet; `captured_at` of
    each block says when it came. Blocks follow on each other, except where sound was lost.
    """

    STALL_S: Final = 1.0
    """After this long without packets what they should have brought is a gap."""
    QUIET_S: Final = 0.3
    """The same after comfort noise, where it is silence: the sender said so."""
    MARGIN_S: Final = 0.25
    """What is made up stays so far behind the time, for packets may still be on their way."""
    AHEAD_S: Final = 5.0
    """A sender further ahead of real time is not heard until it no longer is."""
    CREDIT_S: Final = 30.0
    """Sound that was held up for so long may come at once."""
    DRIFT: Final = 1.01
    """How much faster than ours a sender's clock may run."""
    PIECE_S: Final = 0.5
    """The longest block of silence."""

    def __init__(self, form: RtpFormat, types: PayloadTypes, begin: int = 0) -> None:
        """Hear `form` and what `types` knows of the same rate; the first sample is `begin`.

        Raises `UsageError` if there is no decoder for `form`.
        """
        self.format = form
        self._types = types
        self._decoders = Decoders(form, types)
        self._ticks = form.clock
        self._unknown: set[int] = set()
        self._unheard: float | None = None
        """When something last came that cannot be heard, since something was."""
        self.packets = JitterBuffer(form.clock)
        self._clock = SenderClock(form.rate, form.clock, begin)
        self._next = begin
        self._missing = self._longest = 0
        self._anew = self._made_up = self._quiet = False
        self._held: list[_Sound] = []
        """Late sound, until it shows whether it was held up on its way or sent late."""
        self._ahead_s = self._burst_s = self._heard = 0.0
        self._silence = np.zeros((round(self.PIECE_S * form.rate), form.channels), np.float32)
        self._cause = "packet_loss"
        self._counts: Counter[str] = Counter()

    @property
    def counters(self) -> Counter[str]:
        """Packets that brought no sound, by cause, and new starts of the sender."""
        p = self.packets
        return self._counts + Counter(
            lost=p.lost, duplicate=p.duplicates, late=p.late, stray=p.strays, restart=p.restarts
        )

    @property
    def end(self) -> int:
        """Index after the last sample handed on."""
        return self._next

    @property
    def deadline(self) -> float | None:
        """When `due` should be called at the latest."""
        waiting = self.packets.deadline
        if not self._held:
            return waiting
        return self._decided if waiting is None else min(waiting, self._decided)

    @property
    def _decided(self) -> float:
        """When it is decided why what is held was late.

        What waits behind a hole may show it.
        """
        clock = self._clock
        return clock.decided if self.packets.deadline is None else clock.decided_at_last

    @property
    def unknown(self) -> frozenset[int]:
        """Payload types that were sent and cannot be heard."""
        return frozenset(self._unknown)

    def push(self, packet: RtpPacket, arrived: float) -> list[AudioBlock]:
        """Take a packet; the blocks that follow from it, in order."""
        if packet.payload_type not in self._types.redundant:
            return self._blocks(self.packets.push(packet, arrived))
        try:
            inside, earlier = unwrap(packet)
        except MalformedPacket:
            self._counts["undecodable"] += 1
            return []
        arrivals = [a for e in earlier for a in self.packets.recover(e, arrived)]
        return self._blocks(arrivals + self.packets.push(inside, arrived))

    def unheard(self, payload_type: int, arrived: float) -> None:
        """The sender sends what cannot be heard: what is missing has this cause."""
        self._unknown.add(payload_type)
        self._unheard = arrived

    def due(self, now: float) -> list[AudioBlock]:
        """Blocks that no longer wait for what is missing before them."""
        out = self._blocks(self.packets.due(now))
        if self._held and now >= self._decided:
            self._release(out, follow=True)
        return out

    def flush(self) -> list[AudioBlock]:
        """Everything that waits."""
        out = self._blocks(self.packets.flush())
        self._release(out, follow=True)
        if self._unheard is not None and (until := self._clock.now(self._unheard)) > self._next:
            out.append(self._gap(until, self._unheard))
        return out

    def idle(self, now: float) -> list[AudioBlock]:
        """The blocks of a sender that sends nothing: silence, or once that it is lost.

        To be called several times a second.
        """
        if not self._clock.begun:
            return []
        passed = self._clock.silent_s(now)
        if passed < (self.QUIET_S if self._quiet else self.STALL_S) or self.deadline is not None:
            return []
        until = self._clock.now(now - self.MARGIN_S)
        if until <= self._next or (self._made_up and not self._quiet):
            return []
        if self._too_fast(now, until - self._next):
            return []
        self._made_up = True
        if self._quiet:
            return self._silent(until, now - self.MARGIN_S)
        return [self._gap(until, now - self.MARGIN_S)]

    def _gap(self, until: int, now: float) -> AudioBlock:
        """Nothing came up to `until`."""
        self._next = until
        cause = "no_packets" if self._unheard is None else "unknown_payload"
        return AudioBlock(until, self._silence[:0], now, gap_cause=cause)

    def change_sender(self) -> list[AudioBlock]:
        """Another sender goes on where this one ended: what waits, holes given up."""
        out = self.flush()
        self._counts = self.counters
        self._counts["sender"] += 1
        self.packets = JitterBuffer(self.format.clock)
        self._decoders = Decoders(self.format, self._types)
        self._anew = True
        return out

    def _blocks(self, arrivals: list[Arrival]) -> list[AudioBlock]:
        out: list[AudioBlock] = []
        for arrival in arrivals:
            self._take(arrival, out)
        return out

    def _take(self, arrival: Arrival, out: list[AudioBlock]) -> None:
        packet = arrival.packet
        self._missing += arrival.lost
        self._anew |= arrival.restarted
        decode = self._decoders.get(packet.payload_type)
        if decode is None:
            self._without_sound(arrival, out)
            return
        self._retime(self._types.sound.get(packet.payload_type), out)
        try:
            samples = decode(packet.payload)
        except Undecodable:
            self._counts["undecodable"] += 1
            self._missing += 1
            return
        if not len(samples):
            return
        self._longest = max(self._longest, len(samples))
        sound = _Sound(samples, packet.timestamp, arrival.arrived, self._missing, self._anew)
        self._missing, self._anew = 0, False
        self._place_or_hold(sound, out)

    def _place_or_hold(self, sound: _Sound, out: list[AudioBlock]) -> None:
        """Place sound on the clock, unless it is late and must show first why."""
        clock, held = self._clock, self._held
        if held:
            last, length = held[-1], len(sound.samples)
            between = len(last.samples) + sound.missing * self._longest
            if clock.goes_on(last.timestamp, between, sound.timestamp) and not sound.anew:
                held.append(sound)
                stood = clock.judge(sound.timestamp, sound.arrived, length)
                if stood is not None:
                    self._release(out, follow=stood)
                return
            self._release(out, follow=True)
        if not sound.anew and clock.is_late(sound.timestamp, sound.arrived, len(sound.samples)):
            held.append(sound)
        else:
            self._place(sound, out)

    def _release(self, out: list[AudioBlock], *, follow: bool) -> None:
        """Place what was held; with `follow` its sender had stood still before it.

        A packet alone is none of a sender that goes on: the last of a call, sent late, is.
        """
        held, self._held = self._held, []
        follow = follow and len(held) > 1
        for sound in held:
            self._place(sound, out, follow=follow)
            follow = False

    def _place(self, sound: _Sound, out: list[AudioBlock], *, follow: bool = False) -> None:
        samples, arrived, length = sound.samples, sound.arrived, len(sound.samples)
        lost = sound.missing * self._longest
        if follow:
            start = self._clock.follow(sound.timestamp, arrived, length, lost)
        else:
            start = self._clock.place(sound.timestamp, arrived, length, sound.anew, lost)
        if start < self._next:
            if self._made_up and not self._quiet:  # told as lost before it came
                samples = samples[self._next - start :]
            else:
                self._clock.move(self._next)
            start = self._next
        if self._too_fast(arrived, start + len(samples) - self._next, len(samples)):
            self._clock.move(self._next - length)
            self._counts["ahead"] += 1
            return
        if not len(samples):
            return
        self._hole(start, sound.missing, sound.anew or follow, arrived, out)
        if follow and not sound.missing and start > self._next:
            self._cause = "no_packets"
        if self._unheard is not None and not sound.missing:
            self._cause = "unknown_payload"
        self._made_up = self._quiet = False
        self._unheard = None
        self._next = start + len(samples)
        self._clock.reached(self._next, arrived)
        cancelled = self._decoders.cancels
        out.append(AudioBlock(start, samples, arrived, self._cause, cancelled=cancelled))

    def _hole(
        self, start: int, missing: int, anew: bool, arrived: float, out: list[AudioBlock]
    ) -> None:
        """Say what lies between what was handed on and `start`.

        As much as the missing packets can have held is lost, or all of it if the sender started
        anew or had stopped without a word. The rest is a pause, in which nothing was sent.
        """
        hole = start - self._next
        stalled = self._made_up and not self._quiet
        self._cause = "no_packets" if stalled and not missing else "packet_loss"
        if hole <= 0 or anew or stalled or self._unheard is not None:
            return
        lost = min(hole, missing * self._longest)
        if lost < hole:
            begin = self._next + lost
            out += self._silent(start, arrived, begin)

    def _silent(self, until: int, arrived: float, begin: int | None = None) -> list[AudioBlock]:
        """Silence up to `until`, sound before `begin` being lost."""
        out, piece = [], len(self._silence)
        for at in range(self._next if begin is None else begin, until, piece):
            sound = self._silence[: until - at]
            then = arrived - (until - at - len(sound)) / self.format.rate
            out.append(AudioBlock(at, sound, then, gap_cause="packet_loss"))
        self._next = until
        return out

    def _without_sound(self, arrival: Arrival, out: list[AudioBlock]) -> None:
        """Comfort noise tells of silence until its time; telephone events tell of nothing."""
        packet = arrival.packet
        if packet.payload_type in self._types.noise:
            self._release(out, follow=True)
            start = self._clock.place(packet.timestamp, arrival.arrived, 0, self._anew)
            self._anew = False
            if self._too_fast(arrival.arrived, start - self._next):
                self._clock.move(self._next)
            elif start > self._next:
                missing, self._missing = self._missing, 0
                self._hole(start, missing, False, arrival.arrived, out)
                self._next = max(self._next, start)
            self._clock.reached(self._next, arrival.arrived)
            self._quiet = True
        elif packet.payload_type not in self._types.events:
            self._counts["foreign"] += 1
            self.unheard(packet.payload_type, arrival.arrived)

    def _retime(self, form: RtpFormat | None, out: list[AudioBlock]) -> None:
        """Follow the timestamps of `form`, which may count otherwise than those before."""
        if form is not None and form.clock != self._ticks:
            self._release(out, follow=True)
            self._ticks = form.clock
            self._clock.retime(form.clock)
            self._anew = True

    def _too_fast(self, arrived: float, advance: int, sound: int = 0) -> bool:
        """Whether the clock would run too far ahead of real time by going on by `advance`.

        So much of it is `sound`, of which no more may come at once than can have been held up.
        """
        passed, self._heard = self.DRIFT * (arrived - self._heard), arrived
        self._ahead_s -= passed
        self._burst_s = max(-self.CREDIT_S, self._burst_s - passed)
        ahead = self._ahead_s + max(0, advance) / self.format.rate
        burst = self._burst_s + sound / self.format.rate
        if max(ahead, burst) > self.AHEAD_S:
            return True
        self._ahead_s, self._burst_s = ahead, burst
        return False
