"""Labelled sentences, from tab-separated tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from livemood.errors import UsageError
from livemood.training.recipe.text import SentenceCorpus

Targets = NDArray[np.float32]
Part = Literal["train", "dev", "test"]


@dataclass(frozen=True, slots=True)
class Sentences:
    """Texts and their labels."""

    texts: tuple[str, ...]
    held: NDArray[np.bool_]
    """Which labels hold of each text, (texts, labels); at least one, and several may."""

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def targets(self) -> Targets:
        """Share of each label, (texts, labels): labels that hold share 1 evenly."""
        shared: Targets = (self.held / self.held.sum(axis=1, keepdims=True)).astype(np.float32)
        return shared

    def chosen(self, places: Sequence[int] | NDArray[np.intp]) -> "Sentences":
        """Those at `places`, in that order."""
        return Sentences(tuple(self.texts[int(i)] for i in places), self.held[places])


def read_sentences(
    chosen: Sequence[SentenceCorpus],
    labels: Sequence[str],
    label_map: Mapping[str, str],
    corpora: Path,
    part: Part,
) -> Sentences:
    """One part of the chosen corpora, which lie in the folder `corpora`.

    Raises `UsageError` for a table that cannot be read.
    """
    texts: list[str] = []
    rows: list[NDArray[np.bool_]] = []
    for corpus in chosen:
        path = corpora / corpus.name / getattr(corpus, part)
        place = _places(corpus, labels, label_map)
        try:
            lines = path.read_text("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise UsageError(f"the table {path} cannot be read: {reason}") from None
        for number, line in enumerate(lines, 1):
            if line.strip():
                text, row = _row(line, place, len(labels), f"{path}, line {number}")
                texts.append(text)
                rows.append(row)
    if not texts:
        raise UsageError(f"there are no sentences in the {part} tables of the recipe")
    return Sentences(tuple(texts), np.array(rows))


def _places(
    corpus: SentenceCorpus, labels: Sequence[str], label_map: Mapping[str, str]
) -> list[int]:
    return [labels.index(label_map.get(label, label)) for label in corpus.labels]


def _row(line: str, place: list[int], labels: int, where: str) -> tuple[str, NDArray[np.bool_]]:
    columns = line.split("\t")
    row = np.zeros(labels, bool)
    try:
        for number in columns[1].split(","):
            if int(number) < 0:
                raise ValueError
            row[place[int(number)]] = True
    except (IndexError, ValueError):
        raise UsageError(
            f"{where}: expected text, numbers of labels from 0 to {len(place) - 1}, id, with tabs "
            "between"
        ) from None
    return columns[0], row
