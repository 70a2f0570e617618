"""Voices in training: baselines drawn from a speaker's other clips, and how voices differ."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livemood.model.manifest import BaselineSettings
from livemood.training.data.clips import Clip
from livemood.training.network.streaming_encoder import VoiceHead
from livemood.training.recipe.voices import VoicesSection

AT_REST, OTHERS = 14, 10
"""Clips of each speaker, neutral ones and others, that baselines are drawn from."""
CLIP_S = 2.5
"""Seconds of speech that a clip brings, about."""


class VoicePool:
    """Statistics of a few clips of each speaker, by the network as it is, and what follows."""

    def __init__(
        self,
        clips: Sequence[Clip],
        settings: VoicesSection,
        seconds: Tensor,
        rng: np.random.Generator,
    ) -> None:
        """`seconds` (clips,) is the length of each clip, of which at most 3 count."""
        self._settings, self._bounds = settings, BaselineSettings(shrink_s=settings.shrink_s)
        names = sorted({clip.speaker for clip in clips})
        of = {name: number for number, name in enumerate(names)}
        self.speaker = torch.tensor([of[clip.speaker] for clip in clips])
        self.picked, table = _pick(clips, names, settings.neutral, rng)
        self._table = torch.from_numpy(table)
        corpus = {clip.speaker: clip.corpus for clip in clips}
        where = [corpus[name] for name in names]
        self._corpora = [torch.tensor([w == name for w in where]) for name in sorted(set(where))]
        self._seconds = seconds[self.picked].clamp_max(3.0)

    def refresh(self, statistics: Tensor, neutral: Tensor, *heads: VoiceHead) -> None:
        """Take the statistics (picked, values) of the picked clips and their P(neutral).

        The statistics of training speakers are written into the heads.
        """
        least = self._bounds.least_weight
        self._statistics = statistics
        self._weights = self._seconds * (least + (1 - least) * neutral)
        typical = (self._weights[:, None] * statistics).sum(0) / self._weights.sum()
        with torch.no_grad():
            for head in heads:
                head.centre.copy_(statistics.mean(0))
                head.spread.copy_(statistics.std(0) + 1e-2)
                head.typical.copy_(typical)
        self._voices = self._between()

    def baselines(
        self, clips: Tensor, seconds: Tensor, head: VoiceHead, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """What the baselines of the speakers of `clips` take away, and how much they count.

        Each rests on about `seconds` (batch,) of other clips. (batch, values) and (batch, 1).
        """
        table = self._table[self.speaker[clips]]
        there = (table >= 0) & (self.picked[table.clamp_min(0)] != clips[:, None])
        rest = torch.arange(table.shape[1]) < AT_REST
        count = (seconds / CLIP_S).round()
        share = torch.full_like(count, self._settings.at_rest)
        wanted = torch.binomial(count, share, generator)
        at_rest = torch.minimum(wanted, (there & rest).sum(1))
        others = torch.minimum(count - at_rest, (there & ~rest).sum(1))
        chosen = _some(there & rest, at_rest, generator) | _some(there & ~rest, others, generator)
        at = table.clamp_min(0)
        weights = self._weights[at] * chosen
        total = weights.sum(1, keepdim=True)
        off = (self._statistics[at] - head.typical) / head.spread
        off = off.clamp(-self._bounds.most, self._bounds.most)
        mean = (weights[..., None] * off).sum(1) / total.clamp_min(1e-6)
        counts = total / (total + self._settings.shrink_s)
        return counts * mean * head.spread, counts

    def other_voices(self, batch: int, generator: torch.Generator) -> Tensor:
        """Random differences (batch, values) as voices of a corpus have them."""
        draws = torch.randn(batch, len(self._voices), generator=generator)
        return draws @ self._voices

    def _between(self) -> Tensor:
        """Each speaker's place in the corpus, scaled so that random sums vary as voices do."""
        there = self._table >= 0
        rest = there.clone()
        rest[:, AT_REST:] = False
        rest = torch.where(rest.any(1, keepdim=True), rest, there).float()
        found = self._statistics[self._table.clamp_min(0)]
        means = (rest[..., None] * found).sum(1) / rest.sum(1, keepdim=True).clamp_min(1)
        out = torch.zeros_like(means)
        for rows in self._corpora:
            around = means[rows] - means[rows].mean(0)
            out[rows] = around / (max(1, int(rows.sum())) * len(self._corpora)) ** 0.5
        return out


def _pick(
    clips: Sequence[Clip], names: Sequence[str], neutral: str, rng: np.random.Generator
) -> tuple[Tensor, NDArray[np.int64]]:
    """Numbers of the picked clips, and for each speaker which of those are theirs, -1 for none."""
    own: dict[str, list[int]] = {name: [] for name in names}
    for number, clip in enumerate(clips):
        own[clip.speaker].append(number)
    table = np.full((len(names), AT_REST + OTHERS), -1)
    picked: list[int] = []
    for row, name in enumerate(names):
        mixed = rng.permutation(own[name])
        at_rest = [n for n in mixed if clips[n].label == neutral][:AT_REST]
        others = [n for n in mixed if clips[n].label != neutral][:OTHERS]
        for start, part in ((0, at_rest), (AT_REST, others)):
            table[row, start : start + len(part)] = np.arange(len(part)) + len(picked)
            picked += part
    return torch.tensor(picked), table


def _some(there: Tensor, count: Tensor, generator: torch.Generator) -> Tensor:
    """`count` (batch,) of those that are there (batch, entries), at random."""
    order = torch.rand(there.shape, generator=generator).masked_fill(~there, 2.0)
    return (order.argsort(1).argsort(1) < count[:, None]) & there


def draw_odds(
    clips: Sequence[Clip], shares: Sequence[float], voices: VoicesSection
) -> NDArray[np.float64]:
    """How often each clip is drawn; a corpus counts as its share says, whatever its size."""
    odds = np.zeros(len(clips))
    corpora, labels = (np.array([getattr(c, k) for c in clips]) for k in ("corpus", "label"))
    for rows in rows_of(corpora):
        found = np.unique(labels[rows])
        wanted = {
            str(name): voices.neutral_share if name == voices.neutral else 1.0 for name in found
        }
        for name in found:
            own = rows & (labels == name)
            odds[own] = wanted[str(name)] / sum(wanted.values()) / own.sum()
        odds[rows] *= np.asarray(shares)[rows]
    out: NDArray[np.float64] = odds / odds.sum()
    return out


def rows_of(corpora: NDArray[np.str_]) -> list[NDArray[np.bool_]]:
    """Of each corpus, which rows are its, (rows,)."""
    return [corpora == name for name in np.unique(corpora)]
