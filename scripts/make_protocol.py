"""Writes protocol.schema.json and the tables of protocol.md, both in docs/reference.

`python scripts/make_protocol.py`; a test checks that both are up to date.
"""

import ast
import inspect
import itertools
import json
import re
from pathlib import Path

from pydantic.fields import FieldInfo

from livemood.timeline.events import (
    EVENT,
    Alert,
    AlertFound,
    ChannelSummary,
    Emotion,
    ErrorEvent,
    Event,
    Fused,
    Gap,
    Latency,
    Level,
    Load,
    Marker,
    ModelInfo,
    Observation,
    Segment,
    SessionEnded,
    SessionSettings,
    SessionStarted,
    SpeechEnded,
    SpeechStarted,
    Summary,
    Transition,
    Words,
)

DOCS = Path(__file__).resolve().parent.parent / "docs" / "reference"
EVENTS = [
    SessionStarted,
    SpeechStarted,
    Emotion,
    Words,
    Observation,
    Fused,
    Segment,
    SpeechEnded,
    Gap,
    Level,
    Load,
    Marker,
    Alert,
    ErrorEvent,
    SessionEnded,
]
PARTS = [ModelInfo, SessionSettings, Latency, ChannelSummary, Summary, Transition, AlertFound]
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


def schema():
    return json.dumps(EVENT.json_schema(mode="serialization"), indent=2) + "\n"


def tables():
    parts = ["## Fields of every event", "", _table(Event, set())]
    common = set(Event.model_fields)
    for event in EVENTS:
        kind = event.model_fields["type"].default
        parts += ["", f"## `{kind}`", "", event.__doc__.strip(), ""]
        parts += [_table(event, common | {"type"})]
    for part in PARTS:
        parts += ["", f"### {part.__name__}", "", part.__doc__.strip(), "", _table(part, set())]
    return "\n".join(parts)


def document():
    path = DOCS / "protocol.md"
    text = path.read_text("utf-8")
    return re.sub(f"(?s){BEGIN}.*{END}", lambda _: f"{BEGIN}\n\n{tables()}\n\n{END}", text)


def _table(model, without):
    fields = {n: f for n, f in model.model_fields.items() if n not in without}
    if not fields:
        return "No fields of its own."
    rows = [
        f"| `{field.alias or name}` | {_type(field)} | {field_doc(model, name)} |"
        for name, field in fields.items()
    ]
    return "\n".join(["| field | type | |", "| --- | --- | --- |", *rows])


def _type(field: FieldInfo):
    text = str(field.annotation)
    text = re.sub(r"<class '([^']+)'>", r"\1", text)
    text = re.sub(r"(?:livemood\.timeline\.(?:events|event_parts)|typing)\.", "", text)
    return "`" + text.replace("NoneType", "null").replace("None", "null").replace("|", "or") + "`"


def field_doc(model, name):
    """The docstring that follows the field in the source."""
    for owner in model.__mro__:
        if name in vars(owner).get("__annotations__", {}):
            return docstrings(owner).get(name, "")
    return ""


def docstrings(model):
    body = ast.parse(inspect.getsource(model)).body[0].body
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }


def main():
    (DOCS / "protocol.schema.json").write_text(schema(), "utf-8")
    (DOCS / "protocol.md").write_text(document(), "utf-8")


if __name__ == "__main__":
    main()
