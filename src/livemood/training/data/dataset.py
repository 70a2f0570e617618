"""The clips that a recipe names: to train on, to validate on, held out, of further tasks."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from livemood.errors import UsageError
from livemood.training.data.cache import SoundCache
from livemood.training.data.clips import UNLABELLED, Clip
from livemood.training.data.corpora import read_corpus, split_by_speaker
from livemood.training.data.folds import Fold, check_apart, check_folds, validation_speakers
from livemood.training.data.manifest import read_manifest
from livemood.training.data.tables import table_rows
from livemood.training.recipe.schema import DatasetSpec
from livemood.training.recipe.sections import CorpusSection


@dataclass
class Dataset:
    """Clips by what they are for. `shares` is how much of each is drawn for an epoch."""

    train: list[Clip]
    shares: list[float]
    test: list[Clip] = field(default_factory=list)
    validation: list[Clip] = field(default_factory=list)
    unlabelled: list[Clip] = field(default_factory=list)
    tasks: list[tuple[list[Clip], list[float]]] = field(default_factory=list)

    def without(self, speakers: Sequence[str]) -> "Dataset":
        """The same, but these speakers are tested and nowhere trained on."""
        names = set(speakers)
        everything = [*self.train, *self.test]
        shares = dict(zip(self.train, self.shares, strict=True))
        train, test = split_by_speaker(everything, speakers)
        tasks = [
            (
                [c for c in clips if c.speaker not in names],
                [s for c, s in zip(clips, shares, strict=True) if c.speaker not in names],
            )
            for clips, shares in self.tasks
        ]
        return replace(
            self, train=train, shares=[shares.get(c, 1.0) for c in train], test=test, tasks=tasks
        )

    def for_folds(self, folds: Sequence[Fold]) -> "Dataset":
        """The same less the held-out speakers: they stay unheard, whatever folds decide.

        Raises `UsageError` if a fold tests one of them, or the folds are wrong otherwise.
        """
        held = {clip.speaker for clip in self.test}
        for fold in folds:
            if both := sorted(held & set(fold.speakers)):
                raise UsageError(
                    f"fold {fold.name} tests {both[0]}, whom the recipe holds out: choose other "
                    "folds, or take the speaker out of held_out"
                )
        check_folds(folds, self.train)
        return replace(self, test=[])

    def without_tested_targets(self) -> "Dataset":
        """The same less unlabelled clips of speakers who are tested, in whatever way.

        Raises `UsageError` if that leaves none of those that there are.
        """
        tested = {clip.speaker for clip in (*self.test, *self.validation)}
        kept = [clip for clip in self.unlabelled if clip.speaker not in tested]
        if self.unlabelled and not kept:
            raise UsageError(
                "adapt.target leaves no clip: all of its speakers are tested. Hold fewer out"
            )
        return replace(self, unlabelled=kept)

    def check_sounds(self, cache: Path, sample_rate: int) -> None:
        """Raise `UsageError` if a speaker or a sound is both tested and trained on."""
        digest = SoundCache(cache, sample_rate).digest
        learnt = [*self.train, *self.unlabelled, *(c for clips, _ in self.tasks for c in clips)]
        for tested in (self.test, self.validation):
            if tested:
                check_apart(learnt, tested, digest)

    def with_validation(self, share: float, seed: int) -> "Dataset":
        """The same, with speakers who have about `share` of the clips set apart for validation."""
        if not share:
            return self
        names = validation_speakers(self.train, share, seed)
        data = self.without([*{c.speaker for c in self.test}, *names])
        tested = {c.speaker for c in self.test}
        return replace(
            data,
            test=[c for c in data.test if c.speaker in tested],
            validation=[c for c in data.test if c.speaker not in tested],
        )


def read_dataset(spec: DatasetSpec, corpora: Path) -> Dataset:
    """All clips of a recipe, those of held-out speakers apart.

    Raises `UsageError` with the row for manifests that are wrong.
    """
    data = Dataset(*_read(spec.corpora, spec.label_map, spec.labels, corpora))
    if not data.train:
        raise UsageError("nothing is left to train on: the recipe holds out every speaker")
    for task in spec.tasks:
        clips, shares, _ = _read(task.corpora, task.label_map, task.labels, corpora)
        tested = {clip.speaker for clip in data.test}
        kept = [(c, s) for c, s in zip(clips, shares, strict=True) if c.speaker not in tested]
        data.tasks.append(([c for c, _ in kept], [s for _, s in kept]))
    for name in spec.unlabelled:
        data.unlabelled += read_unlabelled(corpora / name, spec.unlabelled_share)
    return data


def _read(
    sections: Sequence[CorpusSection],
    label_map: Mapping[str, str],
    labels: Sequence[str],
    corpora: Path,
) -> tuple[list[Clip], list[float], list[Clip]]:
    train: list[Clip] = []
    shares: list[float] = []
    test: list[Clip] = []
    for part in sections:
        if part.manifest:
            clips = read_manifest(corpora / part.manifest, label_map, labels, part.name)
        else:
            clips = read_corpus(corpora / part.name, label_map, labels)
        kept, held_out = split_by_speaker(clips, part.held_out)
        train += kept
        shares += [part.share] * len(kept)
        test += held_out
    return train, shares, test


def read_unlabelled(folder: Path, share: float = 1.0) -> list[Clip]:
    """Clips of the corpus in `folder`, whatever their labels; `UsageError` if none is left.

    Which ones a `share` below 1 leaves follows from their names alone.
    """
    table = folder / "metadata.csv"
    clips = [
        Clip(
            folder / cells["path"],
            folder.name,
            cells.get("speaker", ""),
            UNLABELLED,
            language=cells.get("language", ""),
            row=row,
        )
        for row, cells in table_rows(table, ["path"])
        if _place(cells["path"]) < share
    ]
    if not clips:
        raise UsageError(f"a share of {share:g} of {table} leaves no clip")
    return clips


def _place(name: str) -> float:
    """Where a name lies between 0 and 1, as good as at random."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32
