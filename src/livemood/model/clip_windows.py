"""Where the windows of a clip begin that is longer than one."""

import numpy as np


def window_starts(frames: int, longest: int) -> list[int]:
    """First frames of windows of at most `longest` frames that cover a clip of `frames`.

    Windows overlap by at least half, evenly; a clip that fits in one window gives one.
    """
    spare = max(0, frames - longest)
    count = 1 + -(-spare // (longest // 2))
    return [int(start) for start in np.linspace(0, spare, count).astype(int)]
