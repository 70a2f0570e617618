"""What a receiver gets of an alert."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from livemood.timeline.events import Alert, utc_now


class AlertMessage(BaseModel):
    """One alert, as JSON. It holds no sound, no words and no probabilities."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["alert", "test"] = "alert"
    id: str
    """The same for every delivery of the same message: compare it to find repeats."""
    rule: str
    state: Literal["raised", "cleared"]
    session: str
    channel: int | None
    participant: str | None
    """Who speaks on the channel, if the session's owner named them."""
    start_ms: int
    """Since when the conditions have held, in ms of the session's sound."""
    end_ms: int
    reason: str
    time: str
    """When the alert was made: RFC 3339, UTC."""

    @property
    def sentence(self) -> str:
        """One line for a person."""
        if self.type == "test":
            return f"livemood: a test of alert {self.rule}"
        who = self.participant or ("" if self.channel is None else f"channel {self.channel}")
        seconds = (self.end_ms - self.start_ms) / 1000
        if self.state == "cleared":
            return f"livemood: {self.rule} is over" + (f" ({who})" if who else "")
        held = f" for {seconds:.0f} s" if seconds >= 1 else ""
        return f"livemood: {self.rule}: {who + ' ' if who else ''}{self.reason}{held}"


def message_of(alert: Alert, participants: tuple[str, ...] = ()) -> AlertMessage:
    """The message about `alert`."""
    channel = alert.channel
    named = channel is not None and channel < len(participants)
    where = "all" if channel is None else channel
    return AlertMessage(
        id=f"{alert.session}:{alert.rule}:{where}:{alert.number}:{alert.state}",
        rule=alert.rule,
        state=alert.state,
        session=alert.session,
        channel=channel,
        participant=participants[channel] if named and channel is not None else None,
        start_ms=alert.start_ms,
        end_ms=alert.end_ms,
        reason=alert.reason,
        time=alert.time,
    )


def trial_message(rule: str) -> AlertMessage:
    """A message that only shows that messages arrive."""
    now = utc_now()
    return AlertMessage(
        type="test",
        id=f"test:{rule}:{now}",
        rule=rule,
        state="raised",
        session="test",
        channel=None,
        participant=None,
        start_ms=0,
        end_ms=0,
        reason="test",
        time=now,
    )
