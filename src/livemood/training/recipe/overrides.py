"""Values put into places of a recipe: by a search, or on the command line."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from livemood.errors import UsageError
from livemood.training.recipe.schema import Recipe


def read_settings(settings: Sequence[str]) -> dict[str, Any]:
    """`PLACE=VALUE` each, the value as TOML writes it; words need no quotes, and nothing is none.

    Raises `UsageError` for one without `=`.
    """
    out: dict[str, Any] = {}
    for setting in settings:
        place, sign, text = setting.partition("=")
        if not sign or not place:
            raise UsageError(f"{setting!r} is no setting: write PLACE=VALUE, as in fit.epochs=12")
        if not text.strip():
            out[place.strip()] = None
            continue
        try:
            out[place.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            out[place.strip()] = text.strip()
    return out


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with `values` in the places that name them, and without its search.

    Raises `UsageError` for a place that a recipe does not have, or a value that it does not take.
    """
    content = json.loads(recipe.model_dump_json())
    content["search"] = None
    for place, value in values.items():
        *way, last = place.split(".")
        part: Any = content
        for step in way:
            part = _inside(part, step, place)
        if not isinstance(part, dict) or (last not in part):
            raise UsageError(f"a recipe has no {place}")
        part[last] = value
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(x) for x in first["loc"])
        raise UsageError(f"this makes a wrong recipe: {where}: {first['msg']}") from None


def _inside(part: Any, step: str, place: str) -> Any:  # noqa: ANN401 - any JSON
    """What `part` holds under `step`; a change of sound of that kind is added if need be."""
    if isinstance(part, list):
        for each in part:
            if each.get("kind", each.get("name")) == step:
                return each
        part.append({"kind": step, "p": 0.0, "low": None, "high": None})
        return part[-1]
    if not isinstance(part, dict) or step not in part:
        raise UsageError(f"a recipe has no {place}")
    return part[step]
