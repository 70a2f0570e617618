"""Taking the level out of log-mel frames as they come: each is related to a running maximum.

Whisper relates the frames of a clip to the loudest value of the whole clip, which nobody knows
while sound still comes. Here the maximum runs along with the stream, and forgets, so that a
slammed door lowers the features of the voice after it for a short time only.
"""

import math

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Float32 = NDArray[np.float32]


class LevelSettings(BaseModel):
    """How the running maximum behaves; all levels are of power, in dB."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    range_db: float = Field(80.0, gt=0)
    """What lies further below the maximum counts as lying there."""
    forget_db_s: float = Field(3.0, ge=0)
    """How far the maximum sinks in a second in which nothing reaches it."""
    floor_db: float = -60.0
    """The maximum never sinks below this, so that silence is not blown up to a voice."""


class LevelNormalisation:
    """Subtracts the running maximum, limits the range, then standardises.

    Frames come in groups: `first` of them when a stream begins, then `group` at a time. All of a
    group are related to one maximum, their own or what is left of the one before. So the result
    depends on where groups lie and not on how many are computed at once.
    """

    def __init__(
        self,
        settings: LevelSettings,
        *,
        first: int,
        group: int,
        frames_s: float,
        unit_db: float,
        mean: float = 0.0,
        deviation: float = 1.0,
    ) -> None:
        """`frames_s` is the number of frames in a second.

        `unit_db` is one unit of the logarithm in dB: 10 to base 10, 4.343 for a natural one.
        """
        self.first, self.group = first, group
        self._forget = np.float32(settings.forget_db_s / unit_db * group / frames_s)
        self._floor = np.float32(settings.floor_db / unit_db)
        self._range = np.float32(settings.range_db / unit_db)
        self._mean, self._scale = np.float32(mean), np.float32(1.0 / deviation)

    def __call__(self, frames: Float32, maximum: Float32 | None = None) -> Float32:
        """Normalise whole groups of `frames`, shape (..., frames, mels), in place.

        `maximum`, shape (...), is that of the group before; without one the stream begins here,
        and the first group has `first` frames. Returns the maximum to go on from. Frames that do
        not fill a group at the end are related to what they reach.
        """
        at, count = 0, frames.shape[-2]
        while at < count:
            end = min(count, at + (self.group if maximum is not None else self.first))
            part = frames[..., at:end, :]
            reached = part.max(axis=(-2, -1))
            if maximum is not None:
                reached = np.maximum(reached, maximum - self._forget)
            maximum = np.maximum(reached, self._floor)
            part -= maximum[..., np.newaxis, np.newaxis]
            np.maximum(part, -self._range, out=part)
            part -= self._mean
            part *= self._scale
            at = end
        if maximum is None:
            raise ValueError("there are no frames to take a maximum of")
        return maximum


DB_OF_NATURAL = 10.0 / math.log(10.0)
"""One unit of a natural logarithm of power in dB."""
