"""One session whose parties call: what was asked for, and who is there."""

import ipaddress
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from livemood.audio import AudioBlock
from livemood.server.refused import Refused
from livemood.server.sessions.live import LiveSession
from livemood.server.sessions.sessions import Sessions
from livemood.server.spec import MOST_CHANNELS
from livemood.sources.rtp import STATIC, RtpFormat, RtpPort, Take
from livemood.sources.rtp.formats.convert import Converter

log = logging.getLogger(__name__)


class RtpWish(BaseModel):
    """How a call is to be received."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parties: int | None = Field(None, ge=1, le=MOST_CHANNELS)
    """Who speak, each a channel; by default as many as are named."""
    pairing: Literal["ports", "ssrcs"] = "ports"
    """How parties are told apart: each by a port of its own, or all on one port, a channel being
    given to each SSRC in the order in which they are heard."""
    ssrcs: tuple[Annotated[int, Field(ge=0, le=0xFFFFFFFF)], ...] = Field((), max_length=8)
    """The SSRC of each party, on the port that all such calls share."""
    sdp: str | None = Field(None, max_length=60_000)
    """What payload types mean; without it those of RFC 3551 alone are known."""
    sender: str | None = None
    """The address, without port, that alone is heard."""

    @field_validator("sender")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        return None if value is None else str(ipaddress.ip_address(value))


class RtpPlace(BaseModel):
    """Where to send a call; RTCP goes to the port above each, or to the same (RFC 5761)."""

    host: str
    ports: list[int]
    """One for each party, or one for all."""
    ssrcs: tuple[int, ...] = ()
    """Under which parties must send, where they share a port."""


class Rate:
    """One party's blocks at the rate, and with the channels, of the session's first party."""

    def __init__(self, form: RtpFormat, target: RtpFormat) -> None:
        same = (form.rate, form.channels) == (target.rate, target.channels)
        self._converter = None if same else Converter(form, target)
        self._rate, self._target = form.rate, target.rate
        self._taken = self._given = 0

    def push(self, block: AudioBlock) -> AudioBlock:
        """The next block, on the session's clock."""
        if self._converter is None:
            return block
        follows = block.start == self._taken
        start = self._given if follows else block.start * self._target // self._rate
        start, self._taken = max(start, self._given), block.end
        samples = self._converter.push(block.samples) if len(block.samples) else block.samples
        self._given = start + len(samples)
        return block._replace(start=start, samples=samples)


class Call:
    """The parties of one session on its clock. After creation the receiver thread's.

    The clock begins with the first party, and has its rate: another's sound is brought to it.
    One that comes later has a gap before it, cause `absent`. The session ends when all who came
    have left.
    """

    def __init__(self, sessions: Sessions, session: str, parties: int) -> None:
        self._sessions, self._session, self.parties = sessions, session, parties
        self.ports: list[RtpPort] = []
        self._live: LiveSession | None = None
        self._form = STATIC.sound[0]
        self._rate, self._began = 0, 0.0
        self._ends: dict[int, int] = {}
        """Where the sound of each channel ends."""
        self._there: set[int] = set()
        self._done = False

    @property
    def over(self) -> bool:
        """Whether nothing more can come of it."""
        if self._live is not None:
            return self._done or self._live.closing
        return self._done or self._sessions.open(self._session) is None

    def joining(self, channel: int | None) -> Callable[[int, RtpFormat], Take | None]:
        """What a port asks about its senders: they are of `channel`, or of any that is free."""

        def opened(_ssrc: int, form: RtpFormat) -> Take | None:
            free = (n for n in range(self.parties) if n not in self._there)
            place = channel if channel is not None else next(free, None)
            return None if place is None or place in self._there else self.join(place, form)

        return opened

    def join(self, channel: int, form: RtpFormat) -> Take | None:
        """A party begins to send; what takes its sound, or none if it cannot be heard."""
        now = time.monotonic()
        if self._live is None:
            self._start(form, now)
        if self._live is None or self._live.closing:
            return None
        self._there.add(channel)
        convert = Rate(form, self._form)
        if self.parties == 1 and channel not in self._ends:
            self._ends[channel] = 0
            return self._alone(self._live)
        passed = round((now - self._began) * self._rate)
        offset = max(self._ends.get(channel, 0), passed)
        return self._among_others(self._live, channel, offset, convert)

    def _start(self, form: RtpFormat, now: float) -> None:
        channels = form.channels if self.parties == 1 else self.parties
        try:
            self._live = self._sessions.start(
                self._session,
                source=f"rtp {form.encoding} {form.rate} Hz",
                sample_rate=form.rate,
                channels=channels,
            )
        except Refused as refused:
            log.warning("a call was not taken: %s", refused)
            self._sessions.metrics.refused.labels(refused.code).inc()
            if (opened := self._sessions.open(self._session)) is not None:
                self._sessions.finish(opened, "interrupted")
            self._done = True
            return
        self._form = form if channels == form.channels else replace(form, channels=1)
        self._rate, self._began = form.rate, now

    def _alone(self, live: LiveSession) -> Take:
        def take(block: AudioBlock | None) -> None:
            if block is None:
                self._leave(0)
            else:
                self._ends[0] = block.end
                live.push(block)

        return take

    def _among_others(self, live: LiveSession, channel: int, offset: int, convert: "Rate") -> Take:
        only = None if self.parties == 1 else channel
        cause: str | None = "absent"

        def take(block: AudioBlock | None) -> None:
            nonlocal cause
            if block is None:
                self._leave(channel)
                return
            block = convert.push(block)
            self._ends[channel] = block.end + offset
            live.push(
                block._replace(
                    start=block.start + offset,
                    channel=only,
                    gap_cause=cause or block.gap_cause,
                )
            )
            cause = None

        return take

    def _leave(self, channel: int) -> None:
        self._there.discard(channel)
        if not self._there and self._live is not None:
            self._live.finish()
            self._done = True
