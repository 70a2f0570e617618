"""Many senders on one UDP port, read by one thread."""

import logging
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, Self

from livemood.audio import AudioBlock
from livemood.errors import SourceError, UsageError
from livemood.sources.rtp.packet import MalformedPacket, leaving, parse_packet
from livemood.sources.rtp.payload import COMFORT_NOISE, STATIC, RtpFormat
from livemood.sources.rtp.stream import RtpStream

log = logging.getLogger(__name__)

Take = Callable[[AudioBlock | None], None]
"""Handed the blocks of one sender, in order, then none: it has gone. Must not block."""

Open = Callable[[int, RtpFormat], Take | None]
"""Asked about a new sender (its SSRC, its format): what takes its blocks, or none to refuse it."""

LONGEST_PACKET: Final = 2048
SOCKET_BUFFER: Final = 4 << 20
"""Bytes; at 150 calls half a second of packets, for when the thread is held up."""


def bind(host: str, port: int) -> socket.socket:
    """A UDP socket for receiving. Raises `SourceError` if the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    try:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        receiver.bind((host, port))
        receiver.setblocking(False)
    except (OSError, OverflowError) as error:
        receiver.close()
        raise SourceError(f"cannot receive at {host}:{port}: {error}; choose another") from None
    return receiver


class RtpReceiver:
    """Tells senders on one port apart by their SSRC and hands their sound on.

    One thread reads all packets that have come, however many senders there are. Use it as a
    context manager. Port 0 takes any free port.
    """

    AT_ONCE: Final = 512
    """Most packets read before deadlines are looked at again."""
    FEW: Final = 8
    """With more senders packets gather for a while: waking up costs as much as some packets."""
    PACE_S: Final = 0.004
    LONGEST_PACE_S: Final = 0.01
    """Reached at 100 senders."""

    def __init__(
        self,
        host: str,
        port: int,
        opened: Open,
        *,
        formats: Mapping[int, RtpFormat] = STATIC,
        idle_s: float = 10.0,
        most: int = 1000,
    ) -> None:
        self._socket = bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._open, self._formats = opened, dict(formats)
        self._idle_s, self._most = idle_s, most
        self._streams: dict[int, _Sender] = {}
        self._holding: set[_Sender] = set()
        self.refused: Counter[str] = Counter()
        """Packets that belong to no stream, by cause."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="livemood-rtp", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(5.0)
        self._socket.close()

    def _work(self) -> None:
        next_sweep = time.monotonic() + 1.0
        while not self._stopped.is_set():
            select.select([self._socket], [], [], 0.02)
            if (senders := len(self._streams)) > self.FEW:
                time.sleep(min(self.LONGEST_PACE_S, max(self.PACE_S, senders / 10_000)))
            for _ in range(self.AT_ONCE):
                try:
                    data = self._socket.recv(LONGEST_PACKET)
                except BlockingIOError:
                    break
                self._take(data, time.monotonic())
            now = time.monotonic()
            for sender in list(self._holding):
                sender.hand_on(sender.stream.due(now))
                self._note(sender)
            if now >= next_sweep:
                self._sweep(now)
                next_sweep = now + 1.0
        for ssrc in list(self._streams):
            self._close(ssrc)

    def _take(self, data: bytes, now: float) -> None:
        try:
            packet = parse_packet(data)
        except MalformedPacket:
            for ssrc in leaving(data):
                self._close(ssrc)
            self.refused["malformed"] += 1
            return
        sender = self._streams.get(packet.ssrc)
        if sender is None:
            sender = self._new(packet.ssrc, packet.payload_type)
            if sender is None:
                return
        sender.heard = now
        sender.hand_on(sender.stream.push(packet, now))
        self._note(sender)

    def _note(self, sender: "_Sender") -> None:
        """Note whether packets of the sender wait behind a hole, so that others are not asked."""
        if sender.stream.deadline is not None:
            self._holding.add(sender)
        elif sender in self._holding:
            self._holding.discard(sender)

    def _new(self, ssrc: int, payload_type: int) -> "_Sender | None":
        form = self._formats.get(payload_type)
        if form is None:
            known = payload_type in COMFORT_NOISE
            self.refused["comfort noise" if known else "unknown payload type"] += 1
            return None
        if len(self._streams) >= self._most:
            self.refused["too many senders"] += 1
            return None
        types = frozenset(t for t, f in self._formats.items() if f == form)
        try:
            stream = RtpStream(form, types)
        except UsageError as error:
            if not self.refused["no decoder"]:
                log.info("%s", error)  # whoever asks `refused` says it to the user
            self.refused["no decoder"] += 1
            return None
        take = self._open(ssrc, form)
        if take is None:
            self.refused["refused"] += 1
            return None
        sender = self._streams[ssrc] = _Sender(stream, take)
        return sender

    def _sweep(self, now: float) -> None:
        for ssrc, sender in list(self._streams.items()):
            if now - sender.heard > self._idle_s:
                self._close(ssrc)

    def _close(self, ssrc: int) -> None:
        sender = self._streams.pop(ssrc, None)
        if sender:
            self._holding.discard(sender)
            sender.hand_on(sender.stream.flush())
            sender.end()


class _Sender:
    """One sender: its stream, and who takes its sound."""

    def __init__(self, stream: RtpStream, take: Take) -> None:
        self.stream, self._take = stream, take
        self.heard = 0.0

    def hand_on(self, blocks: list[AudioBlock]) -> None:
        for block in blocks:
            self._take(block)

    def end(self) -> None:
        self._take(None)
