"""Annotations in tiers, as Praat and ELAN have them: one tier for each column.

Stretches of a tier do not overlap. Items that do go into tiers of their own: `label#2`.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from livemood.datasets.formats.options import Reading
from livemood.datasets.item import SAME_S, Item, stretch
from livemood.errors import UsageError

log = logging.getLogger(__name__)

Interval = tuple[float, float, str]
"""From, to in seconds, and the text."""
Tiers = dict[str, list[Interval]]

_NAME = re.compile(r"(.*?)(?:#(\d+))?", re.S)


def to_tiers(items: Iterable[Item], duration: float) -> Tiers:
    """The tiers of the items of one recording."""
    tiers: Tiers = {}
    ends: list[float] = []
    for item in sorted(items, key=lambda item: item.start):
        start, end = item.span(duration)
        free = (n for n, last in enumerate(ends) if last <= start)
        lane = next(free, len(ends))
        ends[lane : lane + 1] = [end]
        for name, text in {"label": item.label, "speaker": item.speaker, **item.columns}.items():
            if "#" in name:
                raise UsageError(f"the column {name!r} cannot be a tier: take the # out of it")
            tier = name if lane == 0 else f"{name}#{lane + 1}"
            tiers.setdefault(tier, []).append((start, end, text))
    return tiers


def from_tiers(
    tiers: Mapping[str, Sequence[Interval]], path: Path, duration: float, file: Path, how: Reading
) -> list[Item]:
    """The items of one recording. Raises `UsageError` where its tiers do not say enough."""
    lanes: dict[str, dict[str, Sequence[Interval]]] = {}
    for name, intervals in tiers.items():
        if intervals:
            match = _NAME.fullmatch(name)
            assert match  # noqa: S101 - it matches anything
            lanes.setdefault(match[2] or "", {})[match[1]] = intervals
    if not lanes:
        raise UsageError(f"{file}: its tiers are empty")
    items: list[Item] = []
    unused: set[str] = set()
    for number, lane in sorted(lanes.items()):
        if number and "label" not in lane:
            unused |= {f"{name}#{number}" for name in lane}
            continue
        label_tier = how.label_name(lane, str(file))
        others = {name: texts for name, texts in lane.items() if name != label_tier}
        used: set[str] = set()
        for start, end, label in lane[label_tier]:
            if not label.strip():
                continue
            found = {name: text for name in others if (text := _text(others[name], start, end))}
            used |= set(found)
            speaker = how.speaker(path, found.pop("speaker", ""))
            first, last = stretch(start, end, duration)
            items.append(Item(path, speaker, label.strip(), first, last, found))
        unused |= set(others) - used
    if unused:
        log.warning("%s: tiers not used: %s", file, ", ".join(sorted(unused)))
    return items


def _text(intervals: Sequence[Interval], start: float, end: float) -> str:
    """The annotation of a tier that covers a whole stretch."""
    for first, last, text in intervals:
        if first <= start + SAME_S and last >= end - SAME_S:
            return text.strip()
    return ""
