"""The card of a model that `livemood train` made: all of it from its recipe and measurements."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from livemood.model.manifest import Manifest, read_manifest
from livemood.training.evaluation.metrics import markdown_confusion
from livemood.training.recipe.schema import ModelInfo

NOT_FOR = """## What it is not for

It estimates how speech *sounds*, not what a person feels, thinks or intends. It must not be used
to decide about people: not for hiring, performance, grading, admission, credit, policing,
insurance or diagnosis. In the European Union, inferring emotions of people at work or in education
is prohibited but for medical or safety reasons (AI Act, article 5(1)(f)), and people exposed to
such a system must be told (article 50(3)). It is not a medical device.
"""
AMONG = "uar_among_its_classes"
COLUMNS = ("clips", "speakers", "classes", "uar", "uar_95", AMONG, "accuracy", "macro_f1")


def write_model_card(folder: Path, info: ModelInfo, evaluation: Mapping[str, Any] | None) -> None:
    """Write `card.md` beside the model in `folder`.

    `evaluation` is what `figures` gave for clips of held-out speakers.
    """
    manifest = read_manifest(folder)
    parts = [_head(manifest, info)]
    parts.append(_measured(manifest, evaluation) if evaluation else _unmeasured())
    if info.limits:
        parts.append(f"## Limits\n\n{info.limits.strip()}\n")
    (folder / "card.md").write_text("\n".join([*parts, NOT_FOR]), "utf-8")


def _head(m: Manifest, info: ModelInfo) -> str:
    corpora = "\n".join(f"- {t.corpus} ({t.reference}), {t.licence}" for t in m.trained_on)
    origin = f"It begins with the weights of {info.pretrained}. " if info.pretrained else ""
    teachers = ", ".join(info.taught_by)
    taught = f"It also learnt from the soft labels of {teachers}. " if teachers else ""
    held = ", ".join(info.held_out)
    out = f"Held out: {held}." if held else "No speaker was held out."
    what = f"""A DC-RNN of {m.parameters:,} parameters, {m.precision}, for windows of
{m.window.shortest_s:g} to {m.window.longest_s:g} s of 16 kHz sound.
Labels: {", ".join(m.labels)}."""
    made = f"""Seed {info.seed}; the recipe is in `recipe.json` of its run, the versions in
`versions.json`. {m.metrics.get("training_minutes", 0):g} minutes of training. ONNX differs from
torch by {m.metrics["onnx_parity"]:.1g} at most."""
    return f"""# Model card: {m.name} {m.version}

{_filled(what)}

{_filled(origin + taught + "Trained on")}

{corpora}

{_filled(out)}

{_filled(made)}

**Licence of the weights: {m.licence}.**
"""


def _filled(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), 100, break_on_hyphens=False)


def _measured(m: Manifest, evaluation: Mapping[str, Any]) -> str:
    rows = {"all": evaluation["overall"]}
    for group, parts in evaluation["by"].items():
        rows |= {f"{group}: {name}": values for name, values in parts.items()}
    lines = [
        f"| {name} | " + " | ".join(_cell(values[column]) for column in COLUMNS) + " |"
        for name, values in rows.items()
    ]
    table = "\n".join(lines)
    confusions = {"All clips": evaluation["confusion"]}
    corpora = evaluation["by"].get("corpus", {})
    if len(corpora) > 1:
        confusions |= {name: values["confusion"] for name, values in corpora.items()}
    matrices = "\n\n".join(
        f"{name}:\n\n{markdown_confusion(np.array(matrix), m.labels)}"
        for name, matrix in confusions.items()
    )
    overall = evaluation["overall"]
    columns = " | ".join("among" if c == AMONG else c for c in COLUMNS)
    return f"""## On speakers it never heard

Whole clips through `predict`, percent; intervals are 95 % of a bootstrap over speakers; `among` is
UAR where only labels that occur in those clips are compared. Temperature {m.temperature:g},
calibration error {overall["calibration_error"]:.1f}.

| | {columns} |
| --- |{" ---: |" * len(COLUMNS)}
{table}

{matrices}
"""


def _unmeasured() -> str:
    return "## Not measured\n\nNo speaker was held out: how good it is, nobody knows.\n"


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(f"{x:.1f}" for x in value)
    return f"{value:.1f}" if isinstance(value, float) else "–" if value is None else str(value)
