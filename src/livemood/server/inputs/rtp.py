"""Calls over RTP: sessions created by REST are given ports, one thread receives for all."""

import threading
from collections import Counter
from typing import Self

from livemood.errors import LivemoodError, SourceError, UsageError
from livemood.server.inputs.call import Call, RtpPlace, RtpWish
from livemood.server.inputs.settings import RtpSettings
from livemood.server.refused import Refused
from livemood.server.sessions.sessions import Sessions
from livemood.server.spec import SessionRecord
from livemood.sources.rtp import STATIC, PayloadTypes, RtpFormat, RtpPort, RtpReceiver, Take
from livemood.sources.rtp import described as described_by


class RtpInput:
    """Gives out ports, and SSRCs of the shared one. Use it as a context manager.

    `place` may be called by any thread; what is received is the receiver thread's.
    """

    def __init__(self, sessions: Sessions, settings: RtpSettings) -> None:
        """Raises `LivemoodError` if the shared port cannot be used."""
        if settings.first_port + 1 > settings.last_port:
            raise UsageError("rtp.first_port must lie below rtp.last_port")
        self._sessions, self._settings = sessions, settings
        self._receiver = RtpReceiver(self._look_after)
        self._lock = threading.Lock()
        self._calls: set[Call] = set()
        first, last = settings.first_port, settings.last_port
        self._free = [*range(first + first % 2, last, 2)]
        self._by_ssrc: dict[int, tuple[Call, int, PayloadTypes]] = {}
        self._counted: dict[RtpPort, Counter[str]] = {}
        self._shared: RtpPort | None = None
        if settings.shared_port is not None:
            self._shared = RtpPort(
                settings.host,
                settings.shared_port,
                self._opened,
                types=self._types_of,
                idle_s=settings.idle_s,
            )

    def __enter__(self) -> Self:
        self._receiver.__enter__()
        if self._shared:
            self._receiver.listen(self._shared)
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.__exit__()

    def place(self, record: SessionRecord, wish: RtpWish) -> RtpPlace:
        """Where the waiting session `record` takes its sound. Raises `Refused` if nowhere."""
        parties = wish.parties or max(1, len(record.participants))
        try:
            types = described_by(wish.sdp) if wish.sdp is not None else STATIC
        except LivemoodError as error:
            raise Refused("bad_sdp", str(error), 422) from None
        call = Call(self._sessions, record.id, parties)
        host = self._settings.advertise or self._settings.host
        with self._lock:
            if wish.ssrcs:
                self._share(call, wish, types)
                assert self._shared is not None  # noqa: S101 - just looked at
                ports = [self._shared.port]
            else:
                self._open_ports(call, wish, types)
                ports = [port.port for port in call.ports]
            self._calls.add(call)
        return RtpPlace(host=host, ports=ports, ssrcs=wish.ssrcs)

    def _share(self, call: Call, wish: RtpWish, types: PayloadTypes) -> None:
        if self._shared is None:
            raise Refused("no_shared_port", "calls by SSRC need the setting rtp.shared_port", 409)
        if wish.sender is not None:
            raise Refused("bad_request", "rtp.sender: not where calls share a port", 422)
        if len(set(wish.ssrcs)) != call.parties:
            raise Refused("bad_request", "rtp.ssrcs: give one for each party, all different", 422)
        if taken := [ssrc for ssrc in wish.ssrcs if ssrc in self._by_ssrc]:
            raise Refused("ssrc_taken", f"another session has SSRC {taken[0]}", 409)
        for channel, ssrc in enumerate(wish.ssrcs):
            self._by_ssrc[ssrc] = (call, channel, types)

    def _open_ports(self, call: Call, wish: RtpWish, types: PayloadTypes) -> None:
        count = call.parties if wish.pairing == "ports" else 1
        for channel in range(count):
            place = channel if wish.pairing == "ports" else None
            port = self._open_one(call, place, wish, types, call.parties // count)
            if port is None:
                self._give_back(call)
                few = f"fewer than {count} ports" if count > 1 else "no port"
                raise Refused("no_port", f"{few} for calls free: try again later", 503, 10)
            call.ports.append(port)
        for port in call.ports:
            self._receiver.listen(port)

    def _open_one(
        self, call: Call, channel: int | None, wish: RtpWish, types: PayloadTypes, parties: int
    ) -> RtpPort | None:
        """On the first port that nobody else has taken; it was free for the longest time."""
        for _ in range(len(self._free)):
            number = self._free.pop(0)
            try:
                return RtpPort(
                    self._settings.host,
                    number,
                    call.joining(channel),
                    types=types,
                    idle_s=self._settings.idle_s,
                    parties=parties,
                    only=wish.sender,
                )
            except SourceError:  # another program has it
                self._free.append(number)
        return None

    def _give_back(self, call: Call) -> None:
        """Close what is the call's; the lock is held."""
        for port in call.ports:
            self._receiver.close(port)
            self._free.append(port.port)
        for ssrc, (owner, _, _) in list(self._by_ssrc.items()):
            if owner is call:
                del self._by_ssrc[ssrc]
        self._calls.discard(call)

    # The receiver's thread

    def _types_of(self, ssrc: int) -> PayloadTypes | None:
        found = self._by_ssrc.get(ssrc)
        return found[2] if found else None

    def _opened(self, ssrc: int, form: RtpFormat) -> Take | None:
        found = self._by_ssrc.get(ssrc)
        return found[0].join(found[1], form) if found else None

    def _look_after(self) -> None:
        """Part with calls whose session has ended, and count packets."""
        with self._lock:
            for call in [call for call in self._calls if call.over]:
                self._give_back(call)
        ports = self._receiver.ports
        for port in {*ports, *self._counted}:
            counts = port.counts()
            for cause, count in (counts - self._counted.get(port, Counter())).items():
                self._sessions.metrics.rtp.labels(cause.replace(" ", "_")).inc(count)
            self._counted[port] = counts
        for port in self._counted.keys() - ports:
            del self._counted[port]
