"""Labelled corpora: reading their tables, and splits that keep every speaker on one side."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile as sf

from livemood.audio.block import Samples
from livemood.audio.resample import resample
from livemood.errors import UsageError

RAVDESS_FOLDS: Final[tuple[tuple[int, ...], ...]] = (
    (1, 11, 20, 21),
    (4, 10, 12, 14),
    (8, 9, 19, 23),
    (3, 5, 7, 24),
    (2, 15, 16, 18),
    (6, 13, 17, 22),
)
"""Test actors of the six folds that EmoBox published (Ma et al. 2024)."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording."""

    path: Path
    corpus: str
    speaker: str
    label: str
    gender: str
    language: str


def read_corpus(folder: Path, label_map: Mapping[str, str], labels: Sequence[str]) -> list[Clip]:
    """The clips that `folder/metadata.csv` lists, labels renamed by `label_map`.

    Raises `UsageError` naming the row that has an unknown label or no sound.
    """
    table = folder / "metadata.csv"
    if not table.is_file():
        raise UsageError(f"no corpus at {folder}: it needs a metadata.csv")
    clips = []
    with table.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            label = label_map.get(row["emotion"], row["emotion"])
            path = folder / row["path"]
            if label not in labels:
                raise UsageError(f"{table} row {number}: unknown label {row['emotion']!r}")
            if not path.is_file():
                raise UsageError(f"{table} row {number}: no file {path}")
            clips.append(
                Clip(path, folder.name, row["speaker"], label, row["gender"], row["language"])
            )
    return clips


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


def read_clip(path: Path, sample_rate: int, speed: float = 1.0) -> Samples:
    """The clip's first channel at `sample_rate`, shape (n,), played `speed` times as fast."""
    sound, rate = sf.read(path, dtype="float32", always_2d=True)
    mono: Samples = np.ascontiguousarray(sound[:, 0])
    return resample(mono, rate * speed, sample_rate)
