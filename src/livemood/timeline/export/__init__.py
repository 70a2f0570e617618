"""A timeline as text in the formats that other programs read."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from livemood.timeline.events import parse_event
from livemood.timeline.export.document import document
from livemood.timeline.export.emotionml import to_emotionml
from livemood.timeline.export.tables import to_csv, to_vtt
from livemood.timeline.timeline import Timeline

__all__ = [
    "EXPORTS",
    "MEDIA",
    "export",
    "to_csv",
    "to_emotionml",
    "to_json",
    "to_jsonl",
    "to_vtt",
]


def to_json(timeline: Timeline) -> str:
    """One JSON object, with one event a line."""
    return "".join(document(event.model_dump_json() for event in timeline.events))


def to_jsonl(timeline: Timeline) -> str:
    """Every event as it goes over the wire, one a line."""
    return "".join(event.model_dump_json() + "\n" for event in timeline.events)


EXPORTS: Final[dict[str, Callable[[Timeline], str]]] = {
    "json": to_json,
    "jsonl": to_jsonl,
    "csv": to_csv,
    "vtt": to_vtt,
    "emotionml": to_emotionml,
}
"""Format name to the function that writes it."""
MEDIA: Final[dict[str, str]] = {
    "json": "application/json",
    "jsonl": "application/jsonl",
    "csv": "text/csv; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "emotionml": "application/emotionml+xml",
}
"""Format name to media type."""
_NEEDED: Final = {
    "csv": ('"session.started"', '"emotion"'),
    "vtt": ('"session.started"', '"segment"'),
    "emotionml": ('"session.started"', '"segment"'),
}
"""Words of which one stands in each event that the format is made of."""


def export(form: str, lines: Iterable[str]) -> Iterator[str]:
    """The timeline of events that are JSON `lines`, in one of the formats, in pieces.

    No event is read that the format does not need.
    """
    if form == "json":
        yield from document(lines)
    elif form == "jsonl":
        yield from (line.strip() + "\n" for line in lines)
    else:
        needed = _NEEDED[form]
        events = (line for line in lines if any(word in line for word in needed))
        yield EXPORTS[form](Timeline(map(parse_event, events)))
