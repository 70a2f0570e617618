"""Segments and summaries, kept up to date in bounded memory as readings come in."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livemood.timeline.events import LevelProblem, Summary, Transition

RECENT_MS = 30_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """Speech from the end of one reading to the end of the next, with the latter's reading."""

    start_ms: int
    end_ms: int
    label: str
    confidence: float
    probabilities: NDArray[np.float64]
    valence: float
    arousal: float
    follows: bool
    """Whether it continues the speech of the stretch before it."""


@dataclass(frozen=True, slots=True)
class ClosedSegment:
    """A stretch of one label that is over; confidence, valence and arousal are means by time."""

    start_ms: int
    end_ms: int
    label: str
    confidence: float
    valence: float
    arousal: float


class LevelTimes:
    """Adds up how long something was wrong with the level."""

    def __init__(self) -> None:
        self.problems: tuple[LevelProblem, ...] = ()
        """What is wrong now."""
        self._since = 0
        self._sums: Counter[LevelProblem] = Counter()

    def push(self, at_ms: int, problems: Sequence[LevelProblem]) -> None:
        """From `at_ms` on these problems hold, and no others."""
        self._sums, self._since = Counter(self.until(at_ms)), at_ms
        self.problems = tuple(problems)

    def until(self, now_ms: int) -> dict[LevelProblem, int]:
        """Milliseconds that each problem lasted up to `now_ms`, without those that never came."""
        lasted = Counter(dict.fromkeys(self.problems, max(0, now_ms - self._since)))
        return {problem: ms for problem, ms in (self._sums + lasted).items() if ms}


class Segmenter:
    """Joins stretches of one label; returns each segment when it closes."""

    def __init__(self) -> None:
        self._first: Stretch | None = None
        self._end_ms = 0
        self._weight = 0
        self._sums = (0.0, 0.0, 0.0)

    def push(self, stretch: Stretch) -> ClosedSegment | None:
        """Take the next stretch of the same speech."""
        closed = None
        if self._first and self._first.label != stretch.label:
            closed = self.close()
        if self._first is None:
            self._first, self._weight, self._sums = stretch, 0, (0.0, 0.0, 0.0)
        weight = max(1, stretch.end_ms - stretch.start_ms)
        self._end_ms = stretch.end_ms
        self._weight += weight
        confidence, valence, arousal = self._sums
        self._sums = (
            confidence + weight * stretch.confidence,
            valence + weight * stretch.valence,
            arousal + weight * stretch.arousal,
        )
        return closed

    def close(self) -> ClosedSegment | None:
        """Speech ended: the segment that was open, if any."""
        first, self._first = self._first, None
        if first is None:
            return None
        means = (round(x / self._weight, 4) for x in self._sums)
        return ClosedSegment(first.start_ms, self._end_ms, first.label, *means)


class Summarizer:
    """Adds stretches up into the summary of the whole session and of the last 30 s."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = tuple(labels)
        self._total = _Sums(self._labels)
        self._recent: deque[Stretch] = deque()

    def push(self, stretch: Stretch) -> None:
        """Take the next stretch."""
        self._total.add(stretch)
        self._recent.append(stretch)
        self._forget(stretch.end_ms)

    def session(self, now_ms: int) -> Summary:
        """From the beginning until `now_ms`."""
        return self._total.summary(0, now_ms)

    def recent(self, now_ms: int) -> Summary:
        """The 30 s before `now_ms`; a stretch that began earlier counts with its part inside."""
        self._forget(now_ms)
        start = max(0, now_ms - RECENT_MS)
        sums = _Sums(self._labels)
        for stretch in self._recent:
            sums.add(stretch, since_ms=start)
        return sums.summary(start, now_ms)

    def _forget(self, now_ms: int) -> None:
        while self._recent and self._recent[0].end_ms <= now_ms - RECENT_MS:
            self._recent.popleft()


class _Sums:
    def __init__(self, labels: tuple[str, ...]) -> None:
        self._labels = labels
        self._by_label: Counter[str] = Counter()
        self._transitions: Counter[tuple[str, str]] = Counter()
        self._probabilities = np.zeros(len(labels))
        self._valence = self._arousal = 0.0
        self._last: str | None = None

    def add(self, stretch: Stretch, since_ms: int = 0) -> None:
        ms = stretch.end_ms - max(stretch.start_ms, since_ms)
        self._by_label[stretch.label] += ms
        self._probabilities += ms * stretch.probabilities
        self._valence += ms * stretch.valence
        self._arousal += ms * stretch.arousal
        if stretch.follows and self._last not in (None, stretch.label):
            self._transitions[str(self._last), stretch.label] += 1
        self._last = stretch.label

    def summary(self, start_ms: int, end_ms: int) -> Summary:
        total = self._by_label.total()
        ranked = [item for item in self._by_label.most_common() if item[1] > 0]
        means = self._probabilities / total if total else self._probabilities
        return Summary(
            start_ms=start_ms,
            end_ms=end_ms,
            read_ms=total,
            dominant=ranked[0][0] if ranked else None,
            shares={label: round(ms / total, 4) for label, ms in ranked},
            mean_probabilities={
                label: round(float(p), 4) for label, p in zip(self._labels, means, strict=True)
            }
            if total
            else {},
            valence=round(self._valence / total, 4) if total else None,
            arousal=round(self._arousal / total, 4) if total else None,
            transitions=tuple(
                Transition(from_=a, to=b, count=n) for (a, b), n in self._transitions.most_common()
            ),
        )
