"""A model's card: what it is, what it learnt from, how good it is, what it must not be used for."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from livemood.model.manifest import Manifest, read_manifest
from livemood.training.metrics import markdown_confusion
from livemood.training.runcard import NOT_FOR

LIMITS = f"""{NOT_FOR}
## Limits

- The speech it learnt from is acted, or keywords spoken on request. Spontaneous emotion is weaker
  and more mixed; expect lower figures than those here.
- English, Polish, and keywords of Hindi and English speakers. Other languages were not measured.
- Adults. Children and elderly voices were not measured; nor were groups by accent or ethnicity.
- `disgust` was learnt from RAVDESS and TESS alone, and `surprise` from studio recordings alone.
- On each corpus it hardly ever says a label which that corpus lacks (see the confusions): it has
  learnt something of rooms and microphones along with voices. On cheap microphones, as those of
  emospeech-in, `sad`, `disgust` and `surprise` are rarely said.
- Valence and arousal are derived: the probability-weighted mean of published coordinates of the
  emotion words (Russell & Mehrabian 1977), not a reading of their own.
- Music, several voices at once, strong noise and telephone bands were not part of its training: on
  the speakers above 8 kHz µ-law costs it 23 points of UAR and noise at 10 dB 13 (docs/training.md).
"""


def write_card(folder: Path, crossvalidation: Path, whole: Path | None = None) -> None:
    """Write `card.md` beside the model in `folder`, and the folds' figures into its manifest.

    `whole` holds the figures of the networks that those of the folds were made from.
    """
    from livemood.training.build import finish

    figures = json.loads(crossvalidation.read_text("utf-8"))
    manifest = read_manifest(folder)
    short = {
        name: {key: values[key] for key in ("uar", "uar_by_fold", "accuracy")}
        for name, values in figures["models"].items()
    }
    metrics = {"ravdess_six_folds_8_classes": short | {"seed": figures["seed"]}}
    manifest = finish(folder, manifest.temperature, metrics).manifest
    earlier = json.loads(whole.read_text("utf-8"))["models"] if whole else {}
    parts = [_head(manifest), _folds(figures, earlier), _held_out(manifest), LIMITS]
    (folder / "card.md").write_text("\n".join(parts), "utf-8")


def _head(m: Manifest) -> str:
    corpora = "\n".join(f"- {t.corpus} ({t.reference}), {t.licence}" for t in m.trained_on)
    return f"""# Model card: {m.name} {m.version}

A DC-RNN of {m.parameters:,} parameters, {m.precision}: three blocks of convolution without padding
in time (each 80 ms step sees 235 ms), the second and third factored (rank 32), two linear layers, a
GRU that runs forward only and attentive pooling over windows of {m.window.shortest_s:g} to
{m.window.longest_s:g} s of 16 kHz sound. Labels: {", ".join(m.labels)}.

It is default 0.2.0 made lean: its convolutions factored by singular value decomposition, all of it
trained further, also from what 0.2.0 says of the same sound. The front of that network goes back to
BYOL-S (Elbanna et al. 2022, trained on AudioSet speech without labels). All of it was trained on
labelled speech:

{corpora}

**Licence of the weights: {m.licence}** (non-commercial, as the corpora ask). The code around them
is under Apache-2.0.

To repeat it (corpora and source models in folders of their own):

```
python -m livemood.training train recipes/default.toml \\
  --corpora CORPORA --sources SOURCES --out runs/default
python -m livemood.training crossvalidate recipes/baseline-ravdess.toml \\
  --corpora CORPORA --sources SOURCES --out runs/folds
python -m livemood.training crossvalidate recipes/lean-ravdess.toml \\
  --corpora CORPORA --sources 'runs/folds/fold{{fold}}' --out runs/lean
python -m livemood.training card runs/default/int8 \\
  --crossvalidation runs/lean/figures.json --whole runs/folds/figures.json
```

SOURCES holds `byol-s-d512.safetensors` and, as `default-0.2.0`, the folder of that model (commit
2332684 of this repository).
"""


def _folds(figures: dict[str, Any], whole: dict[str, Any]) -> str:
    models = figures["models"] | {f"whole, {name}": values for name, values in whole.items()}
    rows = "\n".join(
        f"| {name} | {v['uar']:.1f} | {', '.join(f'{x:.1f}' for x in v['uar_by_fold'])} "
        f"| {v['accuracy']:.1f} | {v['calibration_error_untempered']:.1f} |"
        for name, v in models.items()
    )
    confusion = np.array(figures["models"]["int8"]["confusion"])
    return f"""## The recipe, speaker-independent: RAVDESS, six published folds, 8 classes

Six models, each trained on 20 actors of RAVDESS alone and measured on the four others (folds of
EmoBox, Ma et al. 2024), whole clips through `predict`, one seed ({figures["seed"]}), no early
stopping. Percent; UAR is the mean over folds; chance is {figures["chance"]:.1f}; eGeMAPS
functionals with an SVM reach 48.4 on these files. `bidirectional` is a head trained beside the
causal one, for comparison: what reading each window both ways, and so all of it anew, would give.
What they were made from, the rows beginning with `whole`, has its convolutions in one piece; its
learning rate and epochs were set after trial runs that looked at fold 2. Of lean networks four were
tried on some or all of these folds (rank 16; narrower steps and distillation, singly and together),
and this one, the first and plainest, kept: its figures are to that extent not blind.

| model | UAR | by fold | accuracy | calibration error |
| --- | ---: | --- | ---: | ---: |
{rows}

Confusion of the int8 models, all folds together:

{markdown_confusion(confusion, figures["labels"])}
"""


def _held_out(m: Manifest) -> str:
    held = m.metrics["held_out"]
    parts = [
        f"""## This very file, on speakers it never heard

Trained on all four corpora but for the speakers that the recipe holds out; `{m.precision}`,
percent, {len(m.labels)} labels always allowed (in brackets: only those that the corpus has).
A first training, without 0.2.0 as a teacher and of 6 epochs in place of 14, was given up for what
it reached on nEMO here (52.3): that figure is to that extent not blind.
Temperature {m.temperature:g}; calibration error {held["calibration_error"]:.1f} (with a temperature
fitted on other speakers: {held["calibration_error_fitted"]:.1f}).

| corpus | speakers | clips | its labels | UAR | accuracy |
| --- | ---: | ---: | ---: | ---: | ---: |"""
    ]
    for corpus, v in held["corpora"].items():
        parts.append(
            f"| {corpus} | {v['speakers']} | {v['clips']} | {v['labels']} "
            f"| {v['uar']:.1f} ({v['uar_among_its_labels']:.1f}) | {v['accuracy']:.1f} |"
        )
    for corpus, v in held["corpora"].items():
        parts.append(f"\n{corpus}:\n\n{markdown_confusion(np.array(v['confusion']), m.labels)}")
    return "\n".join(parts) + "\n"
