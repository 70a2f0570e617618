"""What each method of adaptation gains on a corpus left out whole, and what it hides of corpora.

`python scripts/adaptation_table.py --corpora CORPORA --encoders ENCODERS --cache CACHE` computes
what the first two blocks of Whisper tiny.en give for each clip once and keeps it. A clip is then
one step: mean and deviation over its speech. The heads are trained by the trainer of `livemood
train`, float32, on all other corpora. Half of the speakers of the corpus left out give unlabelled
speech, the other half are measured; the second seed swaps the halves. The methods have their
default options. `--tune` tries others on TESS, which is not reported.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from livemood.training.adapt.probe import probe_accuracy
from livemood.training.adapt.trainer import AdaptedVoiceTrainer
from livemood.training.data.clips import Clip
from livemood.training.data.dataset import read_dataset
from livemood.training.evaluation.metrics import confusion_matrix, uar, uar_among_its_labels
from livemood.training.fit.frozen_steps import FrozenSteps, StepSet
from livemood.training.fit.voice_trainer import Target, VoiceData, statistics_of
from livemood.training.network.streaming_encoder import VoiceHead, pretrained_encoder
from livemood.training.recipe.adapt import AdaptSection
from livemood.training.recipe.schema import Recipe, read_recipe

ROOT = Path(__file__).resolve().parent.parent
REPORTED = ("emovo", "ravdess", "nemo", "emospeech-in", "ased")
SHARES = {"tess": 0.2, "nemo": 0.25, "emospeech-in": 0.5, "ased": 0.4}
"""How much of the larger corpora is looked at."""
COLUMNS = ("corpus", "speaker", "label", "language")
COMPONENTS = 192
LONGEST = 12
METHODS: dict[str, dict[str, Any]] = {
    "none": {},
    "deep-coral": {"weight": 0.3},
    "mmd": {"weight": 1.0},
    "adversarial": {"weight": 3.0},
    "pretraining": {"weight": 3.0},
    "coral": {},
    "target-statistics": {},
    "self-training": {"weight": 1.0},
    "contrastive": {"weight": 0.3},
    "importance": {},
    "a few labels": {},
    "boosting, a few labels": {},
    "adversarial, speakers": {"weight": 3.0, "over": "speaker"},
    "adversarial, languages": {"weight": 3.0, "over": "language"},
}
"""Options of each row of the table; "a few labels" are four clips a label of the target."""
FEW = 4


@dataclass(frozen=True)
class Pooled:
    """Mean and deviation of the steps of clips, (clips, 2 x width), as sets of one step a clip."""

    clips: Sequence[Clip]
    values: torch.Tensor

    @classmethod
    def of(cls, clips: Sequence[Clip], source: FrozenSteps) -> "Pooled":
        """Compute them, or read what is kept of them."""
        rows = []
        for clip in clips:
            steps = source.get(clip).astype(np.float32)
            rows.append(np.concatenate((steps.mean(0), steps.std(0))))
        return cls(clips, torch.from_numpy(np.array(rows)).half())

    def write(self, path: Path) -> None:
        """Keep them, and of the clips what is needed here."""
        columns = {name: np.array([getattr(c, name) for c in self.clips]) for name in COLUMNS}
        np.savez(path, values=self.values.numpy(), **columns)

    @classmethod
    def read(cls, path: Path) -> "Pooled":
        """What `write` kept."""
        kept = np.load(path)
        rows = zip(*(kept[name].tolist() for name in COLUMNS), strict=True)
        clips = [Clip(path, **dict(zip(COLUMNS, row, strict=True))) for row in rows]
        return cls(clips, torch.from_numpy(kept["values"]))

    def reduced(self, left_out: str) -> "Pooled":
        """The same as principal components of all corpora but one: a run then takes seconds.

        They are turned at random, so that training does not put all of them on one scale.
        """
        every = self.values.float()
        source = every[[n for n, c in enumerate(self.clips) if c.corpus != left_out]]
        mean, scale = source.mean(0), source.std(0) + 1e-3
        _, directions = torch.linalg.eigh(((source - mean) / scale).T.cov())
        turn = np.linalg.qr(np.random.default_rng(1).normal(size=(COMPONENTS, COMPONENTS)))[0]
        kept = directions[:, -COMPONENTS:] @ torch.from_numpy(turn).float()
        return replace(self, values=(((every - mean) / scale) @ kept).half())

    def steps(self, rows: Sequence[int]) -> StepSet:
        """One step for each clip."""
        count = len(rows)
        return StepSet(
            [self.values[list(rows)]],
            torch.arange(count)[None],
            torch.ones((1, count), dtype=torch.long),
        )


def halves(clips: Sequence[Clip], corpus: str, seed: int) -> tuple[list[str], list[str]]:
    """Speakers of a corpus whose speech is given unlabelled, and those who are measured."""
    names = sorted({c.speaker for c in clips if c.corpus == corpus})
    mixed = [names[i] for i in np.random.default_rng(7).permutation(len(names))]
    parts = mixed[::2], mixed[1::2]
    return parts if seed % 2 else parts[::-1]


def run(
    recipe: Recipe, data: Pooled, corpus: str, method: str, options: dict[str, Any], seed: int
) -> dict[str, Any]:
    """Train without `corpus` by one method, and measure on the speakers that nothing heard."""
    given, tested = halves(data.clips, corpus, seed)
    learnt = [n for n, c in enumerate(data.clips) if c.corpus != corpus]
    there = [n for n, c in enumerate(data.clips) if c.speaker in given]
    test = [n for n, c in enumerate(data.clips) if c.speaker in tested]
    name = method.partition(",")[0]
    few: list[int] = []
    if "few labels" in method:
        few = a_few(data.clips, there, seed)
        learnt += few
        name = name if name == "boosting" else "none"
    alone = name in ("none", "contrastive", "pretraining") or method.startswith("adversarial,")
    target = () if alone else (corpus,)
    adapt = AdaptSection.model_validate({"method": name, "target": target, **options})
    clips = [data.clips[n] for n in learnt]
    torch.manual_seed(seed)
    head = VoiceHead(data.values.shape[1], len(recipe.labels), 0.3, 96, 32)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        trainer = AdaptedVoiceTrainer(
            head,
            VoiceData(clips, [1.0] * len(clips), data.steps(learnt)),
            recipe.labels,
            recipe.fit,
            recipe.voices,
            0.0,
            adapt=adapt,
            target=Target([data.clips[n] for n in there], data.steps(there)) if target else None,
            longest=LONGEST,
            seed=seed,
            run=Path(folder),
        )
        trained = trainer.train()
    minutes = (time.process_time() - began) / 60
    every = torch.arange(len(test))
    statistics = statistics_of(trained, data.steps(test), every, LONGEST)
    with torch.no_grad():
        probabilities = trained.logits(statistics).softmax(1).double().numpy()
    truth = np.array([recipe.labels.index(data.clips[n].label) for n in test])
    both = statistics_of(trained, data.steps(learnt), torch.arange(len(learnt)), LONGEST).numpy()
    own = statistics_of(trained, data.steps(there), torch.arange(len(there)), LONGEST).numpy()
    probed = [*clips, *(data.clips[n] for n in there)]
    return {
        "corpus": corpus,
        "method": method,
        "seed": seed,
        "uar": round(100 * uar_among_its_labels(truth, probabilities), 2),
        "uar_all_labels": round(100 * uar(confusion_matrix(truth, probabilities)), 2),
        **corpus_probes(probed, np.concatenate((both, own))),
        "clips": len(test),
        "minutes": round(minutes, 2),
        "speakers": len(tested),
    }


def a_few(clips: Sequence[Clip], there: Sequence[int], seed: int) -> list[int]:
    """A few clips of each label among those of the target that are given."""
    rng = np.random.default_rng(seed)
    out: list[int] = []
    for label in sorted({clips[n].label for n in there}):
        own = [n for n in there if clips[n].label == label]
        out += rng.permutation(own)[:FEW].tolist()
    return out


def corpus_probes(clips: Sequence[Clip], values: np.ndarray, most: int = 100) -> dict[str, float]:
    """What a linear probe and a forest tell of the corpus on other speakers, in percent."""
    rng = np.random.default_rng(1)
    corpora = np.array([c.corpus for c in clips])
    picked = np.concatenate(
        [rng.permutation(np.flatnonzero(corpora == n))[:most] for n in np.unique(corpora)]
    )
    numbers = np.unique(corpora, return_inverse=True)[1][picked]
    speakers = np.unique([c.speaker for c in clips], return_inverse=True)[1][picked]
    given = values[picked].astype(float)
    return {
        "probe": round(probe_accuracy(given, numbers, speakers), 1),
        "forest": round(probe_accuracy(given, numbers, speakers, "forest"), 1),
    }


def pooled(arguments: argparse.Namespace, recipe: Recipe) -> Pooled:
    """The clips of all corpora, or the share of them that is looked at; kept in one file."""
    kept = arguments.cache / "pooled.npz"
    if kept.is_file():
        return Pooled.read(kept)
    names = [*(part.name for part in recipe.corpora), *recipe.adapt.target]
    corpora = [{"name": name} for name in names]
    content = json.loads(recipe.model_dump_json()) | {"corpora": corpora}
    spec = Recipe.model_validate(content | {"adapt": {}}).dataset
    clips = [
        clip
        for clip in read_dataset(spec, arguments.corpora).train
        if place(clip.path.name) < SHARES.get(clip.corpus, 1.0)
    ]
    encoder = pretrained_encoder(arguments.encoders, recipe.network.blocks)
    source = FrozenSteps(encoder, recipe.features, arguments.cache, None, "", recipe.seed)
    found = Pooled.of(clips, source)
    found.write(kept)
    return found


def place(name: str) -> float:
    """Where a name lies between 0 and 1, as good as at random."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32


TUNED: dict[str, list[dict[str, Any]]] = {
    "importance": [{"largest_weight": w} for w in (2.0, 5.0)],
    "deep-coral": [{"weight": w} for w in (0.3, 1.0, 3.0)],
    "mmd": [{"weight": w} for w in (0.3, 1.0, 3.0)],
    "adversarial": [
        *({"weight": w} for w in (1.0, 3.0, 10.0)),
        {"weight": 3.0, "classifier_steps": 1},
        *({"weight": 3.0, "classifier_decay": decay} for decay in (0.0, 10.0)),
    ],
    "pretraining": [{"weight": w} for w in (0.3, 1.0, 3.0)],
    "self-training": [{"weight": 1.0, "confidence": c} for c in (0.5, 0.7, 0.9)],
    "contrastive": [{"weight": w} for w in (0.1, 0.3, 1.0)],
}
"""What `--tune` tries, with TESS left out, whose figures are not reported."""


def _surroundings() -> dict[str, Any]:
    """Where and what is measured, as benchmarks tell it."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from common import surroundings

    found: dict[str, Any] = surroundings()
    return found


def main() -> None:
    """Run what is missing, keep each result as it comes, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("corpora", "encoders", "cache"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/adaptation.json")
    parser.add_argument("--tune", action="store_true", help="options of the methods, on TESS")
    parser.add_argument("--only", nargs="*", choices=METHODS, help="these methods alone")
    parser.add_argument("--left-out", nargs="*", choices=REPORTED, help="these corpora alone")
    given = parser.parse_args()
    torch.set_num_threads(1)
    recipe = read_recipe(ROOT / "recipes" / "adapted.toml")
    kept = json.loads(given.out.read_text("utf-8")) if given.out.is_file() else _surroundings()
    rows = kept.setdefault("tuning" if given.tune else "rows", [])
    kept["what"] = "float32, one step a clip: 192 components of two blocks of Whisper tiny.en"
    kept["fit"] = json.loads(recipe.fit.model_dump_json())
    done = {(r["corpus"], r["method"], r["seed"], json.dumps(r["options"])) for r in rows}
    data, made = pooled(given, recipe), dict[str, Pooled]()
    for corpus, method, options, seed in plan(given):
        if (corpus, method, seed, json.dumps(options)) in done:
            continue
        if corpus not in made:
            made = {corpus: data.reduced(corpus)}
        row = run(recipe, made[corpus], corpus, method, options, seed) | {"options": options}
        print(json.dumps(row), flush=True)
        rows.append(row)
        given.out.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")


def plan(given: argparse.Namespace) -> list[tuple[str, str, dict[str, Any], int]]:
    """Corpus, method, options and seed of each run."""
    methods = given.only or list(METHODS)
    if given.tune:
        tried = {"none": [{}], "a few labels": [{}], **TUNED}
        return [
            ("tess", name, options, seed)
            for name, every in tried.items()
            if name in methods
            for options in every
            for seed in (1, 2)
        ]
    return [
        (corpus, name, METHODS[name], seed)
        for seed in (1, 2)
        for corpus in given.left_out or REPORTED
        for name in methods
    ]


if __name__ == "__main__":
    main()
