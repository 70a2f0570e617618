"""Sound that a driver brings by callbacks, on one clock."""

from typing import Final

from livemood.audio import AudioBlock, Samples
from livemood.sources.rtp.clock import SenderClock


class CallbackClock:
    """Compares how much sound a driver brought with how much time went by.

    A device that is suspended, or a driver that drops sound and does not say so, goes on as if
    nothing had been missing. Such sound shows by coming late, and without what was missing coming
    behind it: then a gap is written. Sound that was only held up stands where it was captured. A
    pure object.
    """

    TOLERANCE_S: Final = 0.1
    """Drivers bring sound less evenly than it is captured, by so much."""

    def __init__(self, rate: int) -> None:
        """`rate` samples a second."""
        self._clock = SenderClock(rate, rate, tolerance_s=self.TOLERANCE_S)
        self._heard = 0
        self._held: list[tuple[int, Samples, float, str]] = []

    def push(
        self, samples: Samples, captured: float, lost: int = 0, cause: str = "source_lost"
    ) -> list[AudioBlock]:
        """Take what one callback brought; the blocks that are now in their place.

        `captured` is when the last sample was, in monotonic seconds; the driver says that `lost`
        samples are missing before it. `cause` names that gap, or one that this side made.
        """
        self._heard += lost
        at = self._heard & 0xFFFFFFFF
        self._heard += len(samples)
        piece = (at, samples, captured, cause)
        clock, held = self._clock, self._held
        if held:
            held.append(piece)
            stood = clock.judge(at, captured, len(samples))
            return [] if stood is None else self._release(follow=stood)
        if clock.is_late(at, captured, len(samples)):
            held.append(piece)
            return []
        return [self._place(*piece, follow=False)]

    def flush(self) -> list[AudioBlock]:
        """What is still held."""
        return self._release(follow=True)

    def _release(self, *, follow: bool) -> list[AudioBlock]:
        held, self._held = self._held, []
        return [self._place(*piece, follow=follow and not n) for n, piece in enumerate(held)]

    def _place(
        self, at: int, samples: Samples, captured: float, cause: str, *, follow: bool
    ) -> AudioBlock:
        before = self._clock.end
        if follow:
            start = self._clock.follow(at, captured, len(samples))
            cause = "device_stalled" if start > before else cause
        else:
            start = self._clock.place(at, captured, len(samples), restarted=False)
        start = max(start, before)
        self._clock.move(start)
        self._clock.reached(start + len(samples), captured)
        return AudioBlock(start, samples, captured, cause)
