"""How much of a window is speech, as far as the detector can tell."""

from collections import deque
from collections.abc import Sequence
from itertools import islice

from livemood.audio.block import Span


class SpeechEvidence:
    """Remembers how likely each of the last frames was speech. A pure object.

    A gate has to open at the first syllable, so what sounds like one opens it, too: a knock, a
    key, a plucked string. Over a whole window these differ: in speech most frames are speech.
    """

    def __init__(self, frame_length: int, remembered: int, position: int = 0) -> None:
        """All in samples; the last `remembered` ones are kept."""
        self._frame = frame_length
        self._probabilities: deque[float] = deque(maxlen=-(-remembered // frame_length) + 1)
        self._end = position

    def push(self, probabilities: Sequence[float]) -> None:
        """Take the probabilities of the next frames."""
        self._probabilities.extend(probabilities)
        self._end += len(probabilities) * self._frame

    def restart(self, position: int) -> None:
        """The next frame begins at `position`; nothing before it counts."""
        self._probabilities.clear()
        self._end = position

    def share(self, span: Span) -> float:
        """Mean probability of speech in the frames of `span` that are remembered; 0 if none is."""
        held = len(self._probabilities)
        first = max(0, held - (self._end - span.start) // self._frame)
        last = min(held, held - (self._end - span.end) // self._frame)
        frames = last - first
        return sum(islice(self._probabilities, first, last)) / frames if frames > 0 else 0.0
