"""What a producer sends on `/v1/stream`, on its way into the session."""

import time

from livemood.audio import AudioBlock
from livemood.server.inputs.decoding import Decode
from livemood.server.inputs.stream_messages import (
    CONTROLS,
    KIND,
    Control,
    End,
    Mark,
    Observed,
    Transcript,
    checked,
    parsed,
)
from livemood.server.refused import Refused
from livemood.server.sessions.live import LiveSession
from livemood.server.sessions.sessions import Sessions


class Taker:
    """Takes the messages of one stream."""

    NOTE_S = 0.05
    """What a note counts for against the limit of sound ahead of real time."""

    def __init__(self, live: LiveSession, sessions: Sessions, decode: Decode) -> None:
        self._live, self._decode = live, decode
        self._packets = sessions.metrics.packets.labels("stream")
        self._unknown = sessions.metrics.unknown.labels("stream")
        self._at = 0

    def take(self, message: bytes | str) -> None:
        """Take one message. Raises `Refused` if it makes no sense."""
        if isinstance(message, bytes):
            now = time.monotonic()
            self._packets.inc()
            samples = self._decode(message)
            cancelled = bool(getattr(self._decode, "cancels", False))
            self._live.push(AudioBlock(self._at, samples, now, cancelled=cancelled))
            self._at += len(samples)
            return
        control = self._control(message)
        if control is None:
            self._unknown.inc()
            self._live.spend(self.NOTE_S, time.monotonic())
        elif isinstance(control, End):
            self._live.finish()
        elif self._live.spend(self.NOTE_S, time.monotonic()):
            self._note(control)

    def _note(self, control: Mark | Transcript | Observed) -> None:
        if isinstance(control, Mark):
            self._live.mark(control.note)
            return
        where = (control.channel, control.start_ms, control.end_ms)
        if isinstance(control, Transcript):
            self._live.push_transcript(control.text, *where)
        else:
            self._live.observe(control.source, control.labels, control.confidence, *where)

    def _control(self, message: str) -> Control | None:
        """What a message says; none if its type is not known. Raises `Refused` for no JSON."""
        kind = checked(lambda: KIND.validate_json(message)).type
        if kind == "start":
            raise Refused("bad_request", "a second start message", 422)
        return parsed(CONTROLS[kind], message) if kind in CONTROLS else None

    @property
    def crowded(self) -> bool:
        """Whether much sound came at once and waits to be read: the next message should wait."""
        return self._live.crowded
