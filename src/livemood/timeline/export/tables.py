"""CSV with one row for each reading, and WebVTT with one cue for each segment."""

import csv
import io

from livemood.timeline.timeline import Timeline


def to_csv(timeline: Timeline) -> str:
    """RFC 4180, with a header row; probabilities in columns named p_LABEL and raw_LABEL."""
    out = io.StringIO()
    writer = csv.writer(out)
    head = ["channel", "start_ms", "end_ms", "label", "confidence", "valence", "arousal"]
    labels = timeline.labels
    writer.writerow(head + [f"p_{x}" for x in labels] + [f"raw_{x}" for x in labels])
    for channel in timeline.channels:
        for e in timeline.emotions(channel):
            row = [channel, e.start_ms, e.end_ms, e.label, e.confidence, e.valence, e.arousal]
            row += [e.probabilities[x] for x in labels]
            writer.writerow(row + [e.raw_probabilities[x] for x in labels])
    return out.getvalue()


def to_vtt(timeline: Timeline) -> str:
    """W3C WebVTT: segments of all channels in order of time. The channel is the voice."""
    segments = [s for channel in timeline.channels for s in timeline.segments(channel)]
    blocks = [f"WEBVTT\n\nNOTE livemood, model {_model(timeline)}: how speech sounds, an estimate"]
    for number, s in enumerate(sorted(segments, key=lambda s: (s.start_ms, s.channel)), start=1):
        span = f"{_clock(s.start_ms)} --> {_clock(s.end_ms)}"
        text = f"<v channel {s.channel}>{s.label} ({s.confidence:.0%})"
        blocks.append(f"{number}\n{span}\n{text}")
    return "\n\n".join(blocks) + "\n"


def _model(timeline: Timeline) -> str:
    return f"{timeline.started.model.name}" if timeline.started else "unknown"


def _clock(ms: int) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{ms:03d}"
