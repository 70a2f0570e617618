"""EmoBox's JSON Lines (Ma et al. 2024): a table, one pair of tables a fold, and a label map.

`NAME.jsonl`, `label_map.json`, `fold_K/NAME_train_fold_K.jsonl` and `..._test_...`. Channels count
from 1 there.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import soundfile as sf

from livemood.datasets.formats.options import Reading, cell_names
from livemood.datasets.item import Item, stretch
from livemood.datasets.manifest import relative, write_text
from livemood.errors import FileError, UsageError

OWN = {"key", "dataset", "wav", "type", "sample_rate", "length", "num_frame", "task", "emo"}
OWN |= {"start_time", "end_time", "spk", "channel"}
"""Fields that mean something to EmoBox."""


def read(source: Path, how: Reading) -> list[Item]:
    """The items of a table, or of the one in a folder, under the labels of its label map.

    Raises `UsageError` with the line and the reason.
    """
    table = _table(source)
    labels = _label_map(table.parent / "label_map.json")
    folds = _folds(table)
    return [
        _item(line, f"{table} line {number}", table.parent, labels, folds, how)
        for number, line in _lines(table)
    ]


def _table(source: Path) -> Path:
    if source.is_file():
        return source
    found = sorted(source.glob("*.jsonl"))
    if len(found) != 1:
        raise UsageError(f"{source} holds {len(found)} .jsonl files: name the one to read")
    return found[0]


def _lines(table: Path) -> list[tuple[int, dict[str, Any]]]:
    found = []
    for number, line in enumerate(table.read_text("utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise UsageError(f"{table} line {number} is no JSON: {error.msg}") from None
        if not isinstance(value, dict):
            raise UsageError(f"{table} line {number} is no JSON object")
        found.append((number, value))
    return found


def _label_map(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise UsageError(f"{file} is no JSON: {error.msg}") from None
    if not isinstance(found, dict) or not all(isinstance(x, str) for x in found.values()):
        raise UsageError(f"{file} is no label map: it must be an object of names")
    return found


def _folds(table: Path) -> dict[str, str]:
    """The test fold of each key."""
    found: dict[str, str] = {}
    for file in sorted(table.parent.glob("fold_*/*_test_fold_*.jsonl")):
        fold = file.stem.rpartition("_")[2]
        found |= {str(line.get("key")): fold for _, line in _lines(file)}
    return found


def _item(
    line: Mapping[str, Any],
    where: str,
    folder: Path,
    labels: Mapping[str, str],
    folds: Mapping[str, str],
    how: Reading,
) -> Item:
    name = how.labels_from or "emo"
    if missing := [field for field in ("wav", name) if not line.get(field)]:
        raise UsageError(f"{where}: no {missing[0]!r} in it")
    path = how.sound(str(line["wav"]), folder, where)
    found = str(line[name])
    if labels and found not in labels:
        raise UsageError(f"{where}: the label {found!r} is not in label_map.json")
    columns = {k: str(v) for k, v in line.items() if k not in OWN and v not in (None, "")}
    if int(line.get("channel", 1)) != 1:
        columns["channel"] = str(int(line["channel"]) - 1)
    if fold := folds.get(str(line.get("key")), ""):
        columns["fold"] = fold
    start, end = 0.0, None
    if line.get("end_time") is not None:
        duration = float(line.get("length") or sf.info(str(path)).duration)
        start, end = stretch(float(line.get("start_time") or 0), float(line["end_time"]), duration)
    elif line.get("start_time"):
        start = float(line["start_time"])
    speaker = how.speaker(path, str(line.get("spk") or ""))
    return Item(path, speaker, labels.get(found, found), start, end, columns)


def write(items: Sequence[Item], out: Path) -> None:
    """Write the tables into the folder `out`; the folder's name is that of the dataset."""
    cell_names(items, OWN - {"channel"}, "EmoBox")
    name = out.resolve().name
    lines = {f"{name}-{n:06d}": _line(item, out) for n, item in enumerate(items, start=1)}
    rows = {key: {"key": key, "dataset": name, **line} for key, line in lines.items()}
    folds = {k: item.columns.get("fold", "") for k, item in zip(rows, items, strict=True)}
    write_text(out / f"{name}.jsonl", _text(list(rows.values())))
    labels = {item.label: item.label for item in items}
    write_text(out / "label_map.json", json.dumps(labels, ensure_ascii=False, indent=1) + "\n")
    for fold in sorted(set(folds.values()) - {""}):
        if "_" in fold or "/" in fold:
            raise UsageError(f"the fold {fold!r} cannot be part of a file's name in EmoBox")
        test = [row for key, row in rows.items() if folds[key] == fold]
        train = [row for key, row in rows.items() if folds[key] != fold]
        for part, there in (("train", train), ("test", test)):
            write_text(out / f"fold_{fold}" / f"{name}_{part}_fold_{fold}.jsonl", _text(there))


def _line(item: Item, out: Path) -> dict[str, Any]:
    try:
        info = sf.info(str(item.path))
    except (sf.LibsndfileError, OSError) as error:
        raise FileError(f"{item.path} cannot be decoded: {error}") from None
    line = {
        "wav": relative(item.path, out),
        "type": "raw",
        "sample_rate": info.samplerate,
        "length": info.duration,
        "channel": item.channel + 1,
        "task": "category",
        "emo": item.label,
        "spk": item.speaker,
    }
    if not item.whole:
        start, end = item.span(info.duration)
        line |= {"start_time": start, "end_time": end}
    others = {k: v for k, v in item.columns.items() if k not in ("channel", "fold")}
    return line | others


def _text(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
