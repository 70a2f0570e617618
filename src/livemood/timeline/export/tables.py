"""CSV with one row for each reading, and WebVTT with one cue for each segment."""

import csv
import io
from xml.sax.saxutils import escape

from livemood.timeline.timeline import Timeline


def to_csv(timeline: Timeline) -> str:
    """RFC 4180, with a header row; probabilities in columns named p_LABEL and raw_LABEL.

    The column `participant` is the name of who speaks on the channel, empty if it was not said.
    Callers choose it, so where a spreadsheet would run it as a formula it begins with `'`.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    head = ["channel", "start_ms", "end_ms", "label", "confidence", "valence", "arousal"]
    head.insert(1, "participant")
    labels = timeline.labels
    writer.writerow(head + [f"p_{x}" for x in labels] + [f"raw_{x}" for x in labels])
    for channel in timeline.channels:
        for e in timeline.emotions(channel):
            row = [channel, _no_formula(timeline.participant(channel)), e.start_ms, e.end_ms]
            row += [e.label, e.confidence, e.valence, e.arousal]
            row += [e.probabilities[x] for x in labels]
            writer.writerow(row + [e.raw_probabilities[x] for x in labels])
    return out.getvalue()


def to_vtt(timeline: Timeline) -> str:
    """W3C WebVTT: segments of all channels in order of time. The voice is who speaks."""
    segments = [s for channel in timeline.channels for s in timeline.segments(channel)]
    blocks = [f"WEBVTT\n\nNOTE livemood, model {_model(timeline)}: how speech sounds, an estimate"]
    for number, s in enumerate(sorted(segments, key=lambda s: (s.start_ms, s.channel)), start=1):
        span = f"{_clock(s.start_ms)} --> {_clock(s.end_ms)}"
        who = timeline.participant(s.channel or 0) or f"channel {s.channel}"
        text = f"<v {_voice(who)}>{s.label} ({s.confidence:.0%})"
        blocks.append(f"{number}\n{span}\n{text}")
    return "\n\n".join(blocks) + "\n"


def _no_formula(name: str) -> str:
    return f"'{name}" if name.lstrip().startswith(("=", "+", "-", "@")) else name


def _voice(name: str) -> str:
    """A name as the annotation of a voice span: one line, and nothing that ends it."""
    return escape("".join(c for c in " ".join(name.split()) if c.isprintable()))


def _model(timeline: Timeline) -> str:
    return f"{timeline.started.model.name}" if timeline.started else "unknown"


def _clock(ms: int) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}.{ms:03d}"
