"""Corpora of sounds that are no speech."""

from collections.abc import Sequence
from pathlib import Path

from livemood.errors import UsageError
from livemood.training.data.clips import UNLABELLED, Clip
from livemood.training.data.tables import table_rows
from livemood.training.recipe.voices import NotSpeechCorpus


def not_speech_clips(corpora: Sequence[NotSpeechCorpus], folder: Path) -> list[Clip]:
    """Sounds that are no speech, less those held out. Raises `UsageError` for wrong tables."""
    found = []
    for part in corpora:
        table = folder / part.name / "metadata.csv"
        if not table.is_file():
            raise UsageError(f"no corpus at {table.parent}: it needs a metadata.csv")
        for row, cells in table_rows(table, ["path", part.column]):
            held_out = {cells.get("speaker"), cells.get("fold")} & set(part.held_out)
            if cells[part.column] in part.left_out or held_out:
                continue
            path, name = table.parent / cells["path"], cells.get("speaker") or part.name
            found.append(Clip(path, part.name, name, UNLABELLED, row=row))
    return found
