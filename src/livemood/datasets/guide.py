"""Annotation standards: what labels mean and how to decide, as a TOML file; checked."""

import html
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from livemood.datasets.formats.options import by_recording
from livemood.datasets.item import SAME_S, Item, duration_of
from livemood.errors import UsageError


class Label(BaseModel):
    """One label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    definition: str = Field(min_length=1)
    examples: tuple[str, ...] = ()
    decide: str = ""
    """How to decide where another label is near."""


class Intensity(BaseModel):
    """How strong an emotion is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: tuple[str, ...] = Field(min_length=2)
    required: bool = False


class Dimension(BaseModel):
    """A number that is rated, valence say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float = -1
    high: float = 1
    definition: str = Field(min_length=1)
    required: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class Rules(BaseModel):
    """What else holds of a stretch."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    shortest_s: float = Field(0.0, ge=0)
    longest_s: float | None = Field(None, gt=0)
    overlap: bool = True
    """Whether two stretches of one channel may lie over each other."""


class Guide(BaseModel):
    """An annotation standard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    version: str = ""
    intro: str = ""
    labels: dict[str, Label] = Field(min_length=2)
    intensity: Intensity | None = None
    dimensions: dict[str, Dimension] = Field(default_factory=dict)
    rules: Rules = Rules()


def read_guide(path: Path) -> Guide:
    """The standard in a TOML file. Raises `UsageError` with the place and the reason."""
    try:
        return Guide.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise UsageError(f"cannot read the standard {path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"the standard {path} is no TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"the standard {path}: {where}: {first['msg']}") from None


def breaches(guide: Guide, items: Sequence[Item]) -> Iterator[str]:
    """Everything in `items` that is not as the standard has it, one line each."""
    for item in items:
        for what in _of_item(guide, item):
            yield f"{_name(item)}: {what}"
    if not guide.rules.overlap:
        yield from _overlaps(items)


def _name(item: Item) -> str:
    return item.path.name if item.whole else f"{item.path.name} at {item.start:g} s"


def _of_item(guide: Guide, item: Item) -> Iterator[str]:
    if item.label not in guide.labels:
        yield f"the label {item.label!r} is none of {', '.join(guide.labels)}"
    found = item.columns.get("intensity", "")
    if guide.intensity is not None:
        if found and found not in guide.intensity.levels:
            yield f"the intensity {found!r} is none of {', '.join(guide.intensity.levels)}"
        elif not found and guide.intensity.required:
            yield "no intensity"
    for name, dimension in guide.dimensions.items():
        text = item.columns.get(name, "")
        if not text and dimension.required:
            yield f"no {name}"
        elif text and not _within(text, dimension):
            yield f"{name} {text} is not from {dimension.low:g} to {dimension.high:g}"
    rules = guide.rules
    if rules.shortest_s or rules.longest_s is not None:
        start, end = item.span(duration_of(item.path))
        if end - start < rules.shortest_s - SAME_S:
            yield f"{end - start:.2f} s is shorter than {rules.shortest_s:g} s"
        if rules.longest_s is not None and end - start > rules.longest_s + SAME_S:
            yield f"{end - start:.2f} s is longer than {rules.longest_s:g} s"


def _within(text: str, dimension: Dimension) -> bool:
    try:
        return dimension.low <= float(text) <= dimension.high
    except ValueError:
        return False


def _overlaps(items: Sequence[Item]) -> Iterator[str]:
    for path, found in by_recording(items).items():
        duration = duration_of(path)
        last: dict[int, Item] = {}
        for item in sorted(found, key=lambda item: item.start):
            before = last.get(item.channel)
            if before is not None and item.start < before.span(duration)[1] - SAME_S:
                yield f"{_name(item)}: it lies over the stretch at {before.start:g} s"
            last[item.channel] = item


def to_html(guide: Guide) -> str:
    """The standard as a page for those who annotate."""
    e = html.escape
    parts = [f"<h1>{e(guide.name)} {e(guide.version)}</h1>", f"<p>{e(guide.intro)}</p>"]
    for name, label in guide.labels.items():
        parts.append(f"<h2>{e(name)}</h2><p>{e(label.definition)}</p>")
        if label.decide:
            parts.append(f"<p><strong>How to decide.</strong> {e(label.decide)}</p>")
        examples = "".join(f"<li>{e(text)}</li>" for text in label.examples)
        parts.append(f"<ul>{examples}</ul>" if examples else "")
    if guide.intensity is not None:
        needed = "needed" if guide.intensity.required else "optional"
        levels = ", ".join(map(e, guide.intensity.levels))
        parts.append(f"<h2>Intensity ({needed})</h2><p>{levels}</p>")
    for name, d in guide.dimensions.items():
        parts.append(f"<h2>{e(name)}: {d.low:g} to {d.high:g}</h2><p>{e(d.definition)}</p>")
    style = "body{font:16px/1.5 sans-serif;max-width:44em;margin:2em auto;padding:0 1em}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{e(guide.name)}</title>'
        f"<style>{style}</style><body>{''.join(parts)}</body></html>\n"
    )
