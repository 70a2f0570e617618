"""Splits that keep every speaker and every sound on one side."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from livemood.errors import UsageError
from livemood.training.data.clips import Clip
from livemood.training.data.corpora import RAVDESS_FOLDS, ravdess_speakers, split_by_speaker

_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*%]|^\.')
KINDS = "ravdess, speaker, group:K, corpus, column, or held-out:SPEAKER,..."


@dataclass(frozen=True, slots=True)
class Fold:
    """One way to part the clips: these speakers are tested, all others trained on."""

    name: str
    speakers: tuple[str, ...]

    @property
    def slug(self) -> str:
        """Its name as part of a path: what no file may be called is written in hex, as `%2F`.

        `{fold}` in recipes and options stands for it, and folders of runs are called by it.
        """
        return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", self.name)

    def split(self, clips: Iterable[Clip]) -> tuple[list[Clip], list[Clip]]:
        """Clips to train on, and clips to test on."""
        return split_by_speaker(clips, self.speakers)


def make_folds(kind: str, clips: Sequence[Clip]) -> list[Fold]:
    """The folds of `kind`, in the order of their names.

    `ravdess`: the six published ones; `speaker`: leave one speaker out; `group:K`: K groups of
    speakers with about as many clips; `corpus`: leave one corpus out; `column`: as the manifest's
    column `fold` says, rows without one are trained on only; `held-out:A,B`: one fold of these
    speakers. Raises `UsageError` for anything else, and if a speaker is on both sides.
    """
    name, _, argument = kind.partition(":")
    groups: dict[str, set[str]] = defaultdict(set)
    if name == "ravdess":
        for number in range(1, len(RAVDESS_FOLDS) + 1):
            groups[str(number)] = set(ravdess_speakers(number))
    elif name == "group" and argument.isdecimal() and int(argument) > 1:
        groups = _grouped(clips, int(argument))
    elif name == "held-out" and argument:
        groups["held-out"] = set(argument.split(","))
    elif kind in ("speaker", "corpus", "column"):
        for clip in clips:
            part = {"speaker": clip.speaker, "corpus": clip.corpus, "column": clip.fold}[kind]
            if part:
                groups[part].add(clip.speaker)
    else:
        raise UsageError(f"no folds are called {kind!r}: use {KINDS}")
    if not groups:
        raise UsageError(f"no clip has a fold: the manifest needs the column fold for {kind!r}")
    if kind in ("corpus", "column"):
        _one_group_each(clips, kind)
    return [Fold(name, tuple(sorted(groups[name]))) for name in sorted(groups)]


def check_apart(
    train: Sequence[Clip], test: Sequence[Clip], digest: Callable[[Clip], str] | None = None
) -> None:
    """Raise `UsageError`, with the row, if a speaker or a sound is on both sides.

    `digest` gives the SHA-256 of a clip's decoded sound; without it only speakers are compared.
    """
    speakers = {clip.speaker: clip for clip in train}
    for clip in test:
        if other := speakers.get(clip.speaker):
            raise UsageError(
                f"{clip.row}: the speaker {clip.speaker} is on both sides, see {other.row}"
            )
    if digest is None:
        return
    sounds = {digest(clip): clip for clip in train}
    for clip in test:
        if other := sounds.get(digest(clip)):
            raise UsageError(
                f"{clip.row}: the sound of {clip.path.name} is on both sides, see {other.row}"
            )


def check_classes(train: Iterable[Clip], test: Iterable[Clip]) -> None:
    """Raise `UsageError`, with a row, if a class that is trained has no test example."""
    tested = {clip.label for clip in test}
    for clip in train:
        if clip.label not in tested:
            raise UsageError(
                f"{clip.row}: the class {clip.label!r} has no test example: hold speakers out "
                "that have it"
            )


def check_folds(
    folds: Sequence[Fold], clips: Sequence[Clip], digest: Callable[[Clip], str] | None = None
) -> None:
    """Check every fold of a cross-validation, and that all classes are tested in one of them."""
    tested: list[Clip] = []
    for fold in folds:
        train, test = fold.split(clips)
        if not train:
            raise UsageError(f"fold {fold.name} leaves nobody to train on")
        check_apart(train, test, digest)
        tested += test
    check_classes(clips, tested)


def chosen_folds(folds: Sequence[Fold], names: Sequence[str]) -> list[Fold]:
    """The folds of these names, or all if none is given.

    Raises `UsageError` for a name that no fold has.
    """
    if unknown := sorted(set(names) - {fold.name for fold in folds}):
        known = ", ".join(fold.name for fold in folds)
        raise UsageError(f"no fold is called {unknown[0]!r}: there are {known}")
    return [fold for fold in folds if not names or fold.name in names]


def validation_speakers(clips: Sequence[Clip], share: float, seed: int) -> list[str]:
    """Speakers with about `share` of the clips of each corpus, drawn by `seed`.

    For early stopping and for search; a corpus of fewer than three speakers gives none.
    """
    out = []
    for corpus in sorted({clip.corpus for clip in clips}):
        speakers = sorted({clip.speaker for clip in clips if clip.corpus == corpus})
        if len(speakers) < 3:
            continue
        rng = np.random.default_rng([seed, len(speakers)])
        count = min(max(1, round(share * len(speakers))), len(speakers) - 1)
        out += [speakers[i] for i in sorted(rng.permutation(len(speakers))[:count])]
    return out


def _grouped(clips: Sequence[Clip], count: int) -> dict[str, set[str]]:
    from sklearn.model_selection import GroupKFold  # takes seconds to load

    speakers = [clip.speaker for clip in clips]
    if len(set(speakers)) < count:
        raise UsageError(f"{count} groups need {count} speakers: there are {len(set(speakers))}")
    groups = {}
    for number, (_, test) in enumerate(GroupKFold(count).split(speakers, groups=speakers), 1):
        groups[f"{number:02d}"] = {speakers[i] for i in test}
    return groups


def _one_group_each(clips: Sequence[Clip], kind: str) -> None:
    name = "corpus" if kind == "corpus" else "fold"
    seen: dict[str, Clip] = {}
    for clip in clips:
        first = seen.setdefault(clip.speaker, clip)
        ours, theirs = getattr(clip, name), getattr(first, name)
        if ours != theirs:
            raise UsageError(
                f"{clip.row}: the speaker {clip.speaker} is on both sides: in {name} "
                f"{ours or '-'} here and in {theirs or '-'} in {first.row}"
            )
