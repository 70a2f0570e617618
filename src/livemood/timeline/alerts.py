"""Alerts: rules looked after while events pass. Pure: pushed events and time, returns alerts."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from livemood.timeline.alert_rules import AlertRule
from livemood.timeline.events import AlertFound, Emotion, Event, Gap, SpeechEnded, SpeechStarted

MIN_BASELINE_MS = 10_000
"""Speech that a channel must have said before a change against it means anything."""


@dataclass(frozen=True, slots=True)
class AlertChange:
    """An alert was raised or is over."""

    rule: str
    state: Literal["raised", "cleared"]
    channel: int | None
    """None for what concerns the session as a whole."""
    number: int
    """Counts the alerts of this rule and channel, from 1."""
    since_ms: int
    """Since when the conditions have held (raised), or held no longer (cleared)."""
    at_ms: int
    found: AlertFound
    """Why."""

    @property
    def reason(self) -> str:
        """One plain line for a person."""
        return self.found.words()


class AlertWatch:
    """Watches one session by its rules.

    Push every event of the session in order, and call `advance` as its sound goes on, so that
    silence is noticed. Memory is bounded by the rules, the channels, and `within_s`.
    """

    def __init__(self, rules: Sequence[AlertRule], channels: int) -> None:
        self._channels = [_Voice() for _ in range(channels)]
        self._runs = [
            _Run(rule, channel) for rule in rules for channel in _channels_of(rule, channels)
        ]
        self._now_ms = 0

    def push(self, event: Event) -> list[AlertChange]:
        """Take the next event; the alerts that follow from it."""
        if isinstance(event, Emotion) and event.channel is not None:
            return self._emotion(event, event.channel)
        if isinstance(event, SpeechStarted | SpeechEnded | Gap) and event.channel is not None:
            voice = self._channels[event.channel]
            if isinstance(event, SpeechStarted):
                voice.speaking = True
            else:
                voice.speaking = voice.speaking and isinstance(event, Gap)
                voice.quiet_since_ms = max(voice.quiet_since_ms, event.end_ms)
        return self.advance(event.end_ms)

    def advance(self, now_ms: int) -> list[AlertChange]:
        """The sound has come to `now_ms`, in ms of the stream; the alerts that follow."""
        self._now_ms = max(self._now_ms, now_ms)
        speaking = sum(voice.speaking for voice in self._channels)
        found: list[AlertChange] = []
        for run in self._runs:
            if run.rule.overtalk:
                found += run.hold(speaking > 1, self._now_ms, self._now_ms)
            elif run.rule.silent:
                since = self._quiet_since(run.channel)
                found += run.hold(since is not None, self._now_ms, since or 0)
            else:
                found += run.pass_time(self._now_ms)
        return found

    def _emotion(self, event: Emotion, channel: int) -> list[AlertChange]:
        voice = self._channels[channel]
        found: list[AlertChange] = []
        for run in self._runs:
            if run.channel == channel and not (run.rule.silent or run.rule.overtalk):
                found += run.read(event, voice)
        voice.push(event)
        return found + self.advance(event.end_ms)

    def _quiet_since(self, channel: int | None) -> int | None:
        """Since when the channel, or all of them, has been silent; none if somebody speaks."""
        voices = self._channels if channel is None else [self._channels[channel]]
        if any(voice.speaking for voice in voices):
            return None
        return max(voice.quiet_since_ms for voice in voices)


def _channels_of(rule: AlertRule, channels: int) -> Iterator[int | None]:
    if rule.channel is not None:
        if rule.channel < channels:
            yield rule.channel
    elif rule.silent or rule.overtalk:
        yield None
    else:
        yield from range(channels)


@dataclass(slots=True)
class _Voice:
    """What is known of one channel: whether it speaks, and its mean valence and arousal so far."""

    speaking: bool = False
    quiet_since_ms: int = 0
    last_ms: int = 0
    weight_ms: int = 0
    valence: float = 0.0
    arousal: float = 0.0

    def new_ms(self, event: Emotion) -> int:
        """How much of the event's window was not read before."""
        return max(0, event.end_ms - max(self.last_ms, event.start_ms))

    def push(self, event: Emotion) -> None:
        new = self.new_ms(event)
        self.weight_ms += new
        share = new / self.weight_ms if self.weight_ms else 0.0
        self.valence += share * (event.valence - self.valence)
        self.arousal += share * (event.arousal - self.arousal)
        self.last_ms = max(self.last_ms, event.end_ms)


@dataclass(slots=True)
class _Run:
    """One rule on one channel."""

    rule: AlertRule
    channel: int | None
    since_ms: int | None = None
    """Since when the conditions have held; none where they do not."""
    broken_ms: int | None = None
    """Since when they have not held, while an alert is up."""
    last_read_ms: int = 0
    raised: bool = False
    number: int = 0
    quiet_until_ms: int = -1
    found: AlertFound = field(default_factory=AlertFound)
    readings: deque[tuple[int, int, bool]] = field(default_factory=deque)
    """For `share`: end, new speech in ms, and whether the conditions held."""

    def read(self, event: Emotion, voice: _Voice) -> Iterator[AlertChange]:
        """Take a reading of the channel."""
        holds = self._holds(event, voice)
        now = event.end_ms
        if self.rule.share is not None:
            self.readings.append((now, voice.new_ms(event), holds))
            holds = self._share_holds(now)
        elif self._paused(now):
            yield from self._update(False, now, now)
        self.last_read_ms = now
        if holds:
            self.found = self._found(event)
        yield from self._update(holds, now, now)

    def hold(self, holds: bool, now_ms: int, since_ms: int) -> Iterator[AlertChange]:
        """Take whether the conditions hold now, for silence and overtalk."""
        if holds:
            self.found = AlertFound(silent=self.rule.silent, overtalk=not self.rule.silent)
        yield from self._update(holds, now_ms, since_ms)

    def pass_time(self, now_ms: int) -> Iterator[AlertChange]:
        """No reading came: a long pause ends what was held."""
        if self.rule.share is not None:
            if self.raised or self.since_ms is not None:
                yield from self._update(self._share_holds(now_ms), now_ms, now_ms)
        elif self._paused(now_ms):
            yield from self._update(False, now_ms, self.last_read_ms)

    def _paused(self, now_ms: int) -> bool:
        longest = 1000 * self.rule.max_pause_s
        return self.since_ms is not None and now_ms - self.last_read_ms > longest

    def _share_holds(self, now_ms: int) -> bool:
        within = 1000 * self.rule.within_s
        while self.readings and self.readings[0][0] <= now_ms - within:
            self.readings.popleft()
        total = sum(ms for _, ms, _ in self.readings)
        held = sum(ms for _, ms, h in self.readings if h)
        # A quarter of the window must be speech: one word is no share of a minute.
        return total >= within / 4 and held >= (self.rule.share or 0) * total

    def _holds(self, event: Emotion, voice: _Voice) -> bool:
        rule = self.rule
        margin = rule.margin if self.since_ms is not None else 0.0
        if rule.labels and (
            event.label not in rule.labels or event.confidence < rule.min_confidence
        ):
            return False
        if rule.valence and not rule.valence.holds(event.valence, margin):
            return False
        if rule.arousal and not rule.arousal.holds(event.arousal, margin):
            return False
        if not (rule.valence_change or rule.arousal_change):
            return True
        if voice.weight_ms < MIN_BASELINE_MS:
            return False
        valence, arousal = event.valence - voice.valence, event.arousal - voice.arousal
        return (rule.valence_change is None or rule.valence_change.holds(valence, margin)) and (
            rule.arousal_change is None or rule.arousal_change.holds(arousal, margin)
        )

    def _update(self, holds: bool, now_ms: int, since_ms: int) -> Iterator[AlertChange]:
        if holds:
            self.broken_ms = None
            if self.since_ms is None:
                self.since_ms = since_ms
            due = now_ms - self.since_ms >= 1000 * self.rule.for_s
            if due and not self.raised and now_ms >= self.quiet_until_ms:
                self.raised = True
                self.number += 1
                self.quiet_until_ms = now_ms + round(1000 * self.rule.cool_down_s)
                yield self._change("raised", self.since_ms, now_ms)
            return
        if not self.raised:
            self.since_ms = None
            return
        if self.broken_ms is None:
            self.broken_ms = since_ms
        if now_ms - self.broken_ms >= 1000 * self.rule.clear_after_s:
            self.raised = False
            broken, self.since_ms, self.broken_ms = self.broken_ms, None, None
            yield self._change("cleared", broken, now_ms)

    def _change(
        self, state: Literal["raised", "cleared"], since_ms: int, at_ms: int
    ) -> AlertChange:
        return AlertChange(
            self.rule.name, state, self.channel, self.number, since_ms, at_ms, self.found
        )

    def _found(self, event: Emotion) -> AlertFound:
        rule = self.rule
        valence, arousal = rule.valence or rule.valence_change, rule.arousal or rule.arousal_change
        return AlertFound(
            label=event.label if rule.labels else None,
            valence=event.valence if valence else None,
            arousal=event.arousal if arousal else None,
            share=rule.share,
            within_s=None if rule.share is None else rule.within_s,
        )
