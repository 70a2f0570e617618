"""Label Studio's JSON: one task a recording, with a region for each stretch.

Columns other than the label stand in the `meta` of a region. What livemood read goes out as
`predictions`: the annotator sees them and corrects them. `label-studio.xml` beside the file is the
labelling configuration to give to the project.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from livemood.datasets.formats.options import Reading, by_recording
from livemood.datasets.item import Item, duration_of, stretch
from livemood.datasets.manifest import relative, write_text
from livemood.errors import UsageError

MODEL = "livemood"
_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")
"""What an upload is called: a few digits are put before its name."""


def read(source: Path, how: Reading) -> list[Item]:
    """The items of an exported file. Several annotations of a task give several rows, by `rater`.

    Raises `UsageError` with the task and the reason, and where nobody has annotated anything.
    """
    items: list[Item] = []
    waiting = 0
    for number, task in enumerate(_tasks(source), start=1):
        where = f"{source} task {task.get('id', number)}"
        found = _annotations(task, where, how)
        waiting += not found
        for rater, regions in found:
            items += _items(task, regions, rater if len(found) > 1 else "", where, source, how)
    if waiting and not items:
        raise UsageError(
            f"{source}: nobody has annotated any of its {waiting} tasks: --predictions takes what "
            "the model guessed"
        )
    return items


def _tasks(source: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(source.read_text("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{source} is no JSON: {error}") from None
    tasks = found if isinstance(found, list) else [found]
    if not all(isinstance(task, dict) and isinstance(task.get("data"), dict) for task in tasks):
        raise UsageError(f"{source}: no tasks with data in it: export as JSON, not as JSON-MIN")
    return tasks


def _annotations(
    task: Mapping[str, Any], where: str, how: Reading
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Who annotated the task, and the regions of each."""
    made = [a for a in task.get("annotations") or () if not a.get("was_cancelled")]
    if not made and how.predictions:
        made = list(task.get("predictions") or ())
    found = []
    for number, annotation in enumerate(made, start=1):
        regions = annotation.get("result")
        if not isinstance(regions, list):
            raise UsageError(f"{where}: an annotation without a result")
        by = annotation.get("completed_by", number)
        found.append((str(by.get("email", by.get("id")) if isinstance(by, dict) else by), regions))
    return found


def _items(
    task: Mapping[str, Any],
    regions: Sequence[Mapping[str, Any]],
    rater: str,
    where: str,
    source: Path,
    how: Reading,
) -> list[Item]:
    data = dict(task["data"])
    key = next((k for k in ("audio", "sound", "url") if isinstance(data.get(k), str)), None)
    if key is None:
        raise UsageError(f"{where}: its data name no audio")
    path = how.sound(_file(data[key], how, source.parent), source.parent, where)
    duration = duration_of(path)
    items = []
    for region in regions:
        value = region.get("value", {})
        if not (labels := value.get("labels") or value.get("choices")):
            continue
        if len(labels) != 1:
            raise UsageError(f"{where}: a stretch with the labels {', '.join(labels)}: keep one")
        start, end = float(value.get("start", 0)), float(value.get("end", duration))
        columns = {k: v for k, v in data.items() if k != key and isinstance(v, str) and v}
        columns |= _meta(region)
        if rater:
            columns["rater"] = rater
        speaker = how.speaker(path, columns.pop("speaker", ""))
        items.append(Item(path, speaker, str(labels[0]), *stretch(start, end, duration), columns))
    return items


def _meta(region: Mapping[str, Any]) -> dict[str, str]:
    meta = region.get("meta")
    if not isinstance(meta, dict):
        return {}
    return {k: str(v) for k, v in meta.items() if isinstance(v, str | int | float) and v != ""}


def _file(address: str, how: Reading, beside: Path) -> str:
    """The name of the sound file in an address of Label Studio's."""
    parts = urlsplit(address)
    path = unquote(parse_qs(parts.query).get("d", [parts.path])[0])
    if not (parts.scheme or path.startswith("/data/")):
        return path
    name = Path(path).name
    there = any((folder / name).is_file() for folder in (how.sounds, beside) if folder)
    uploaded = _UPLOADED.fullmatch(name)
    return uploaded[1] if uploaded and not there else name


def write(items: Sequence[Item], out: Path, *, guessed: bool = False) -> None:
    """Write the file `out`, and the labelling configuration beside it.

    `guessed` items are predictions to correct, with their `confidence` as the score.
    """
    tasks = [
        _task(path, found, out, guessed=guessed) for path, found in by_recording(items).items()
    ]
    write_text(out, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
    labels = dict.fromkeys(item.label for item in items)
    write_text(out.with_name("label-studio.xml"), _configuration(list(labels)))


def _task(path: Path, items: Sequence[Item], out: Path, *, guessed: bool) -> dict[str, Any]:
    duration = duration_of(path)
    regions = []
    for number, item in enumerate(items, start=1):
        start, end = item.span(duration)
        region: dict[str, Any] = {
            "id": f"r{number}",
            "type": "labels",
            "from_name": "label",
            "to_name": "audio",
            "original_length": duration,
            "value": {"start": start, "end": end, "channel": item.channel, "labels": [item.label]},
            "meta": {"speaker": item.speaker, **item.columns},
        }
        if guessed and (score := _number(item.columns.get("confidence", ""))) is not None:
            region["score"] = score
        regions.append(region)
    task: dict[str, Any] = {"data": {"audio": relative(path, out.parent)}}
    if guessed:
        scores = [r["score"] for r in regions if "score" in r]
        mean = {"score": sum(scores) / len(scores)} if scores else {}
        return task | {"predictions": [{"model_version": MODEL, "result": regions, **mean}]}
    return task | {"annotations": [{"result": regions}]}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _configuration(labels: Sequence[str]) -> str:
    inside = "".join(f"    <Label value={quoteattr(label)}/>\n" for label in labels)
    return (
        "<View>\n"
        f'  <Labels name="label" toName="audio">\n{inside}  </Labels>\n'
        '  <Audio name="audio" value="$audio"/>\n'
        "</View>\n"
    )
