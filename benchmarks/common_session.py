"""Sound of one channel through a session of its own, as fast as it goes."""

import numpy as np

from livemood.audio import AudioBlock
from livemood.engine import MonitorSettings, SessionCore


def events_of(model, sound: np.ndarray, rate: int, settings: MonitorSettings | None = None) -> list:
    """What a session says of `sound`, which comes in blocks of a quarter of a second."""
    events: list = []
    core = SessionCore(
        model,
        settings or MonitorSettings(),
        source="sound",
        sample_rate=rate,
        channels=1,
        live=False,
        sinks=[events.append],
    )
    for start in range(0, len(sound), rate // 4):
        block = sound[start : start + rate // 4, None].astype(np.float32)
        core.push(AudioBlock(start, block, 0.0))
        core.process()
    core.finish()
    return events
