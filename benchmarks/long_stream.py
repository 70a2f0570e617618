"""Whether a minute at the end of an hour-long stream reads as it does alone.

A streaming encoder counts positions, keeps keys, values and a running maximum, and all of that goes
on for as long as a stream does. An hour of conversation, less a minute, is followed by a minute of
other speech, a pause of 7.2 s, and the same minute again. `raw_probabilities` of each are compared
with those of the minute alone, from the first speech that begins after 10 s of it; no baseline, as
that is meant to change by what came before. The first of them begins on a multiple of the 30 s
after which positions begin again. The second does not: how much the place counts is told as well.
"""

from itertools import pairwise

import common  # first: it sets one thread before numpy is loaded
import numpy as np
from common_session import events_of

from livemood.engine import MonitorSettings
from livemood.model import load_model

MINUTE_S, AFTER_S, PAUSE_S = 60, 10.0, 7.2
TOLERANCE = 1e-3
"""Aim: the largest difference of a probability."""


def readings(model, sound: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """Probabilities of each window, by where it lies, in ms."""
    events = events_of(model, sound, common.RATE, MonitorSettings(baseline=False))
    return {
        (e.start_ms, e.end_ms): np.array([e.raw_probabilities[label] for label in model.labels])
        for e in events
        if e.type == "emotion"
    }


def compared(alone: dict, stream: dict, offset_ms: int, first_ms: int) -> dict:
    """How windows of the minute differ where it lies `offset_ms` into the stream."""
    wanted = {span: p for span, p in alone.items() if span[0] >= first_ms}
    moved = {(start + offset_ms, end + offset_ms): p for (start, end), p in wanted.items()}
    both = [(p, stream[span]) for span, p in moved.items() if span in stream]
    differ = [float(np.abs(a - b).max()) for a, b in both]
    return {
        "windows": len(moved),
        "found": len(both),
        "largest_difference": max(differ, default=None),
        "median_difference": float(np.median(differ)) if differ else None,
        "same_label": round(100 * float(np.mean([a.argmax() == b.argmax() for a, b in both])), 1),
    }


def first_speech_ms(alone: dict) -> int:
    """Where the first speech after `AFTER_S` begins: its windows grow from one beginning."""
    starts = [span[0] for span in sorted(alone)]
    after = 1000 * AFTER_S
    speeches = [b for a, b in pairwise(starts) if b - a > 1000 and b >= after]
    return min(speeches)


def main() -> None:
    options = common.arguments(__doc__).parse_args()
    around = common.surroundings()
    model = load_model(options.model)
    before_s = 120 if options.quick else 3600 - MINUTE_S
    minute = common.one_side(MINUTE_S, options.seed + 1)
    pause = np.zeros(round(PAUSE_S * common.RATE), np.float32)
    hour = common.conversation(before_s, options.seed)
    stream = readings(model, np.concatenate((hour, minute, pause, minute)))
    alone = readings(model, minute)
    first = first_speech_ms(alone)
    again = round(1000 * (before_s + MINUTE_S + PAUSE_S))
    result = {
        "before_s": before_s,
        "windows": len(stream),
        "first": compared(alone, stream, 1000 * before_s, first),
        "second": compared(alone, stream, again, first),
        "tolerance": TOLERANCE,
        "model": common.model_info(model),
    }
    for place in ("first", "second"):
        found = result[place]
        if not found["found"] or not found["largest_difference"] <= TOLERANCE:
            result["failed"] = f"the {place} of the last minutes does not read as it does alone"
    common.report("long_stream", result | around, quick=options.quick)
    if result.get("failed"):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
