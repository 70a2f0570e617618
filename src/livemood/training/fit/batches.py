"""From clips to batches: the training set, cut and augmented as it is drawn."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livemood.model.features import FeatureSettings
from livemood.training.augment.spectral import SpectralChanges
from livemood.training.augment.workers import AugmentedSound
from livemood.training.data.cache import FeatureCache, Features
from livemood.training.data.clips import UNLABELLED, Clip
from livemood.training.data.predictions import Probs
from livemood.training.fit.copies import Change, Copies, Maps
from livemood.training.recipe.sections import AugmentSection, FitSection

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples of one length."""

    features: Tensor
    """Standardised, (batch, frames, mels); or what frozen blocks gave, (batch, channels, rows,
    bands)."""
    targets: Tensor
    """Share of each label, (batch, labels); rows of unlabelled clips are zero."""
    weights: Tensor
    """How much each example counts, by its manifest and its class, (batch,)."""
    label_mask: Tensor | None = None
    """1 for the labels that each example is compared with, (batch, labels); none for all."""
    soft_labels: Tensor | None = None
    """From a table, (batch, labels); zero where it has none."""

    def to(self, device: torch.device) -> "Batch":
        """The same on another device."""
        parts = (self.features, self.targets, self.weights, self.label_mask, self.soft_labels)
        return Batch(*(None if part is None else part.to(device) for part in parts))  # type: ignore[arg-type]

    def rows(self, which: slice) -> "Batch":
        """Some of its examples."""
        parts: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        some = {k: None if v is None else v[which] for k, v in parts.items()}
        return replace(self, **some)  # type: ignore[arg-type]


class TrainingSet:
    """Clips of one training set with their features in memory, drawn as batches."""

    def __init__(
        self,
        clips: Sequence[Clip],
        shares: Sequence[float],
        labels: Sequence[str],
        settings: FeatureSettings,
        augment: AugmentSection,
        fit: FitSection,
        cache: FeatureCache,
        *,
        augmented: AugmentedSound | None = None,
        soft_labels: Probs | None = None,
    ) -> None:
        """`augmented` makes features of augmented sound; `soft_labels` are (clips, labels)."""
        self._plain = augment.speeds.index(1.0) if 1.0 in augment.speeds else 0
        # Where sound is changed, features at other speeds come from it, not from here.
        speeds = augment.speeds if augmented is None else (augment.speeds[self._plain],)
        self.features = [[cache.get(clip, speed) for speed in speeds] for clip in clips]
        known = np.array([clip.label != UNLABELLED for clip in clips])
        self.targets = np.array(
            [labels.index(clip.label) if k else -1 for clip, k in zip(clips, known, strict=True)]
        )
        self._clips, self._augmented, self._soft_labels = clips, augmented, soft_labels
        self._label_mask = _label_masks(clips, labels) if fit.by_corpus else None
        self._shares = np.array(shares)
        self._augment, self._fit = augment, fit
        self._copies: Copies | None = None
        self._rows_a_frame = 1.0
        self._frames_a_second = settings.sample_rate / settings.hop_length
        plain = np.concatenate([f[0].astype(np.float32) for f in self.features])
        self.mean, self.deviation = float(plain.mean()), float(plain.std())
        self._weights = np.array([clip.weight for clip in clips], np.float32)
        self._corpora = np.unique([clip.corpus for clip in clips], return_inverse=True)[1]
        self._corpora *= fit.by_corpus
        for number in np.flatnonzero(np.bincount(self._corpora) == 1):
            name = clips[int(np.flatnonzero(self._corpora == number)[0])].corpus
            log.warning("%s has one clip, and a batch needs two: it is not trained on", name)
        balanced = self._balanced(known, len(labels))
        self._odds = self._shares * balanced
        self.labels = len(labels)
        if fit.balance == "weight":
            self._weights *= balanced.astype(np.float32)

    def _balanced(self, known: NDArray[np.bool_], labels: int) -> NDArray[np.float64]:
        """How much each clip counts so that all classes of its corpus, or of all, count the same.

        The mean over clips that are known is 1, and so is the weight of the others.
        """
        out = np.ones(len(known))
        for corpus in np.unique(self._corpora):
            rows = known & (self._corpora == corpus)
            counts = np.bincount(self.targets[rows], self._shares[rows], minlength=labels)
            classes = (counts > 0).sum() if self._fit.by_corpus else labels
            out[rows] = counts.sum() / np.maximum(counts, 1e-9)[self.targets[rows]] / classes
        return out

    def plain(self, index: int) -> Features:
        """The features of a clip as it was recorded, before standardisation."""
        return self.features[index][self._plain if self._augmented is None else 0]

    def draw_from(self, copies: Copies, rows_a_frame: float) -> None:
        """Draw from augmented copies that are made now or were before, not from new ones.

        They stay on disk: what several runs read is in memory once.
        """
        # In any order: runs beside each other then seldom make the same one.
        for i in np.random.default_rng().permutation(len(self._clips)):
            for n in range(copies.count):
                copies.make(self._clips[i], n, self._changer(i, n))
        self._copies, self._rows_a_frame = copies, rows_a_frame

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """One epoch. Examples of similar length share a batch, cut to one length: no padding."""
        drawn = self._drawn(rng)
        chosen = self._chosen(drawn, rng)
        shortest, longest = (
            int(seconds * self._frames_a_second * self._rows_a_frame) - 2
            for seconds in (self._fit.shortest_s, self._fit.longest_s)
        )
        lengths = np.array(
            [
                min(len(f), max(shortest, int(min(len(f), longest) * u)))
                for f, u in zip(chosen, rng.uniform(0.6, 1.0, len(chosen)), strict=True)
            ]
        )
        around = lengths + rng.uniform(0, 12 * self._rows_a_frame, len(lengths))
        order = np.lexsort((around, self._corpora[drawn]))
        parts = batch_bounds(self._corpora[drawn][order], self._fit.batch_size)
        for number in rng.permutation(len(parts)):
            picked = order[slice(*parts[number])]
            frames = int(lengths[picked].min())
            if frames < shortest // 2 or len(picked) < 2:
                continue
            cut = []
            for i in picked:
                at = int(rng.integers(len(chosen[i]) - frames + 1))
                cut.append(self._finished(chosen[i][at : at + frames], rng))
            yield self._mixed(np.stack(cut), drawn[picked], rng)

    def _finished(self, cut: Maps, rng: np.random.Generator) -> NDArray[np.float32]:
        """Changed and standardised, unless it was kept so; maps in torch's order."""
        if not self._copies:
            changed = self._spectral()(cut.astype(np.float32), rng)
            return ((changed - self.mean) / self.deviation).astype(np.float32)
        maps = cut.astype(np.float32)
        order = self._copies.order
        return maps.transpose(order) if order and maps.ndim == len(order) else maps

    def _changer(self, index: int, number: int) -> Change:
        """Makes an augmented copy of the clip at `index`; copy 0 is unchanged."""

        def change(clip: Clip, rng: np.random.Generator) -> NDArray[np.float32]:
            speed = int(rng.integers(len(self._augment.speeds))) if number else self._plain
            if self._augmented is None:
                found = self.features[index][speed]
            elif number:
                factor, seed = self._augment.speeds[speed], int(rng.integers(2**31))
                (found,) = self._augmented.features([clip], [factor], [seed])
            else:
                found = self.plain(index)
            features = found.astype(np.float32)
            features = self._spectral()(features, rng) if number else features
            return ((features - self.mean) / self.deviation).astype(np.float32)

        return change

    def _drawn(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Which clips this epoch has."""
        if self._fit.balance == "sample":
            odds = self._odds / self._odds.sum()
            out: NDArray[np.intp] = rng.choice(len(odds), round(self._shares.sum()), p=odds)
            return out
        return np.flatnonzero(rng.random(len(self.targets)) < self._shares)

    def _chosen(self, drawn: NDArray[np.intp], rng: np.random.Generator) -> list[Maps]:
        """The whole of each clip drawn, one of its copies or at one of the speeds."""
        if self._copies:
            numbers = rng.integers(self._copies.count, size=len(drawn))
            return [
                self._copies.get(self._clips[i], n) for i, n in zip(drawn, numbers, strict=True)
            ]
        speeds = rng.integers(len(self._augment.speeds), size=len(drawn))
        if self._augmented is None:
            return [self.features[i][s] for i, s in zip(drawn, speeds, strict=True)]
        clips = [self._clips[i] for i in drawn]
        factors = [self._augment.speeds[s] for s in speeds]
        return self._augmented.features(clips, factors, rng.integers(2**31, size=len(drawn)))

    def _spectral(self) -> SpectralChanges:
        return SpectralChanges(self._augment, self.mean)

    def _mixed(
        self, batch: NDArray[np.float32], clips: NDArray[np.intp], rng: np.random.Generator
    ) -> Batch:
        """The batch, mixed with itself in another order (Zhang et al. 2018)."""
        eye = np.vstack((np.eye(self.labels), np.zeros(self.labels)))
        targets = eye[self.targets[clips]].astype(np.float32)
        weights = self._weights[clips]
        mask = None if self._label_mask is None else self._label_mask[clips]
        soft = None if self._soft_labels is None else self._soft_labels[clips].astype(np.float32)
        if self._augment.mixup > 0:
            part = np.float32(rng.beta(self._augment.mixup, self._augment.mixup))
            partner = rng.permutation(len(batch))
            batch, targets, weights = (
                part * x + (1 - part) * x[partner] for x in (batch, targets, weights)
            )
            soft = None if soft is None else part * soft + (1 - part) * soft[partner]
            mask = None if mask is None else np.maximum(mask, mask[partner])
        parts = (batch, targets, weights, mask, soft)
        return Batch(*(None if x is None else torch.from_numpy(x) for x in parts))  # type: ignore[arg-type]


def batch_bounds(groups: NDArray[np.intp], size: int) -> list[tuple[int, int]]:
    """First and end of batches of at most `size` examples, of one group each; groups are sorted.

    A last one that is left alone joins the batch before it, which then has one more than `size`:
    a batch norm has nothing to compare a single example with. Only a group of one is a batch alone.
    """
    out = []
    edges = [*np.flatnonzero(np.diff(groups, prepend=-1)).tolist(), len(groups)]
    for first, end in itertools.pairwise(edges):
        starts = list(range(first, end, size))
        if len(starts) > 1 and end - starts[-1] == 1:
            starts.pop()
        out += list(itertools.pairwise([*starts, end]))
    return out


def _label_masks(clips: Sequence[Clip], labels: Sequence[str]) -> NDArray[np.float32]:
    """1 for each label that any clip of the same corpus has, (clips, labels); all if unlabelled."""
    has = {(clip.corpus, clip.label) for clip in clips}
    rows = {
        corpus: [float((corpus, label) in has) for label in labels]
        for corpus in {clip.corpus for clip in clips}
    }
    every = [1.0] * len(labels)
    return np.array(
        [every if clip.label == UNLABELLED else rows[clip.corpus] for clip in clips], np.float32
    )
