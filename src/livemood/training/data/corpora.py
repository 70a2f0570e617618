"""Labelled corpora in folders of their own, and the folds that are published of them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from livemood.errors import UsageError
from livemood.training.data.clips import Clip
from livemood.training.data.manifest import read_manifest

RAVDESS_FOLDS: Final[tuple[tuple[int, ...], ...]] = (
    (1, 11, 20, 21),
    (4, 10, 12, 14),
    (8, 9, 19, 23),
    (3, 5, 7, 24),
    (2, 15, 16, 18),
    (6, 13, 17, 22),
)
"""Test actors of the six folds that EmoBox published (Ma et al. 2024)."""


def read_corpus(folder: Path, label_map: Mapping[str, str], labels: Sequence[str]) -> list[Clip]:
    """The clips that `folder/metadata.csv` lists, labels renamed by `label_map`.

    Raises `UsageError` naming the row that is wrong, as `read_manifest` does.
    """
    table = folder / "metadata.csv"
    if not table.is_file():
        raise UsageError(f"no corpus at {folder}: it needs a metadata.csv")
    return read_manifest(table, label_map, labels, folder.name)


def split_by_speaker(
    clips: Iterable[Clip], held_out: Iterable[str]
) -> tuple[list[Clip], list[Clip]]:
    """Clips of other speakers, and clips of the speakers `held_out`.

    Raises `UsageError` if a speaker held out has no clip.
    """
    names = set(held_out)
    train: list[Clip] = []
    test: list[Clip] = []
    for clip in clips:
        (test if clip.speaker in names else train).append(clip)
    if missing := names - {clip.speaker for clip in test}:
        raise UsageError(f"no clip has these speakers, to be held out: {sorted(missing)}")
    return train, test


def ravdess_speakers(fold: int) -> list[str]:
    """The test speakers of RAVDESS fold 1 to 6."""
    return [f"ravdess-{actor:02d}" for actor in RAVDESS_FOLDS[fold - 1]]
