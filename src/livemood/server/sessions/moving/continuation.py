"""The second part of a session, as what it is: a part. Pure.

The server that goes on with a session listens anew: its engine counts events from 1 and time from
0. This turns what that engine says into what follows the events of the first part.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from livemood.errors import UsageError
from livemood.timeline.events import (
    Alert,
    AnyEvent,
    ErrorEvent,
    Gap,
    Level,
    Load,
    SessionEnded,
    SessionStarted,
    utc_now,
)
from livemood.timeline.recover import Recap

MOVED: Final = "moved"
"""The cause of the gap between two parts."""
SAMPLES_PER_MS: Final = 16
"""In which gaps are counted."""


class Continuation:
    """Push the events of the new engine, in order; they come out as events of the session.

    Numbers go on without a hole, times are those of the session, alerts are counted on, and the
    summary at the end is that of all parts.
    """

    def __init__(self, before: Sequence[AnyEvent]) -> None:
        """`before` are all events so far. Raises `UsageError` if no session begins with them."""
        if not before or not isinstance(before[0], SessionStarted):
            raise UsageError("the beginning of the session is not known any more")
        self._recap = Recap(before[0])
        self._up: dict[tuple[str, int | None], Alert] = {}
        self._alerts: dict[tuple[str, int | None], int] = {}
        for event in before[1:]:
            self._note(event)
        self._recap.seq = before[-1].seq or 0
        self._raised = dict(self._alerts)
        self._superseded = [channel.superseded for channel in self._recap.channels]
        self._model = before[0].model
        self._at_ms = self._recap.end_ms
        self._shift = 0

    @property
    def seq(self) -> int:
        """Number of the last event."""
        return self._recap.seq

    @property
    def begins_ms(self) -> int:
        """Where the new part begins, in ms of the session."""
        return self._at_ms

    def begin(self, left_ms: int, at_ms: int) -> list[AnyEvent]:
        """What is said between the parts: the gap from `left_ms`, where sound was last heard.

        `at_ms` is where it goes on. What was up in the first part, an alert say, is over: the new
        engine knows nothing of it, and says so anew if it lasts.
        """
        left_ms = max(left_ms, self._recap.end_ms)
        self._at_ms = max(left_ms, at_ms)
        said = list(self._between(left_ms))
        self._shift = self._recap.seq - 1  # the engine's `session.started` has number 1, and goes
        return said

    def _between(self, left_ms: int) -> Iterator[AnyEvent]:
        at = self._at_ms
        for alert in list(self._up.values()):
            reason = "the session went on at another server"
            fields = {"state": "cleared", "reason": reason, "start_ms": at, "end_ms": at}
            yield self._said(alert.model_copy(update=fields))
        for n, channel in enumerate(self._recap.channels):
            common = {"session": self._recap.started.session, "channel": n, "time": utc_now()}
            samples = SAMPLES_PER_MS * (at - left_ms)
            gap = Gap(**common, start_ms=left_ms, end_ms=at, cause=MOVED, samples=samples)
            yield self._said(gap)
            common |= {"start_ms": at, "end_ms": at}
            if channel.problems:
                level = Level(**common, problems=(), speech_db=None, noise_db=None, peak_db=None)
                yield self._said(level)
            if channel.behind:
                hop_ms = self._recap.started.settings.hop_ms
                numbers = {"latency_ms": 0.0, "superseded": channel.superseded, "hop_ms": hop_ms}
                yield self._said(Load(**common, behind=False, **numbers))
        if self._model != self._recap.started.model:
            name = f"{self._model.name} {self._model.version} {self._model.precision}"
            text = f"from here on the session is read by {name} ({self._model.provider})"
            session = self._recap.started.session
            error = ErrorEvent(
                session=session, time=utc_now(), code="model_changed", message=text, fatal=False
            )
            yield self._said(error.model_copy(update={"start_ms": at, "end_ms": at}))

    def push(self, event: AnyEvent) -> AnyEvent | None:
        """The engine's next event as one of the session; none if it says nothing new.

        Raises `UsageError` if the engine's model has other labels.
        """
        if isinstance(event, SessionStarted):
            if event.model.labels != self._recap.started.model.labels:
                raise UsageError("the model of this server has other labels")
            self._model = event.model
            return None
        if isinstance(event, SessionEnded):
            end_ms = max(self._recap.end_ms, event.end_ms + self._at_ms)
            return self._recap.end(event.reason, end_ms)
        moved = self.moved(event)
        self._note(moved)
        return moved

    def moved(self, event: AnyEvent) -> AnyEvent:
        """An event of the engine with the number and the times that it has in the session."""
        fields: dict[str, object] = {
            "seq": (event.seq or 0) + self._shift,
            "start_ms": event.start_ms + self._at_ms,
            "end_ms": event.end_ms + self._at_ms,
        }
        if isinstance(event, Alert):
            raised = self._raised.get((event.rule, event.channel), 0)
            fields["number"] = event.number + raised
        elif isinstance(event, Load) and event.channel is not None:
            fields["superseded"] = event.superseded + self._superseded[event.channel]
        return event.model_copy(update=fields)

    def _said(self, event: AnyEvent) -> AnyEvent:
        said = event.model_copy(update={"seq": self._recap.seq + 1})
        self._note(said)
        return said

    def _note(self, event: AnyEvent) -> None:
        self._recap.push(event)
        if isinstance(event, Alert):
            key = (event.rule, event.channel)
            self._alerts[key] = max(self._alerts.get(key, 0), event.number)
            if event.state == "raised":
                self._up[key] = event
            else:
                self._up.pop(key, None)
