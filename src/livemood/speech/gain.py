"""A slow gain, so that a detector hears a quiet voice as it hears a loud one."""

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

TARGET: Final = 10 ** (-22 / 20)
"""Root mean square at which the loudest stretch of the last seconds comes out."""
ABOVE_NOISE: Final = 10 ** (40 / 20)
"""While nobody has spoken, the gain is that for a voice so far above the noise,"""
LOUD_VOICE: Final = 10 ** (-20 / 20)
"""or for one of this level, if that is less: in much noise no voice is so far above it."""
ABOVE_MUCH_NOISE: Final = 10 ** (28 / 20)
"""But noise never comes out louder than so far below a voice: WebRTC takes steady noise near
-20 dBFS for a voice for ever."""
LOUDEST: Final = 2 * TARGET
"""No frame comes out louder, so that a voice out of silence is not overdriven."""
QUIETEST: Final = 10 ** (-75 / 20)
"""A voice below this is not lifted further: what 16 bits keep of it is mostly rounding."""
SILENT: Final = 2.0**-16
"""Half a step of 16 bits: fainter sound is digital silence, as of a muted call."""
FIRST_AFTER_SILENCE: Final = 0.3
"""Share of what comes first after it that may be noise."""
REMEMBERED: Final = 6
"""Seconds for which the loudest and the quietest stretch count."""
FORGOTTEN: Final = 2
"""Seconds of digital silence after which nothing counts that was before."""
_SMOOTHING, _NOISE_SMOOTHING = 0.05, 0.3
_RISE = 10 ** (10 / 20)


class SlowGain:
    """Pushed the level of one frame after the other, returns the gain for each. A pure object.

    The gain follows the loudest 400 ms of the last six seconds, or what the quietest 60 ms let
    expect of a voice. It falls at once and rises by at most 10 dB a second. Apart from the limits
    `QUIETEST` and `LOUD_VOICE` it depends on ratios of levels only: the same sound 12 dB quieter
    comes out the same. What it remembers ends after some seconds, so a long stream is heard as a
    short one.
    """

    def __init__(self, frames_s: int) -> None:
        """`frames_s` is the number of frames in a second."""
        self._frames_s = frames_s
        self._rise = _RISE ** (1 / frames_s)
        self.coarse = False
        """Whether the noise is mostly rounding, which is never steady."""
        self.reset()

    def reset(self) -> None:
        """Forget all sound heard so far."""
        self._count = 0
        self._seconds: deque[tuple[float, float]] = deque(maxlen=REMEMBERED - 1)
        self._loudest_before, self._quietest_before = 0.0, math.inf
        self._loudest, self._quietest = 0.0, math.inf
        self._smooth = self._noise = -1.0
        self._gain, self._silent = 0.0, 0

    def push(self, levels: Sequence[float]) -> list[float]:
        """The gain of each frame, from its root mean square in [0, 1]."""
        # One loop over plain variables: of all that a quiet stream costs this is a large part.
        gains = []
        smooth, noise, gain = self._smooth, self._noise, self._gain
        for level in levels:
            if level < SILENT:  # no sound, and not a room that is quiet
                self._silent += 1
                if self._silent == FORGOTTEN * self._frames_s:
                    self.reset()
                    self._silent = FORGOTTEN * self._frames_s
                    smooth, noise, gain = self._smooth, self._noise, self._gain
                gains.append(gain)
                continue
            if noise < 0:
                smooth = level
                # Out of digital silence a voice may be the first that is heard.
                noise = max(SILENT, FIRST_AFTER_SILENCE * level) if self._silent else level
            self._silent = 0
            smooth += _SMOOTHING * (level - smooth)
            noise += _NOISE_SMOOTHING * (level - noise)
            self._count += 1
            if self._count > self._frames_s:
                self._next_second()
            if smooth > self._loudest:
                self._loudest = smooth
            if noise < self._quietest:
                self._quietest = noise
            voice = max(self._loudest, self._loudest_before, QUIETEST)
            quietest = min(self._quietest, self._quietest_before)
            least = quietest * ABOVE_NOISE
            if least > LOUD_VOICE and not self.coarse:
                least = max(quietest * ABOVE_MUCH_NOISE, LOUD_VOICE)
            wanted = TARGET / (voice if voice > least else least)
            risen = gain * self._rise
            gain = wanted if wanted < risen or not gain else risen
            limit = LOUDEST / level
            gains.append(gain if gain < limit else limit)
        self._smooth, self._noise, self._gain = smooth, noise, gain
        return gains

    def _next_second(self) -> None:
        self._count = 1
        self._seconds.append((self._loudest, self._quietest))
        self._loudest_before = max(loud for loud, _ in self._seconds)
        self._quietest_before = min(quiet for _, quiet in self._seconds)
        self._loudest, self._quietest = 0.0, math.inf
