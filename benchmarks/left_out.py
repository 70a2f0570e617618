"""How folds of a run read speakers that they left out, without and with a baseline of the voice.

    python benchmarks/left_out.py RUN --folds corpus --corpora DIR --encoders DIR --cache DIR

RUN is what `livemood train RECIPE --folds KIND --out RUN` made of a streaming encoder. The heads
read clips in float32, from what the frozen encoder says of them, which training kept in the cache:
that takes seconds. `benchmarks/baselines.py` measures int8 files, from sound, and takes an hour.

Every clip is read twice: with nothing known of the voice, and with a baseline of up to `--seconds`
of other speech of the same speaker, seven in ten clips of it at rest. The clips of a speaker are
parted at random into five; what the baseline of each part hears is drawn from the other four.
Speakers with less speech at rest get a baseline of what there is; it is counted who had enough.

With `--linear` not the heads read but, for comparison, a logistic regression on mean and deviation
of the encoder's steps. It is fitted on all clips but the fold's, as they are and less baselines,
which are drawn, and clips balanced, as for the heads.
"""

from collections import defaultdict
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import numpy as np
import torch
from torch import nn

from livemood.model.baseline import VoiceBaseline
from livemood.model.manifest import BaselineSettings
from livemood.model.network.pooling import Speakers, logits_of, softmax
from livemood.training.data.dataset import read_dataset
from livemood.training.data.folds import make_folds
from livemood.training.evaluation.metrics import confusion_matrix, uar, uar_among_its_labels
from livemood.training.fit.frozen_steps import StepSet
from livemood.training.fit.voice_trainer import draw_odds, statistics_of
from livemood.training.fit.voices import VoicePool
from livemood.training.network.streaming_encoder import HEAD, VoiceHead
from livemood.training.pipeline.encoder_steps import find_encoder, frozen_steps
from livemood.training.recipe.schema import read_recipe
from livemood.training.recipe.sections import AugmentSection
from livemood.training.run_folder import Workspace

LONGEST, STEP_S = 36, 0.08
"""Steps of a clip that are read: the longest window of a model."""
AT_REST_SHARE, PARTS = 0.7, 5
PENALTY = 1.0
"""Of the squared weights of a linear head, which reads values in deviations."""


def load_head(recipe, run: Path, width: int) -> VoiceHead:
    """The head that the run ended with."""
    shape = (recipe.network.step_projection or 256, recipe.network.recurrent)
    head = VoiceHead(width, len(recipe.labels), 0.0, *shape)
    head.load_state_dict(torch.load(run / HEAD, weights_only=True))
    return head.eval()


class LinearHead(nn.Module):
    """A logistic regression on mean and deviation of the encoder's steps; see `VoiceHead`."""

    def __init__(self, values: int, labels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(values, labels))
        self.bias = nn.Parameter(torch.zeros(labels))
        for name in ("centre", "typical"):
            self.register_buffer(name, torch.zeros(values))
        self.register_buffer("spread", torch.ones(values))

    @torch.no_grad()
    def matrix(self) -> torch.Tensor:
        """Scale and weights as one matrix (values + 1, labels), the bias last."""
        weight = self.weight / self.spread[:, None]
        return torch.cat((weight, (self.bias - self.centre @ weight)[None]))

    def speakers(self) -> torch.Tensor:
        """(2, values): mean of voices at rest, and deviation, over training speakers."""
        return torch.stack((self.typical, self.spread))


@torch.no_grad()
def moments_of(steps: StepSet, clips: torch.Tensor) -> torch.Tensor:
    """Mean and deviation (clips, 2 x width) over the first steps of clips."""
    found = []
    for part in torch.split(clips, 256):
        x, present = steps.cut(part, LONGEST)
        share = (present / present.sum(1, keepdim=True)).unsqueeze(2)
        mean = (share * x).sum(1)
        variance = (share * (x - mean.unsqueeze(1)).square()).sum(1)
        found.append(torch.cat((mean, (variance + 1e-5).sqrt()), 1))
    return torch.cat(found)


def fit_linear(recipe, data, source) -> LinearHead:
    """A linear head, fitted on the clips that a fold trains on."""
    clips, labels, v = data.train, list(recipe.labels), recipe.voices
    every, rng = torch.arange(len(clips)), np.random.default_rng(recipe.seed)
    steps = StepSet.of(clips, 0, source)
    moments = moments_of(steps, every)
    head = LinearHead(moments.shape[1], len(labels))
    pool = VoicePool(clips, v, steps.lengths[0].float() * STEP_S, rng)
    at_rest = torch.tensor([float(clips[n].label == v.neutral) for n in pool.picked])
    pool.refresh(moments[pool.picked], at_rest, head)
    seconds = torch.from_numpy(rng.uniform(0, 30, len(clips))).float()
    generator = torch.Generator().manual_seed(recipe.seed)
    shift, _ = pool.baselines(every, seconds, head, generator)
    x = (torch.cat((moments, moments - shift)) - head.centre) / head.spread
    truth = torch.tensor([labels.index(clip.label) for clip in clips]).repeat(2)
    weights = torch.from_numpy(draw_odds(clips, data.shares, v)).float().repeat(2) / 2
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=40, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        logits = x @ head.weight + head.bias
        lost = weights @ nn.functional.cross_entropy(logits, truth, reduction="none")
        total = lost + PENALTY * head.weight.square().sum()
        total.backward()
        return total

    optimizer.step(closure)
    return head.requires_grad_(False)


class Reader:
    """Reads statistics as the product does, in float32."""

    def __init__(self, recipe, head: VoiceHead) -> None:
        v, self.matrix = recipe.voices, head.matrix().numpy()
        self.speakers = Speakers(*head.speakers().numpy())
        names = ("shrink_s", "longest_s", "neutral")
        told = {name: getattr(v, name) for name in names}
        self.settings = BaselineSettings(**told)
        self.neutral = recipe.labels.index(v.neutral)

    def __call__(self, pooled: np.ndarray, baseline: VoiceBaseline | None = None) -> np.ndarray:
        """Probabilities (clips, labels) of statistics (clips, values)."""
        shift = None if baseline is None else baseline.shift()
        return softmax(logits_of(pooled if shift is None else pooled - shift, self.matrix), 1.0)

    def heard(self, pooled: np.ndarray, seconds: np.ndarray) -> VoiceBaseline:
        """The baseline of a voice after clips with these statistics."""
        out = VoiceBaseline(self.settings, self.speakers)
        out.enroll()
        for row, length in zip(pooled, seconds, strict=True):
            out.push(row, float(length), float(self(row[np.newaxis], out)[0, self.neutral]))
        return out


def drawn(rest: np.ndarray, lengths: np.ndarray, seconds: float, rng: np.random.Generator) -> list:
    """Which clips a baseline hears: about so many seconds, seven in ten clips at rest."""
    count = max(1, round(seconds / float(lengths.mean())))
    wanted = round(AT_REST_SHARE * count)
    order = rng.permutation(len(rest))
    chosen = [*order[rest[order]][:wanted], *order[~rest[order]][: count - wanted]]
    return [chosen[n] for n in rng.permutation(len(chosen))]


def read_speaker(reader: Reader, pooled, lengths, rest, seconds: float, rng) -> tuple:
    """Probabilities with a baseline, its seconds, and whether there was enough speech for it."""
    part = rng.permutation(len(pooled)) % PARTS
    out, rested, enough = np.empty((len(pooled), reader.matrix.shape[1])), [], True
    for number in range(PARTS):
        others, own = np.flatnonzero(part != number), np.flatnonzero(part == number)
        if not len(others):  # a speaker of one clip has no other
            out[own], enough = reader(pooled[own]), False
            continue
        chosen = others[drawn(rest[others], lengths[others], seconds, rng)]
        full = lengths[chosen].sum() >= 0.8 * seconds and rest[chosen].mean() >= 0.6
        enough = enough and bool(full)
        baseline = reader.heard(pooled[chosen], lengths[chosen])
        rested.append(baseline.seconds)
        out[own] = reader(pooled[own], baseline)
    return out, float(np.mean(rested or [0.0])), enough


def read_fold(recipe, run: Path, data, source, width: int, options) -> dict:
    """What a fold's head reads of clips: truth, probabilities without and with, and of speakers."""
    clips = data.test
    steps, every = StepSet.of(clips, 0, source), torch.arange(len(clips))
    if options.linear:
        head, pooled = fit_linear(recipe, data, source), moments_of(steps, every).numpy()
    else:
        head = load_head(recipe, run, width)
        pooled = statistics_of(head, steps, every, LONGEST).numpy()
    lengths = np.minimum(steps.lengths[0].numpy(), LONGEST) * STEP_S
    reader, speakers = Reader(recipe, head), defaultdict(list)
    for number, clip in enumerate(clips):
        speakers[clip.speaker].append(number)
    rest = np.array([clip.label in (recipe.voices.neutral, "calm") for clip in clips])
    related, rested, enough = np.empty((len(clips), len(recipe.labels))), [], 0
    for number, (_, rows) in enumerate(sorted(speakers.items())):
        rng = np.random.default_rng([options.seed, number])
        given = (each[rows] for each in (pooled, lengths, rest))
        related[rows], seconds, full = read_speaker(reader, *given, options.seconds, rng)
        rested.append(seconds)
        enough += full
    return {
        "truth": np.array([recipe.labels.index(clip.label) for clip in clips]),
        "without": reader(pooled),
        "with": related,
        "speakers": len(speakers),
        "speakers_with_enough": enough,
        "baseline_s": rested,
    }


def scores(read: dict) -> dict:
    """UAR without and with a baseline, over all labels and among those that occur, in percent."""
    out = {
        "clips": len(read["truth"]),
        "labels": len(np.unique(read["truth"])),
        "speakers": read["speakers"],
        "speakers_with_enough": read["speakers_with_enough"],
        "baseline_s": round(float(np.mean(read["baseline_s"])), 1),
    }
    for name in ("without", "with"):
        confusion = confusion_matrix(read["truth"], read[name])
        among = uar_among_its_labels(read["truth"], read[name])
        out[name] = {
            "uar": round(100 * uar(confusion), 1),
            "uar_among_its_labels": round(100 * among, 1),
            "confusion": confusion.tolist(),
        }
    return out


def together(read: list[dict]) -> dict:
    """All folds as one."""
    joined = {k: np.concatenate([r[k] for r in read]) for k in ("truth", "without", "with")}
    joined |= {k: sum(r[k] for r in read) for k in ("speakers", "speakers_with_enough")}
    return scores(joined | {"baseline_s": [s for r in read for s in r["baseline_s"]]})


def _as_recorded(recipe):
    """The recipe without changes of sound: clips as recorded need none, nor the extra for them."""
    return recipe.model_copy(update={"augment": AugmentSection()})


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--folds", required=True, help="as they were trained")
    parser.add_argument("--only", help="these alone, as 1,2")
    parser.add_argument("--seconds", type=float, default=20.0, help="of speech in a baseline")
    parser.add_argument("--linear", action="store_true", help="a logistic regression reads")
    for name in ("corpora", "encoders", "cache"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    around, kept, folds = common.surroundings(), [], {}
    first = read_recipe(next(options.run.glob("fold*/recipe.json")))
    workspace = Workspace(options.corpora, options.cache, options.encoders)
    encoder = find_encoder(first, options.encoders)
    data = read_dataset(first.dataset, options.corpora)
    only = options.only.split(",") if options.only else None
    for fold in make_folds(options.folds, data.train):
        if only and fold.name not in only:
            continue
        run = options.run / f"fold{fold.slug}"
        recipe = first if options.linear else read_recipe(run / "recipe.json")
        part = data.without(fold.speakers)
        source = frozen_steps(_as_recorded(recipe), encoder, workspace)
        read = read_fold(recipe, run, part, source, encoder.width, options)
        kept.append(read)
        folds[fold.name] = scores(read)
        brief = {w: folds[fold.name][w]["uar_among_its_labels"] for w in ("without", "with")}
        print(fold.name, {**folds[fold.name], **brief}, flush=True)
    means = {
        which: {
            key: round(float(np.mean([f[which][key] for f in folds.values()])), 1)
            for key in ("uar", "uar_among_its_labels")
        }
        for which in ("without", "with")
    }
    print("mean over folds", means, flush=True)
    told = {"recipe": first.name, "train_seed": first.seed, "seed": options.seed}
    told |= {
        "linear": options.linear,
        "precision": "float32",
        "seconds": options.seconds,
        "folds_by": options.folds,
    }
    result = told | {"labels": list(first.labels), "mean": means, "folds": folds}
    name = "left_out_linear" if options.linear else "left_out"
    common.report(name, result | {"together": together(kept)} | around, quick=options.quick)


if __name__ == "__main__":
    main()
