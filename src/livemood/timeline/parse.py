"""Timelines that were written to files, read back."""

import json
from typing import Any

from pydantic import ValidationError

from livemood.errors import LivemoodError, fault_text
from livemood.timeline.events import AnyEvent
from livemood.timeline.lenient import parse_known_event, parse_known_object
from livemood.timeline.timeline import SCHEMA, Timeline


def read_timeline(text: str) -> Timeline:
    """The timeline that `to_json` or `to_jsonl` wrote, be it of a newer livemood.

    Types of events and fields that are not known are passed over. Raises `LivemoodError` for other
    text.
    """
    whole = _object(text)
    try:
        if whole is None:
            lines = (parse_known_event(line) for line in text.splitlines() if line.strip())
            return Timeline(event for event in lines if event is not None)
        return Timeline(sorted(_events(whole), key=lambda event: event.seq or 0))
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise LivemoodError("it is no timeline, or the end of one is missing") from None
        where = ".".join(map(str, first["loc"])) or "event"
        raise LivemoodError(f"it is no timeline: {where}: {fault_text(first)}") from None


def _object(text: str) -> dict[str, Any] | None:
    """The one JSON object that `text` is, or none if it is lines of them."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return None
    if not isinstance(found, dict) or found.get("type"):
        return None
    if found.get("schema") != SCHEMA:
        raise LivemoodError(f"it is no timeline: its schema is not {SCHEMA}")
    if "events" not in found:
        raise LivemoodError(
            "it lacks the events of the whole session: an older livemood wrote it; take the "
            "events (.jsonl) beside it"
        )
    return found


def _events(whole: dict[str, Any]) -> list[AnyEvent]:
    raw = [*whole["events"], *(e for c in whole["channels"] for e in c["events"])]
    return [event for each in raw if (event := parse_known_object(each)) is not None]
