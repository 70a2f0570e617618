"""How the voice on one channel differs from its usual, window by window."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from livemood.audio import Overrun, Samples, Span
from livemood.speech.voice_change import FRAME, VoiceObserver
from livemood.timeline.voice import Voice


class VoiceTracker:
    """Hands the new sound of each window to a `VoiceObserver`, once and in whole frames."""

    def __init__(self, labels: Sequence[str], read: Callable[[Span], Samples]) -> None:
        """`read` gives the sound of a span. It raises `Overrun` if some of it is gone."""
        self._observer, self._read = VoiceObserver(), read
        self._neutral = labels.index("neutral") if "neutral" in labels else None
        self._seen = 0

    def begin(self, start: int) -> None:
        """Another speech begins at sample `start`."""
        self._observer.forget()
        self._seen = start

    def skip(self, window: Span) -> None:
        """`window` held no speech: what is new in it says nothing of the voice."""
        self._seen = max(self._seen, window.end)

    def take(self, window: Span, probabilities: NDArray[np.float64]) -> Voice | None:
        """How the voice differs, as far as `window` goes; None while too little is known.

        `probabilities` are those of the window's labels.
        """
        start = -(-max(self._seen, window.start) // FRAME) * FRAME
        self._seen = max(start, window.end // FRAME * FRAME)
        try:
            sound = self._read(Span(start, self._seen))
        except Overrun:
            return None
        neutral = 1.0 if self._neutral is None else float(probabilities[self._neutral])
        change = self._observer.push(sound, neutral)
        return Voice.of(change) if change else None
