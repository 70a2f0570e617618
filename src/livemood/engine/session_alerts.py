"""Alerts of one session: its rules, watched as events and time go by."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from livemood.timeline.alert_rules import AlertRule, AlertRules
from livemood.timeline.alerts import AlertChange, AlertWatch
from livemood.timeline.events import Alert, Event

WATCH_MS: Final = 250
"""How often alerts look at the time, in ms of sound."""


class SessionAlerts:
    """Hands `alert` events to `emit`, as fields, until it is closed."""

    def __init__(
        self,
        rules: Sequence[AlertRule],
        labels: tuple[str, ...],
        purpose: str | None,
        channels: int,
        emit: Callable[[type[Event], dict[str, Any]], object],
    ) -> None:
        """Raises `UsageError` if a rule names a label that is none of `labels`."""
        checked = AlertRules(alerts=tuple(rules))
        checked.check_labels(labels)
        watched = checked.for_purpose(purpose)
        self._watch = AlertWatch(watched, channels) if watched else None
        self._emit = emit
        self._watched_ms = 0

    def push(self, event: Event) -> None:
        """Take the next event of the session."""
        if self._watch is not None:
            self._tell(self._watch.push(event))

    def advance(self, now_ms: int) -> None:
        """Sound has come up to `now_ms`: what follows from time alone, such as silence."""
        if self._watch is None:
            return
        # In even steps, so that alerts do not depend on how often this is called.
        while self._watched_ms + WATCH_MS <= now_ms:
            self._watched_ms += WATCH_MS
            self._tell(self._watch.advance(self._watched_ms))

    def close(self) -> None:
        """Nothing follows."""
        self._watch = None

    def _tell(self, changes: Iterable[AlertChange]) -> None:
        for change in changes:
            self._emit(
                Alert,
                {
                    "rule": change.rule,
                    "state": change.state,
                    "number": change.number,
                    "reason": change.reason,
                    "found": change.found,
                    "channel": change.channel,
                    "start_ms": change.since_ms,
                    "end_ms": change.at_ms,
                },
            )
