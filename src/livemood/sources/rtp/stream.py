"""One sender's packets to blocks of sound on one clock."""

from typing import Final

import numpy as np

from livemood.audio import AudioBlock
from livemood.sources.rtp.codec import Undecodable
from livemood.sources.rtp.packet import RtpPacket
from livemood.sources.rtp.payload import COMFORT_NOISE, RtpFormat
from livemood.sources.rtp.reorder import Arrival, Reorder


class RtpStream:
    """Turns the packets of one sender into blocks; lost packets into gaps, pauses into silence.

    A pure object. Positions are the sender's own samples since its first packet, so that its clock
    may drift against ours for hours without anything being dropped or inserted: `captured_at` of
    each block says when it came.
    """

    LONGEST_SILENCE_S: Final = 60.0
    """A longer jump of the timestamp, without a lost packet, is a restart of the sender."""

    def __init__(self, form: RtpFormat, payload_types: frozenset[int]) -> None:
        """Raises `UsageError` if the decoder that `form` needs is not installed."""
        self.format = form
        self._decode = form.new_decoder()
        self._types = payload_types
        self._reorder = Reorder(form.clock)
        self._begun = False
        self._last_timestamp = self._position = 0
        self._next = 0
        self._anchor = (0, 0.0)
        self.foreign = 0
        """Packets of a payload type that is none of ours, telephone events among them."""
        self.undecodable = 0
        """Packets that the codec could not read."""
        self._damaged = False

    @property
    def counters(self) -> dict[str, int]:
        """Packets that brought no sound, by cause."""
        r = self._reorder
        return {
            "lost": r.lost,
            "duplicate": r.duplicates,
            "late": r.late,
            "restart": r.restarts,
            "foreign": self.foreign,
            "undecodable": self.undecodable,
        }

    @property
    def deadline(self) -> float | None:
        """When `due` should be called at the latest."""
        return self._reorder.deadline

    def push(self, packet: RtpPacket, arrived: float) -> list[AudioBlock]:
        """Take a packet; the blocks that follow from it, in order."""
        return self._blocks(self._reorder.push(packet, arrived))

    def due(self, now: float) -> list[AudioBlock]:
        """Blocks that no longer wait for what is missing before them."""
        return self._blocks(self._reorder.due(now))

    def flush(self) -> list[AudioBlock]:
        """Everything that waits."""
        return self._blocks(self._reorder.flush())

    def _blocks(self, arrivals: list[Arrival]) -> list[AudioBlock]:
        return [block for arrival in arrivals if (block := self._block(arrival))]

    def _block(self, arrival: Arrival) -> AudioBlock | None:
        packet = arrival.packet
        if packet.payload_type not in self._types:
            if packet.payload_type not in COMFORT_NOISE:
                self.foreign += 1
            return None
        try:
            samples = self._decode(packet.payload)
        except Undecodable:
            self.undecodable += 1
            self._damaged = True
            return None
        start = self._place(packet, arrival, len(samples))
        if start < self._next:  # overlaps what was sent before
            samples = samples[self._next - start :]
            start = self._next
        if not len(samples):
            return None
        lost, self._damaged = arrival.lost or arrival.restarted or self._damaged, False
        if start > self._next and not lost:
            # The timestamp went on without packets: the sender was silent, nothing was lost.
            samples = np.concatenate(
                (np.zeros((start - self._next, self.format.channels), np.float32), samples)
            )
            start = self._next
        self._next = start + len(samples)
        self._anchor = (self._next, arrival.arrived)
        return AudioBlock(start, samples, arrival.arrived, gap_cause="packet_loss")

    def _place(self, packet: RtpPacket, arrival: Arrival, length: int) -> int:
        """Index of the packet's first sample, timestamps unwrapped."""
        step = (packet.timestamp - self._last_timestamp + 0x80000000) % 0x100000000 - 0x80000000
        step = step * self.format.rate // self.format.clock
        longest = self.LONGEST_SILENCE_S * self.format.rate
        if not self._begun:
            self._begun = True
            position = self._next
        elif arrival.restarted or not -longest <= step <= longest:
            # Where the sound stands on our clock: as much later as it came later.
            end, then = self._anchor
            passed = round((arrival.arrived - then) * self.format.rate)
            position = end + max(0, passed - length)
        else:
            position = self._position + step
        self._last_timestamp, self._position = packet.timestamp, position
        return position
