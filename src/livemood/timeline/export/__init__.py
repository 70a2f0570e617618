"""A timeline as text in the formats that other programs read."""

import json
from collections.abc import Callable
from typing import Final

from livemood.timeline.export.emotionml import to_emotionml
from livemood.timeline.export.tables import to_csv, to_vtt
from livemood.timeline.timeline import Timeline

__all__ = ["EXPORTS", "MEDIA", "to_csv", "to_emotionml", "to_json", "to_jsonl", "to_vtt"]


def to_json(timeline: Timeline) -> str:
    """One indented JSON object."""
    return json.dumps(timeline.to_json(), indent=2, ensure_ascii=False) + "\n"


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
