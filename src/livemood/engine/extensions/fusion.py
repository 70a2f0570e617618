"""Fusion: what the engine asks of whoever reads words and joins them with the voice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from livemood.audio import AudioBlock

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one source says of a stretch of time, over a session's labels."""

    source: str
    """`voice`, `words`, or the name of another observer."""
    probabilities: Float64
    """Shape (labels,), summing to 1."""
    priors: Float64
    """What it says of anything, on average: shape (labels,), summing to 1, none of them 0."""
    weight: float = 1.0
    """How much it counts, from 0."""


class Recogniser(Protocol):
    """Turns speech of one session into words, at its own pace."""

    def push(self, block: AudioBlock) -> None:
        """Take the next block of sound. Never waits."""

    def cut(
        self, channel: int, start_ms: int, end_ms: int, done: Callable[[str | None], object]
    ) -> None:
        """Have what was said in this time recognised, and `done` told. Never waits.

        `done` may be told by any thread: the text, empty if nothing was said, or None if it could
        not be recognised.
        """


class Fusion(Protocol):
    """Reads words, and joins several sources into one distribution. Keeps nothing of a session.

        class Wordlist:
            def check_labels(self, labels):
                pass

            def recogniser(self, rate, channels):
                return None

            def read(self, text, labels):
                odds = np.array([9.0 if label in text else 1.0 for label in labels])
                even = np.full(len(labels), 1 / len(labels))
                return livemood.Evidence("words", odds / odds.sum(), even)

            def fuse(self, evidence):
                product = np.prod([each.probabilities for each in evidence], axis=0)
                return product / product.sum()

        session = livemood.Session(rate=16000, live=False, fusion=Wordlist())
        sound = np.fromfile("call.pcm", "<i2")
        told = [*session.push(sound), *session.push_transcript("I am so happy", 0, 8000)]
        for event in [*told, *session.finish()]:
            print(event)

    `read` is called by one thread of its own, `fuse` by the thread that reads sound: it must take
    no more than some microseconds.
    """

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise `UsageError` if it cannot serve a session of these labels."""

    def recogniser(self, rate: int, channels: int) -> Recogniser | None:
        """What recognises the speech of one session; None if all transcripts are pushed."""

    def read(self, text: str, labels: Sequence[str]) -> Evidence:
        """What a text says, by a session's labels."""

    def fuse(self, evidence: Sequence[Evidence], /) -> Float64:
        """One distribution (labels,) of what sources say, at least one of them.

        Where the voice is alone it gives back what the voice says.
        """
