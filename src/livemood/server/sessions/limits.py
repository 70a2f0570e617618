"""What a server allows."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field

from livemood.server.refused import Refused
from livemood.server.spec import MOST_CHANNELS

LOWEST_RATE, HIGHEST_RATE = 4000, 192_000


class Limits(BaseModel):
    """What is allowed; each limit has an error code of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sessions: int = Field(500, ge=1)
    """Sessions waiting or live: `too_many_sessions`."""
    sessions_per_token: int = Field(250, ge=1)
    """The same of one token, or of the local user: `too_many_sessions`."""
    waiting_channels: int = Field(128, ge=1)
    """Channels of one token's sessions that wait for their sound: `too_many_waiting`."""
    clients: int = Field(1000, ge=1)
    """Open WebSockets: `too_many_clients`."""
    recordings: int = Field(8, ge=0)
    """Uploaded recordings that arrive, wait or are read: `busy`."""
    recordings_per_token: int = Field(4, ge=0)
    """The same of one token, or of the local user: `too_many_recordings`."""
    recording_bytes: int = Field(1 << 30, ge=1024)
    """Of one uploaded recording: `recording_too_big`."""
    recording_upload_s: float = Field(3600.0, gt=0)
    """In which an upload must have come to its end: `too_slow`."""
    publishers: int = Field(64, ge=0)
    """Who publish by WHIP: `too_many_clients`."""
    message_bytes: int = Field(65_536, ge=1024)
    """Of a WebSocket message or a request's body: close code 1009, `message_too_big`."""
    ahead_s: float = Field(5.0, gt=0)
    """Sound that may come ahead of real time, in seconds: `too_fast`.

    Time in which no sound came is made up for, up to half a minute."""
    idle_s: float = Field(60.0, gt=0)
    """A live session without sound for so long is ended: `idle`."""
    waiting_s: float = Field(600.0, gt=0)
    """A session whose sound does not begin within so long is ended."""
    failed_logins: int = Field(10, ge=1)
    """Of one address in a minute: `too_many_logins`."""
    request_s: float = Field(10.0, gt=0)
    """In which a request, or a stream's first message, must have come: `too_slow`."""
    exports: int = Field(40, ge=1)
    """Timelines and reports being written and sent at once: `busy`."""
    exports_per_token: int = Field(20, ge=1)
    """The same for one token, or the local user: `busy`."""
    stall_s: float = Field(10.0, gt=0)
    """Who reads nothing of an answer for so long is cut off."""
    half_open: int = Field(512, ge=1)
    """Connections that have not sent a request yet; the oldest give way."""

    def check(self, there: Iterable[tuple[str, int]], creator: str, parties: int) -> None:
        """Raise `Refused` if a further session of so many parties would be too much.

        `there` are the sessions that wait or are live: of each its creator, and the channels that
        it waits for.
        """
        every = own = 0
        waiting = parties
        for whose, channels in there:
            every += 1
            if whose == creator:
                own += 1
                waiting += channels
        if every >= self.sessions:
            raise Refused(
                "too_many_sessions",
                f"{self.sessions} sessions are open, the most that are allowed",
                503,
                10,
            )
        if own >= self.sessions_per_token:
            raise Refused(
                "too_many_sessions",
                f"{self.sessions_per_token} of your sessions are open, the most that one token "
                "may have: end some",
                429,
                10,
            )
        if waiting > self.waiting_channels:
            raise Refused(
                "too_many_waiting",
                f"your sessions that wait for sound would have {waiting} channels, and one token "
                f"may have {self.waiting_channels}: start or end some",
                429,
                10,
            )


def check_form(sample_rate: int, channels: int) -> None:
    """Raise `Refused` for sound of a rate, in Hz, or with channels that cannot be read."""
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        raise Refused("bad_rate", f"the rate must be from {LOWEST_RATE} to {HIGHEST_RATE} Hz", 422)
    if not 1 <= channels <= MOST_CHANNELS:
        raise Refused("bad_channels", f"there may be from 1 to {MOST_CHANNELS} channels", 422)
