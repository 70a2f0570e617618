"""Kaldi's data folders (Povey et al. 2011): `wav.scp`, `segments`, `utt2spk`, `utt2label`, `text`.

Any other column is a file `utt2COLUMN`. Names of utterances and speakers hold no spaces there:
they are written as %20.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from livemood.datasets.formats.options import LABELS, Reading
from livemood.datasets.item import Item, seconds
from livemood.datasets.manifest import columns_of, relative, write_text
from livemood.errors import UsageError

TEXT = "text"


def read(source: Path, how: Reading) -> list[Item]:
    """The items of a data folder. Raises `UsageError` with the file and the line."""
    folder = source.parent if source.name == "wav.scp" else source
    recordings = _map(folder / "wav.scp")
    for recording, named in recordings.items():
        if named.endswith("|") or named.startswith("|"):
            raise UsageError(
                f"{folder / 'wav.scp'}: {recording} is the output of a program, which livemood "
                "does not run: write the sound to a file and name that"
            )
    tables = {f.name[4:]: _map(f) for f in sorted(folder.glob("utt2*")) if f.name != "utt2dur"}
    speakers = tables.pop("spk", {})
    if (folder / TEXT).is_file():
        tables[TEXT] = _map(folder / TEXT)
    label = how.labels_from or next((x for x in LABELS if x in tables), None)
    if label is None or label not in tables:
        wanted = label or "label"
        raise UsageError(f"{folder}: no utt2{wanted} in it: it must say the label of each")
    labels = tables.pop(label)
    segments = _segments(folder, recordings)
    items = []
    for utterance, text in labels.items():
        if utterance not in segments:
            raise UsageError(f"{folder / f'utt2{label}'}: {utterance} is in no segments or wav.scp")
        recording, start, end = segments[utterance]
        path = how.sound(recordings[recording], folder, f"{folder / 'wav.scp'}: {recording}")
        columns = {name: table[utterance] for name, table in tables.items() if utterance in table}
        speaker = how.speaker(path, _plain(speakers.get(utterance, "")))
        items.append(Item(path, speaker, text, start, end, columns))
    return items


def _map(file: Path) -> dict[str, str]:
    """The first word of each line, and the rest."""
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text") from None
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        key, _, rest = line.strip().partition(" ")
        if not key:
            continue
        if key in found:
            raise UsageError(f"{file} line {number}: {key} is there twice")
        if not rest.strip():
            raise UsageError(f"{file} line {number}: {key} stands alone")
        found[key] = rest.strip()
    return found


def _segments(
    folder: Path, recordings: Mapping[str, str]
) -> dict[str, tuple[str, float, float | None]]:
    """The recording, the start and the end of each utterance."""
    file = folder / "segments"
    if not file.is_file():
        return {name: (name, 0.0, None) for name in recordings}
    found: dict[str, tuple[str, float, float | None]] = {}
    for utterance, rest in _map(file).items():
        cells = rest.split()
        try:
            recording, start, end = cells[0], float(cells[1]), float(cells[2])
        except (ValueError, IndexError):
            raise UsageError(
                f"{file}: {utterance} needs a recording, a start and an end in seconds"
            ) from None
        if recording not in recordings:
            raise UsageError(f"{file}: {utterance} is of {recording}, which wav.scp does not have")
        found[utterance] = recording, start, None if end < 0 else end  # -1 is the file's end
    return found


def write(items: Sequence[Item], out: Path) -> None:
    """Write the data folder `out`."""
    for name in columns_of(items):
        if name in ("spk", "label", "dur") or not re.fullmatch(r"[\w.-]+", name):
            raise UsageError(f"the column {name!r} cannot be a file utt2{name}: rename it")
    paths = list(dict.fromkeys(item.path for item in items))
    timed = any(not item.whole for item in items) or len(paths) < len(items)
    names = [f"{_quoted(item.speaker)}-{n:06d}" for n, item in enumerate(items, start=1)]
    if timed:
        recordings = {path: f"recording-{n:06d}" for n, path in enumerate(paths, start=1)}
    else:
        recordings = {item.path: name for item, name in zip(items, names, strict=True)}
    utterances = dict(zip(names, items, strict=True))
    _write(out / "wav.scp", {name: relative(path, out) for path, name in recordings.items()})
    if timed:
        spans = {n: f"{recordings[i.path]} {_span(i)}" for n, i in utterances.items()}
        _write(out / "segments", spans)
    files: dict[str, Callable[[Item], str]] = {
        "utt2spk": lambda item: _quoted(item.speaker),
        "utt2label": lambda item: item.label,
    }
    for column in columns_of(items):
        file = TEXT if column == TEXT else f"utt2{column}"
        files[file] = lambda item, column=column: item.columns.get(column, "")  # type: ignore[misc]
    for file, value in files.items():
        _write(out / file, {name: text for name, i in utterances.items() if (text := value(i))})
    by_speaker: dict[str, str] = {}
    for name, item in sorted(utterances.items()):
        key = _quoted(item.speaker)
        by_speaker[key] = f"{by_speaker[key]} {name}" if key in by_speaker else name
    _write(out / "spk2utt", by_speaker)


def _span(item: Item) -> str:
    return f"{seconds(item.start)} {'-1' if item.end is None else seconds(item.end)}"


def _write(file: Path, lines: Mapping[str, str]) -> None:
    for key, text in lines.items():
        if "\n" in text or "\r" in text:
            raise UsageError(
                f"{file.name}: {key} would have a line break in it, which Kaldi forbids"
            )
    ordered = sorted(lines.items(), key=lambda pair: pair[0].encode())  # as LC_ALL=C sorts
    write_text(file, "".join(f"{key} {text}\n" for key, text in ordered))


def _quoted(name: str) -> str:
    return "".join(quote(c) if c == "%" or c.isspace() else c for c in name)


def _plain(name: str) -> str:
    return unquote(name)
