"""Words and observations of one session: read beside the sound, joined with how it sounded."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from livemood.engine.extensions.fusion import Evidence, Float64, Recogniser
from livemood.engine.words.thread import WordsThread
from livemood.errors import UsageError
from livemood.model.labels import UNCERTAIN
from livemood.timeline.events import (
    Emotion,
    ErrorEvent,
    Event,
    Fused,
    Observation,
    SpeechEnded,
    SpeechStarted,
    Words,
)

LONGEST_TEXT: Final = 2000
"""Letters of one transcript; an encoder reads no more than some hundred of them anyway."""
RECENT: Final = 600
"""Readings of a channel that are kept to be joined: a minute or more of speech."""
NOT_SPEECH: Final = 0.5
LONGEST_PIECE_MS: Final = 15_000
"""Speech that goes on is recognised in pieces of so long."""
RECOGNISED_S: Final = 60.0
"""How long one piece may take where sound is not live, and waits for it."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A channel's time from `start_ms` to `end_ms`."""

    channel: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class _Voice:
    end_ms: int
    probabilities: dict[str, float]
    dimensions: tuple[float, ...] | None
    """Valence, arousal and maybe dominance of a network that learnt them."""


class WordFuser:
    """What is said and observed in one session.

    `hear` and `observe` may be called by any thread and never wait for reading; `note` and `settle`
    belong to the thread that reads sound.
    """

    LIMIT = 32
    """Texts of one session that wait at most."""

    def __init__(
        self,
        words: WordsThread,
        labels: tuple[str, ...],
        priors: tuple[float, ...],
        *,
        channels: int,
        ignored: frozenset[int],
        enter: float,
        keep: bool,
        affect: Callable[[list[float]], tuple[float, float]],
        recogniser: Recogniser | None = None,
        at_once: bool = False,
    ) -> None:
        """`enter` is the probability from which a label is taken; `keep` leaves words in events.

        What is said on `ignored` channels is not read. `recogniser` recognises what is spoken. With
        `at_once` words are read in the caller's thread: where sound is not live, that holds up
        nothing.
        """
        words.fusion.check_labels(labels)
        self._words, self._labels, self._priors = words, labels, np.array(priors)
        self._channels, self._ignored = channels, ignored
        self._enter, self._keep, self._affect = enter, keep, affect
        self._recogniser, self._at_once = recogniser, at_once
        self._spoken: list[int | None] = [None] * channels
        self._voices: list[deque[_Voice]] = [deque(maxlen=RECENT) for _ in range(channels)]
        self._others: list[deque[tuple[Stretch, Evidence]]] = [
            deque(maxlen=RECENT) for _ in range(channels)
        ]
        self._read: deque[tuple[Stretch, str, Evidence | None]] = deque()
        self._changed = threading.Condition()
        self._waiting = 0
        self._dropped = self._failed = 0
        self._over = False
        """Whether the session has ended: no event may follow."""
        self.on_news: Callable[[], object] | None = None
        """Called, by any thread, when there is something to settle; it must not block."""

    def push_transcript(self, text: str, stretch: Stretch) -> None:
        """Take what was said. Raises `UsageError` for what cannot be."""
        self._check(stretch)
        if not isinstance(text, str) or not text.strip():
            raise UsageError("a transcript holds some text: leave out what is empty")
        if len(text) > LONGEST_TEXT:
            raise UsageError(f"a transcript of {len(text)} letters is too long: send sentences")
        if stretch.channel in self._ignored or self._over:
            return
        if self._at_once:
            self._read.append((stretch, text, self._words.fusion.read(text, self._labels)))
            return

        def done(evidence: Evidence | None) -> None:
            with self._changed:
                if not self._over:
                    self._read.append((stretch, text, evidence))
                self._waiting -= 1
                self._changed.notify_all()
            self._tell()

        with self._changed:
            taken = self._waiting < self.LIMIT and self._words.put(text, self._labels, done)
            self._waiting += taken
            self._dropped += not taken
        if not taken:
            self._tell()

    def observe(
        self, source: str, probabilities: Mapping[str, float], confidence: float, stretch: Stretch
    ) -> None:
        """Take what another observer says: shares of labels, and how sure it is, in [0, 1].

        Raises `UsageError` for what cannot be.
        """
        self._check(stretch)
        if source in ("", "voice", "words") or len(source) > 100:
            raise UsageError("name an observation's source, in up to 100 letters: camera, say")
        if not 0 <= confidence <= 1:
            raise UsageError(f"confidence lies from 0 to 1, not at {confidence}")
        if unknown := [label for label in probabilities if label not in self._labels]:
            raise UsageError(
                f"the observation's label {unknown[0]!r:.60} is none of {', '.join(self._labels)}"
            )
        shares = np.array([probabilities.get(label, 0.0) for label in self._labels], float)
        if not np.isfinite(shares).all() or shares.min() < 0 or shares.sum() <= 0:
            raise UsageError("an observation gives its labels shares from 0, not all of them 0")
        if stretch.channel in self._ignored:
            return
        # Sure to a part: the rest is even odds, as of an observer who only guesses.
        even = np.full(len(shares), 1 / len(shares))
        mixed = confidence * shares / shares.sum() + (1 - confidence) * even
        evidence = Evidence(source, mixed, even)
        with self._changed:
            self._read.append((stretch, "", evidence))
        self._tell()

    @property
    def pending(self) -> bool:
        """Whether texts are still being read."""
        return self._waiting > 0

    def wait(self, seconds: float) -> None:
        """Wait until no text is being read, or for so long."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, seconds)

    def give_up(self) -> None:
        """The session ends: what is still being read counts as dropped, and comes to nobody."""
        with self._changed:
            self._over = True
            self._dropped += self._waiting

    def note(self, event: Event) -> None:
        """Take an event of the session: readings of the voice are kept to be joined."""
        if (
            isinstance(event, Emotion)
            and not event.unread
            and (event.not_speech or 0.0) < NOT_SPEECH
        ):
            assert event.channel is not None  # noqa: S101 - a reading is of a channel
            self._voices[event.channel].append(
                _Voice(event.end_ms, event.raw_probabilities, event.raw_dimensions)
            )
        if self._recogniser is not None and event.channel not in (None, *self._ignored):
            self._recognise(event)

    def _recognise(self, event: Event) -> None:
        """Have each stretch of speech recognised, a long one in pieces."""
        channel = event.channel
        assert channel is not None  # noqa: S101 - asked by `note`
        if isinstance(event, SpeechStarted):
            self._spoken[channel] = event.start_ms
        start = self._spoken[channel]
        if start is None:
            return
        over = isinstance(event, SpeechEnded)
        long = isinstance(event, Emotion) and event.end_ms - start >= LONGEST_PIECE_MS
        if (over or long) and event.end_ms > start:
            self._cut(Stretch(channel, start, event.end_ms))
            self._spoken[channel] = event.end_ms
        if over:
            self._spoken[channel] = None

    def _cut(self, stretch: Stretch) -> None:
        assert self._recogniser is not None  # noqa: S101 - asked by `note`
        with self._changed:
            self._waiting += 1

        def done(text: str | None) -> None:
            try:
                if text:
                    self.push_transcript(text[:LONGEST_TEXT], stretch)
            finally:
                with self._changed:
                    self._dropped += text is None and not self._over
                    self._waiting -= 1
                    self._changed.notify_all()
                self._tell()

        self._recogniser.cut(stretch.channel, stretch.start_ms, stretch.end_ms, done)
        if self._at_once:
            self.wait(RECOGNISED_S)

    def settle(self, emit: Callable[[type[Event], dict[str, Any]], object]) -> None:
        """Emit what follows from what was read since."""
        while self._read:
            stretch, text, evidence = self._read.popleft()
            if evidence is None:
                self._failed += 1
            else:
                emit(*self._own(stretch, text, evidence))
                emit(Fused, self._fused(stretch, evidence))
        for code, count, message in (
            (
                "words_dropped",
                self._dropped,
                "words came faster than they can be read, or too late",
            ),
            ("words_failed", self._failed, "words could not be read; the log says why"),
        ):
            if count:
                emit(ErrorEvent, {"code": code, "message": message, "fatal": False, "count": count})
        self._dropped = self._failed = 0

    def _own(
        self, stretch: Stretch, text: str, evidence: Evidence
    ) -> tuple[type[Event], dict[str, Any]]:
        fields = self._fields(stretch, evidence.probabilities)
        if evidence.source == "words":
            return Words, fields | {"text": text if self._keep else None}
        return Observation, fields | {"source": evidence.source}

    def _fused(self, stretch: Stretch, evidence: Evidence) -> dict[str, Any]:
        others = self._others[stretch.channel]
        others.append((stretch, evidence))
        latest = {  # of each source what came last of this time
            other.source: other
            for span, other in others
            if span.start_ms < stretch.end_ms and stretch.start_ms < span.end_ms
        }
        heard = self._heard(stretch)
        joined = [*([self._voice(heard)] if heard else []), *latest.values()]
        probabilities = self._words.fusion.fuse(joined)
        # What was learnt of a voice is more than what follows from a label.
        rated = [voice.dimensions[:2] for voice in heard if voice.dimensions]
        valence, arousal = (
            np.mean(rated, axis=0).tolist() if rated else self._affect(probabilities.tolist())
        )
        return self._fields(stretch, probabilities) | {
            "sources": tuple(each.source for each in joined),
            "valence": round(valence, 4),
            "arousal": round(arousal, 4),
        }

    def _heard(self, stretch: Stretch) -> list[_Voice]:
        """The readings whose windows end within the stretch."""
        voices = self._voices[stretch.channel]
        return [voice for voice in voices if stretch.start_ms < voice.end_ms <= stretch.end_ms]

    def _voice(self, heard: list[_Voice]) -> Evidence:
        """The mean of readings of the voice, of which there is at least one."""
        found = [[voice.probabilities[label] for label in self._labels] for voice in heard]
        mean = np.array(found).mean(axis=0)
        return Evidence("voice", mean / mean.sum(), self._priors)

    def _fields(self, stretch: Stretch, probabilities: Float64) -> dict[str, Any]:
        best = int(probabilities.argmax())
        confidence = float(probabilities[best])
        return {
            "channel": stretch.channel,
            "start_ms": stretch.start_ms,
            "end_ms": stretch.end_ms,
            "label": self._labels[best] if confidence >= self._enter else UNCERTAIN,
            "confidence": round(confidence, 4),
            "probabilities": dict(zip(self._labels, probabilities.round(4).tolist(), strict=True)),
        }

    def _check(self, stretch: Stretch) -> None:
        if not 0 <= stretch.channel < self._channels:
            raise UsageError(
                f"there is no channel {stretch.channel}: channels count from 0, and there are "
                f"{self._channels}"
            )
        if not 0 <= stretch.start_ms < stretch.end_ms:
            raise UsageError(
                f"words from {stretch.start_ms} to {stretch.end_ms} ms: start_ms must be at least "
                "0 and lie before end_ms"
            )

    def _tell(self) -> None:
        if (told := self.on_news) is not None:
            told()
