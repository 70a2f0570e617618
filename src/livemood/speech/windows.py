"""Sliding windows over speech, on a grid of absolute samples."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from livemood.audio.block import Span


class WindowSettings(BaseModel):
    """How long windows are and how often they come, in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    length_s: float = Field(default=3.0, gt=0, le=30)
    """The full length of a window."""
    hop_s: float = Field(default=0.25, ge=0.01, le=30)
    """From the end of one window to the end of the next."""
    first_s: float = Field(default=1.0, gt=0, le=30)
    """Speech before the first window; windows grow from here to the full length."""
    least_speech: float = Field(default=0.3, ge=0, le=1)
    """Mean probability of speech in a window's frames, by the voice activity detector, below which
    it is not read and its label is `uncertain`: keystrokes and knocks open the gate, too."""

    @model_validator(mode="after")
    def _check(self) -> "WindowSettings":
        # One that was not set follows the model: see `MonitorSettings.for_model`.
        if "first_s" in self.model_fields_set and self.first_s > self.length_s:
            raise ValueError("the first window cannot be longer than the full length")
        return self


class Windower:
    """Told how far speech is known, returns the windows that are now complete.

    A window ends on a multiple of the hop, counted from the first sample of the stream, so that
    where windows lie does not depend on the sizes of blocks. One more ends where speech pauses.
    """

    def __init__(self, settings: WindowSettings, sample_rate: int) -> None:
        self._length = round(settings.length_s * sample_rate)
        self._hop = max(1, round(settings.hop_s * sample_rate))
        self._first = round(settings.first_s * sample_rate)
        self.stretch = 1
        """Windows end on multiples of `stretch` hops: more than 1 when the machine is behind."""
        self._start = 0
        self._earliest = 0
        self._last_end = 0

    @property
    def length(self) -> int:
        """Samples in a full window."""
        return self._length

    def next_end(self, position: int) -> int:
        """Where the next window on the grid after sample `position` may end."""
        hop = self._hop * self.stretch
        return (max(self._last_end, position) // hop + 1) * hop

    def open(self, start: int) -> None:
        """Speech begins at sample `start`."""
        self._start = self._last_end = start

    def advance(self, until: int) -> list[Span]:
        """Windows that end on the grid, no later than `until`, up to which all is speech."""
        windows = []
        hop, end = self._hop * self.stretch, self.next_end(0)
        while end <= until:
            if end - self._start >= self._first:
                windows.append(Span(max(self._start, end - self._length), end))
                self._last_end = end
            end += hop
        return windows

    def pause(self, end: int) -> list[Span]:
        """The window that ends where speech pauses, on the grid or not.

        Where the speech is shorter than the first window should be, the window reaches back into
        the sound before it: a short exclamation, too, gets a reading.
        """
        if end <= self._last_end:
            return []
        self._last_end = end
        start = min(max(self._start, end - self._length), end - self._first)
        return [Span(start, end)] if start >= self._earliest else []

    def resume(self, at: int) -> None:
        """Voice came back at sample `at`: windows that end in the pause would be stale by now."""
        self._last_end = max(self._last_end, at)

    def restart(self, position: int) -> None:
        """Nothing before sample `position` may be used any more: sound was lost."""
        self._earliest = self._start = self._last_end = position
