"""What a turn of speech sounded like: pushed events and times, returns summaries. Pure."""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from livemood.timeline.events import AnyEvent, Emotion

MIN_SPEECH_MS: Final = 300
"""A turn with less speech than this is not summed up."""
MIN_BEFORE_MS: Final = 5_000
"""Speech of earlier turns from which on a change against them is told."""
MIN_PROBABILITY: Final = 0.4
"""The likeliest label must have at least this mean probability, or the turn is `uncertain`."""
_GROUP: Final = re.compile(r"\((\[[a-z_]+ [^\[\]]*\](?:,\[[a-z_]+ [^\[\]]*\])*)\)(?=\s|$)")
"""The perception that heads a message: signals in square brackets, in round ones."""
_KEPT: Final = 4096
"""Readings kept: a quarter of an hour of speech without a turn's end."""


@dataclass(frozen=True, slots=True)
class TurnSummary:
    """How one turn sounded, over all the speech that was read in it."""

    label: str
    """The likeliest label, or `uncertain`."""
    confidence: float
    """Mean probability of the likeliest label, 0 to 1."""
    probabilities: dict[str, float]
    """Mean over the turn, weighted by how much speech each reading adds; they sum to 1."""
    valence: float
    """-1 to 1."""
    arousal: float
    """-1 to 1."""
    valence_change: float | None
    """Valence less its mean over the earlier turns; none before 5 s of those."""
    arousal_change: float | None
    speech_s: float
    """Seconds of speech that were read."""

    def perception(self) -> str:
        """The turn as perception of Pipecat's Real-time Context Standard 0.1.

        One group in round brackets, one signal in square brackets each: `emotion` with the two
        likeliest labels, `arousal` and `valence`, and `arousal_change` against the earlier turns
        where it is known. An uncertain turn has no `emotion`.
        """
        signals = []
        if self.label != "uncertain":
            ranked = sorted(self.probabilities.items(), key=lambda item: -item[1])
            likeliest = [f"{label}={p:.2f}" for label, p in ranked[:2] if p >= 0.1]
            signals.append(f"[emotion {', '.join(likeliest)}]")
        signals.append(f"[arousal value={self.arousal:.2f}]")
        signals.append(f"[valence value={self.valence:.2f}]")
        if self.arousal_change is not None:
            signals.append(f"[arousal_change value={self.arousal_change:.2f}]")
        return f"({','.join(signals)})"

    def head(self, message: str) -> str:
        """The user's message with this turn's perception at its head.

        A message that another reader has headed already keeps one group: its signals stand after
        these, as the standard asks for one group a message.
        """
        if (group := _GROUP.match(message)) is None:
            return f"{self.perception()} {message}"
        return f"{self.perception()[:-1]},{group[1]}){message[group.end() :]}"


@dataclass(slots=True)
class _Means:
    """Means weighted by ms of speech."""

    weight_ms: int = 0
    valence: float = 0.0
    arousal: float = 0.0
    probabilities: dict[str, float] = field(default_factory=dict)

    def add(self, weight_ms: int, event: Emotion) -> None:
        self.weight_ms += weight_ms
        share = weight_ms / self.weight_ms if self.weight_ms else 0.0
        self.valence += share * (event.valence - self.valence)
        self.arousal += share * (event.arousal - self.arousal)
        for label, p in event.raw_probabilities.items():
            before = self.probabilities.get(label, 0.0)
            self.probabilities[label] = before + share * (p - before)


class TurnTracker:
    """Sums the readings of one channel up by turns.

    Push every event of the session. `end_turn` takes all readings since the last turn's end, so a
    framework needs to say only where turns end. Memory is bounded.
    """

    def __init__(self, channel: int = 0) -> None:
        self._channel = channel
        self._readings: deque[tuple[int, Emotion]] = deque(maxlen=_KEPT)
        self._read_until_ms = 0
        self._before = _Means()

    def push(self, event: AnyEvent) -> None:
        """Take the next event; all but readings of the channel are passed over."""
        if isinstance(event, Emotion) and event.channel == self._channel:
            new_ms = event.end_ms - max(self._read_until_ms, event.start_ms)
            self._read_until_ms = event.end_ms
            if not event.unread:
                self._readings.append((max(0, new_ms), event))

    def extend(self, events: Sequence[AnyEvent]) -> None:
        """Take several events."""
        for event in events:
            self.push(event)

    def end_turn(self) -> TurnSummary | None:
        """The turn ends here: how it sounded, or none where too little speech was read."""
        turn = _Means()
        for new_ms, event in self._readings:
            turn.add(new_ms, event)
        if turn.weight_ms < MIN_SPEECH_MS:
            return None  # what was read counts for the next turn
        summary = self._summary(turn)
        for new_ms, event in self._readings:
            self._before.add(new_ms, event)
        self._readings.clear()
        return summary

    def _summary(self, turn: _Means) -> TurnSummary:
        likeliest = max(turn.probabilities, key=turn.probabilities.__getitem__)
        confidence = turn.probabilities[likeliest]
        known = self._before.weight_ms >= MIN_BEFORE_MS
        return TurnSummary(
            label=likeliest if confidence >= MIN_PROBABILITY else "uncertain",
            confidence=round(confidence, 4),
            probabilities={label: round(p, 4) for label, p in turn.probabilities.items()},
            valence=round(turn.valence, 4),
            arousal=round(turn.arousal, 4),
            valence_change=round(turn.valence - self._before.valence, 4) if known else None,
            arousal_change=round(turn.arousal - self._before.arousal, 4) if known else None,
            speech_s=round(turn.weight_ms / 1000, 3),
        )
