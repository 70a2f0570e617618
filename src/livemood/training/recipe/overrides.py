"""Overrides: values put in place of a recipe's own, by a search or on the command line."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from livemood.errors import UsageError
from livemood.training.recipe.renamed import renamed
from livemood.training.recipe.schema import Recipe, first_error


def parse_overrides(settings: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` each, the value as TOML writes it; words need no quotes, and nothing is none.

    Raises `UsageError` for one without `=`.
    """
    out: dict[str, Any] = {}
    for setting in settings:
        key, sign, text = setting.partition("=")
        if not sign or not key:
            raise UsageError(f"{setting!r} is no override: write KEY=VALUE, as in fit.epochs=12")
        if not text.strip():
            out[key.strip()] = None
            continue
        try:
            out[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            out[key.strip()] = text.strip()
    return out


def with_overrides(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """The recipe with `overrides` in place of its own values, and without its search.

    Raises `UsageError` for a key that a recipe does not have, or a value that it does not take.
    """
    content = json.loads(recipe.model_dump_json())
    content["search"] = None
    for key, value in overrides.items():
        *way, last = key.split(".")
        section: Any = content
        for step in way:
            section = _inside(section, step, key)
        if not isinstance(section, dict) or (last not in section):
            raise _unknown(key)
        section[last] = value
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"this makes a wrong recipe: {first_error(error)}") from None


def _inside(section: Any, step: str, key: str) -> Any:  # noqa: ANN401 - any JSON
    """What `section` holds under `step`; a change of sound of that kind is added if need be."""
    if renamed(key):
        raise _unknown(key)
    if isinstance(section, list):
        for each in section:
            if each.get("kind", each.get("name")) == step:
                return each
        section.append({"kind": step, "p": 0.0, "low": None, "high": None})
        return section[-1]
    if not isinstance(section, dict) or step not in section:
        raise _unknown(key)
    return section[step]


def _unknown(key: str) -> UsageError:
    if new := renamed(key):
        return UsageError(f"{key} is now called {new}")
    return UsageError(f"a recipe has no {key}")
