"""One UDP port, and who sends there."""

import logging
import random
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from livemood.errors import SourceError, UsageError
from livemood.sources.rtp.datagrams import AT_ONCE, receive
from livemood.sources.rtp.formats.payload import STATIC, PayloadTypes, RtpFormat
from livemood.sources.rtp.packet import MalformedPacket, RtpPacket, parse_packet
from livemood.sources.rtp.redundancy import unwrap
from livemood.sources.rtp.rtcp import INTERVAL_S, RtcpReports, is_rtcp, read_rtcp, receiver_report
from livemood.sources.rtp.sender import Address, Sender, Take
from livemood.sources.rtp.strangers import Strangers
from livemood.sources.rtp.udp import LONGEST_PACKET, bind

log = logging.getLogger(__name__)

Open = Callable[[int, RtpFormat], Take | None]
"""Asked about a new sender (SSRC, format): returns what takes its blocks, or None to refuse it."""

TypesOf = Callable[[int], PayloadTypes | None]
"""What the payload types of a sender mean, by its SSRC. None: nobody knows this sender."""


class RtpPort:
    """A port whose senders are told apart by their SSRC.

    One packet opens no stream: a second one must follow it (RFC 3550, A.1). A sender also has an
    address: packets with its SSRC from another host are not heard.

    Without `parties` every SSRC is a stream of its own. With it the port is one call: so many
    SSRCs are streams, and another one that comes from the same host when one of them has stopped
    goes on in its place.

    After creation everything is done by the receiver's thread.
    """

    AT_ONCE: Final = 512
    """Most packets read before other ports, and deadlines, have their turn."""
    TAKEOVER_S: Final = 0.5
    """A sender silent for so long may be replaced, or have moved to another address."""
    GRACE_S: Final = 1.0
    """How long a call waits for another sender after a goodbye."""

    def __init__(
        self,
        host: str,
        port: int,
        opened: Open,
        *,
        types: PayloadTypes | TypesOf = STATIC,
        idle_s: float = 10.0,
        most: int = 1000,
        parties: int | None = None,
        only: str | None = None,
    ) -> None:
        """Bound at once, and the port above it for RTCP if that is free; 0 takes any free port.

        With `only`, only that host is heard. Raises `SourceError` if the address cannot be
        used.
        """
        self.socket = bind(host, port)
        self.port: int = self.socket.getsockname()[1]
        try:
            self.control: socket.socket | None = bind(host, self.port + 1, 1 << 16)
        except SourceError:
            self.control = None
        self._open, self._idle_s, self._only = opened, idle_s, only
        self._types_of: TypesOf = (lambda _: types) if isinstance(types, PayloadTypes) else types
        self._parties, self._most = parties, parties or most
        self._ssrc, self._cname = secrets.randbits(32), secrets.token_hex(8)
        self._random = random.Random(self._ssrc)  # noqa: S311 - spreads reports over time
        self.strangers = Strangers()
        self.senders: dict[int, Sender] = {}
        self.holding: set[Sender] = set()
        """Those whose packets wait behind a hole."""
        self.packets: Counter[str] = Counter()
        """Packets received, and those of senders that have gone that brought no sound."""
        self._warned: set[int] = set()
        self.refused: Counter[str] = Counter()
        """Packets that belong to no stream, by cause."""

    def read(self) -> None:
        """Read the packets that have come."""
        for _ in range(self.AT_ONCE // AT_ONCE):
            packets = receive(self.socket)
            now = time.monotonic()
            for data, address in packets:
                self.take(data, address, now)
            if len(packets) < AT_ONCE:
                break

    def read_control(self) -> None:
        """Take what has come to the port for RTCP."""
        for _ in range(self.AT_ONCE):
            try:
                data, address = (self.control or self.socket).recvfrom(LONGEST_PACKET)
            except BlockingIOError:
                break
            except OSError:
                continue
            if is_rtcp(data):
                self._told(read_rtcp(data), address, self.control, time.monotonic())

    def take(self, data: bytes, address: Address, now: float) -> None:
        """Take one packet from `address`; with RTCP on the same port, too (RFC 5761)."""
        if self._only and address[0] != self._only:
            self.refused["other address"] += 1
            return
        if is_rtcp(data):
            self._told(read_rtcp(data), address, self.socket, now)
            return
        try:
            packet = parse_packet(data)
        except MalformedPacket:
            self.refused["malformed"] += 1
            return
        sender = self.senders.get(packet.ssrc)
        if sender is None:
            self._stranger(packet, address, now)
            return
        if address != sender.address:
            moved = address[0] == sender.address[0]  # nobody else may go on in its name
            if not moved or now - sender.heard < self.TAKEOVER_S:
                self.refused["other address"] += 1
                return
            sender.address = address
        self.packets["received"] += 1
        sender.push(packet, now)
        self._note(sender)

    def due(self, now: float) -> None:
        """Pass on the packets that wait no longer."""
        for sender in list(self.holding):
            sender.hand_on(sender.stream.due(now))
            self._note(sender)

    def sweep(self, now: float) -> None:
        """Drop silent senders, fill pauses, send reports. Call it several times a second."""
        for ssrc, sender in list(self.senders.items()):
            grace = sender.left is not None and now - sender.left > self.GRACE_S
            if grace or now - max(sender.heard, sender.reported) > self._idle_s:
                self._part(ssrc)
                continue
            sender.hand_on(sender.stream.idle(now))
            self._warn(sender)
            if now >= sender.next_report:
                self._report(sender, now)
        self.strangers.sweep(now - self._idle_s)

    def counts(self) -> Counter[str]:
        """Packets so far: received, and those that brought no sound, by cause."""
        out = self.packets + self.refused
        for sender in self.senders.values():
            out += sender.stream.counters
        return out

    def close(self) -> None:
        """Drop every sender and close the port."""
        for ssrc in list(self.senders):
            self._part(ssrc)
        self.socket.close()
        if self.control:
            self.control.close()

    def _stranger(self, packet: RtpPacket, address: Address, now: float) -> None:
        types = self._types_of(packet.ssrc)
        if types is None:
            self.refused["unknown ssrc"] += 1
            return
        kind = _kind(packet, types)
        form = types.sound.get(kind)
        if form is None:
            why = _why(kind, types)
            self.refused[why] += 1
            if self._parties and why == "unknown payload type":
                self._unheard(kind, address, now)
            return
        first = self.strangers.follows(packet, address, now)
        if first is None:
            return
        sender = self._new(packet.ssrc, form, types, address, now)
        if sender:
            self.packets["received"] += 2
            sender.push(*first)
            sender.push(packet, now)
            self._note(sender)

    def _new(
        self, ssrc: int, form: RtpFormat, types: PayloadTypes, address: Address, now: float
    ) -> Sender | None:
        if self._parties and (sender := self._replaced(ssrc, address, now)):
            return sender
        if len(self.senders) >= self._most:
            self.refused["too many senders"] += 1
            return None
        try:
            sender = Sender(ssrc, form, types, address, now)
        except UsageError as error:
            if not self.refused["no decoder"]:
                log.info("%s", error)  # whoever asks `refused` says it to the user
            self.refused["no decoder"] += 1
            return None
        take = self._open(ssrc, form)
        if take is None:
            self.refused["refused"] += 2
            return None
        sender.take = take
        sender.next_report = now + self._random.uniform(*INTERVAL_S) / 2
        self.senders[ssrc] = sender
        return sender

    def _replaced(self, ssrc: int, address: Address, now: float) -> Sender | None:
        """A party of the call that goes on under another SSRC.

        While a party is still missing, only a sender that said goodbye is replaced: the new one
        may be the missing party.
        """
        all_there = len(self.senders) >= self._most
        for old, sender in self.senders.items():
            silent = now - sender.heard > self.TAKEOVER_S
            stopped = sender.left is not None or (silent and all_there)
            if stopped and address[0] == sender.address[0]:
                self.senders[ssrc] = self.senders.pop(old)
                sender.change(ssrc, address)
                return sender
        return None

    def _unheard(self, kind: int, address: Address, now: float) -> None:
        """A party goes on under another SSRC with what cannot be heard: say why it is silent."""
        for sender in self.senders.values():
            if address[0] == sender.address[0] and now - sender.heard > self.TAKEOVER_S:
                sender.stream.unheard(kind, now)

    def _told(
        self, told: RtcpReports, address: Address, through: socket.socket | None, now: float
    ) -> None:
        self.packets["control"] += 1
        for ssrc, ntp in told.reports.items():
            if (sender := self.senders.get(ssrc)) and address[0] == sender.address[0]:
                sender.reception.sender_reported(ntp, now)
                sender.reported = now
                sender.control = (through, address)
        for ssrc in told.leaving:
            if (sender := self.senders.get(ssrc)) and address[0] == sender.address[0]:
                sender.left = now

    def _warn(self, sender: Sender) -> None:
        """Say once of each payload type that it cannot be heard."""
        for kind in sender.stream.unknown - self._warned:
            self._warned.add(kind)
            log.warning(
                "a sender changed to payload type %d, which is not described: "
                "it is not heard; describe the call by SDP",
                kind,
            )

    def _report(self, sender: Sender, now: float) -> None:
        sender.next_report = now + self._random.uniform(*INTERVAL_S)
        host, port, *more = sender.address
        default = (self.control or self.socket, (host, min(port + 1, 65535), *more))
        through, address = sender.control or default
        block = sender.reception.block(sender.stream.packets, now)
        try:
            (through or self.socket).sendto(
                receiver_report(self._ssrc, [block], self._cname), address
            )
            self.packets["reports"] += 1
        except OSError:  # nobody there, or no room: reports may get lost
            self.refused["unsent report"] += 1

    def _note(self, sender: Sender) -> None:
        if sender.stream.deadline is not None:
            self.holding.add(sender)
        elif sender in self.holding:
            self.holding.discard(sender)

    def _part(self, ssrc: int) -> None:
        sender = self.senders.pop(ssrc)
        self.holding.discard(sender)
        sender.hand_on(sender.stream.flush())
        self.packets.update(sender.stream.counters)
        sender.take(None)


def _kind(packet: RtpPacket, types: PayloadTypes) -> int:
    """The payload type of a packet, or of the one inside it."""
    if packet.payload_type not in types.redundant:
        return packet.payload_type
    try:
        return unwrap(packet)[0].payload_type
    except MalformedPacket:
        return packet.payload_type


def _why(payload_type: int, types: PayloadTypes) -> str:
    """Why no stream begins with such a packet."""
    if payload_type in types.noise:
        return "comfort noise"
    return "event" if payload_type in types.events else "unknown payload type"
