"""Databases of audformat (Wagner et al. 2020): `db.yaml` and a table of stretches.

Where the sound lies beneath the database its paths are relative, so that it can be moved.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livemood.datasets.formats.options import Reading, cell_names, listed
from livemood.datasets.item import Item
from livemood.datasets.manifest import columns_of
from livemood.errors import UsageError

Database = Any
Table = Any
"""Of audformat, which ships no types."""

TABLE = "emotion"
OWN = ("file", "start", "end", "speaker", "emotion")


def read(source: Path, how: Reading) -> list[Item]:
    """The items of a database's folder. Raises `UsageError` for what is none."""
    import audformat

    folder = source.parent if source.name == "db.yaml" else source
    if not (folder / "db.yaml").is_file():
        raise UsageError(f"{folder} holds no db.yaml: it is no database of audformat")
    try:
        database = audformat.Database.load(str(folder))
    except Exception as error:  # it raises whatever its parsers stumble on
        line = " ".join(str(error).split())[:200]
        raise UsageError(f"{folder} cannot be read as a database of audformat: {line}") from None
    table, label = _table(database, folder, how)
    frame = table.get().reset_index()
    items = []
    for number, cells in enumerate(frame.to_dict("records"), start=1):
        where = f"{folder} table row {number}"
        path = how.sound(str(cells.pop("file")), folder, where)
        start, end = (_seconds(cells.pop(name, None)) for name in ("start", "end"))
        if not (text := _text(cells.pop(label))):
            continue  # a stretch that the table has, but not under a label
        columns = {str(name): t for name, value in cells.items() if (t := _text(value))}
        speaker = how.speaker(path, columns.pop("speaker", ""))
        items.append(Item(path, speaker, text, start or 0.0, end, columns))
    return items


def _table(database: Database, folder: Path, how: Reading) -> tuple[Table, str]:
    """The table that has labels, and the column that holds them."""
    wanted = [how.labels_from] if how.labels_from else ["label", "emotion"]
    for name in wanted:
        for table in database.tables.values():
            if name in table.columns:
                return table, name
    there = sorted({str(c) for table in database.tables.values() for c in table.columns})
    raise UsageError(
        f"{folder}: which column holds the labels? Give --labels-from: {listed(there)}"
    )


def _seconds(value: object) -> float | None:
    import pandas as pd

    return (
        None if value is None or pd.isna(value) else round(pd.Timedelta(value).total_seconds(), 6)
    )


def _text(value: object) -> str:
    import pandas as pd

    return "" if value is None or pd.isna(value) else str(value)


def write(items: Sequence[Item], out: Path) -> None:
    """Write a database into the folder `out`."""
    import audformat
    import pandas as pd

    cell_names(items, OWN, "audformat")
    database = audformat.Database(out.resolve().name)
    database.schemes["emotion"] = audformat.Scheme(labels=sorted({i.label for i in items}))
    database.schemes["speaker"] = audformat.Scheme(labels=sorted({i.speaker for i in items}))
    index = audformat.segmented_index(
        [_place(item.path, out) for item in items],
        [pd.Timedelta(item.start, "s") for item in items],
        [pd.NaT if item.end is None else pd.Timedelta(item.end, "s") for item in items],
    )
    twice = index.duplicated()
    if twice.any():
        raise UsageError(f"{index[twice][0][0]}: audformat takes one label for each stretch")
    table = database[TABLE] = audformat.Table(index)
    values = {"speaker": [i.speaker for i in items], "emotion": [i.label for i in items]}
    for name in columns_of(items):
        values[name] = [i.columns.get(name) for i in items]  # type: ignore[misc]
        database.schemes[name] = audformat.Scheme("str")
    for name, cells in values.items():
        table[name] = audformat.Column(scheme_id=name)
        table[name].set(cells)
    out.mkdir(parents=True, exist_ok=True)
    # As CSV a speaker called "null" would be read as none.
    database.save(str(out), storage_format="parquet")


def _place(path: Path, out: Path) -> str:
    full, root = path.resolve(), out.resolve()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else full.as_posix()
