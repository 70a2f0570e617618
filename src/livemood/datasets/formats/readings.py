"""What livemood read, as items that a person corrects: the segments of timelines."""

from pathlib import Path

from livemood.datasets.formats.options import Reading
from livemood.datasets.item import Item, duration_of, stretch
from livemood.errors import LivemoodError, UsageError
from livemood.timeline.parse import read_timeline


def read(source: Path, how: Reading) -> list[Item]:
    """The segments of a timeline, or of all in a folder, as items.

    Columns are `channel`, `confidence`, `valence` and `arousal`. Who speaks is the participant, or
    the recording and the channel. Raises `UsageError` for what is no timeline.
    """
    files = [source] if source.is_file() else sorted(source.glob("*.json*"))
    if not files:
        raise UsageError(f"{source} holds no timeline: give what livemood analyze --out wrote")
    return [item for file in files for item in _segments(file, how)]


def _segments(file: Path, how: Reading) -> list[Item]:
    try:
        timeline = read_timeline(file.read_text("utf-8"))
    except (LivemoodError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: {error}") from None
    if timeline.started is None:
        raise UsageError(
            f"{file}: the timeline does not say what it is of: its beginning is missing"
        )
    path = how.sound(timeline.started.source, file.parent, str(file))
    duration = duration_of(path)
    items = []
    for channel in timeline.channels:
        names = timeline.started.participants
        known = names[channel] if channel < len(names) else f"{path.stem}-{channel}"
        for s in timeline.segments(channel):
            span = stretch(s.start_ms / 1000, min(s.end_ms / 1000, duration), duration)
            columns = {
                "channel": str(channel),
                "confidence": f"{s.confidence:.3f}",
                "valence": f"{s.valence:.3f}",
                "arousal": f"{s.arousal:.3f}",
            }
            speaker = how.speaker(path, "" if how.speaker_from else known)
            items.append(Item(path, speaker, s.label, *span, columns))
    return items
