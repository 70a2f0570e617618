"""The timeline as one JSON object, pasted together from its events as they are written."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from pydantic_core import from_json

from livemood.timeline.events import parse_event
from livemood.timeline.timeline import SEGMENT_FIELDS, Timeline

_AT_ONCE: Final = 500
_WHOLE: Final = frozenset({"session.started", "session.ended", "marker"})


def document(lines: Iterable[str]) -> Iterator[str]:
    """What `Timeline.to_json` gives of these events, as text in pieces; one event a line.

    `lines` are the events as JSON. A session of hours has tens of thousands: none is validated
    or written anew that only has to be copied. Raises `ValueError` if one is no JSON.
    """
    events: defaultdict[int | None, list[str]] = defaultdict(list)
    segments: defaultdict[int | None, list[str]] = defaultdict(list)
    whole = Timeline()
    for line in lines:
        event = from_json(line)
        channel, kind = event.get("channel"), event["type"]
        events[channel].append(line.strip())
        if kind == "segment":
            segments[channel].append(_text({name: event[name] for name in SEGMENT_FIELDS}))
        elif kind in _WHOLE:
            whole.add(parse_event(line))
    frame = whole.to_json()
    yield "{\n"
    for name in ("schema", "source", "model"):
        yield f'"{name}": {_text(frame[name])},\n'
    yield from _list("events", events[None])
    yield ',\n"channels": ['
    for channel in frame["channels"]:
        number = channel["channel"]
        yield ("," if number else "") + f'\n{{"channel": {number}, '
        yield "".join(f'"{name}": {channel[name]}, ' for name in ("duration_ms", "speech_ms"))
        yield f'"summary": {_text(channel["summary"])},\n'
        yield from _list("events", events[number])
        yield ",\n"
        yield from _list("segments", segments[number])
        yield "}"
    yield f'],\n"markers": {_text(frame["markers"])}\n}}\n'


def _list(name: str, texts: list[str]) -> Iterator[str]:
    rest, before = iter(texts), f'"{name}": [\n'
    while some := list(islice(rest, _AT_ONCE)):
        yield before + ",\n".join(some)
        before = ",\n"
    yield "\n]" if texts else before + "]"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
