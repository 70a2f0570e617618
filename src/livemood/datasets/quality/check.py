"""Everything that `livemood data check` looks at, as one JSON object."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from livemood.datasets.item import Item
from livemood.datasets.quality import probes
from livemood.datasets.quality.embeddings import embedding_map
from livemood.datasets.quality.facts import Facts, measure
from livemood.errors import UsageError
from livemood.model import Model

SHORT_S = 0.3
SILENT_DB = -60.0
CLIPPED_SHARE = 0.001
UNEVEN = 5.0
"""The most frequent label has so many times the items of the rarest."""


def sample(items: Sequence[Item], most: int, seed: int = 1) -> list[Item]:
    """At most so many of the items, each label in its share, in their order."""
    if len(items) <= most:
        return list(items)
    rng = np.random.default_rng(seed)
    places: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        places[item.label].append(place)
    chosen: list[int] = []
    for there in places.values():
        number = max(1, round(most * len(there) / len(items)))
        chosen += rng.choice(there, min(number, len(there)), replace=False).tolist()
    return [items[place] for place in sorted(chosen)]


def check(
    items: Sequence[Item],
    model: Model | None = None,
    done: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Look at the items. `findings` says in a line each what should be mended first.

    With `model` there is a map of what it hears in them, too. `done` is told of each item, once as
    it is measured and once as the model reads it. Raises `UsageError` if fewer than two labels have
    items enough to be probed.
    """
    facts = measure(items, done)
    numbers: dict[str, int] = defaultdict(int)
    for f in facts:
        numbers[f.item.label] += 1
    labels = sorted(label for label, n in numbers.items() if n >= probes.FEWEST)
    if len(labels) < 2:
        raise UsageError(f"two labels with {probes.FEWEST} items or more are needed to compare")
    probed = [f for f in facts if f.item.label in labels]
    found: dict[str, Any] = {
        "items": len(facts),
        "speakers": len({f.item.speaker for f in facts}),
        "seconds": sum(f.duration_s for f in facts),
        "labels": dict(numbers),
        "by": {c: probes.counts(facts, c) for c in ("speaker", "gender", "language")},
        "cramers_v": {
            c: probes.cramers_v(
                [f.item.label for f in facts],
                [f.item.speaker if c == "speaker" else f.item.columns.get(c, "") for f in facts],
            )
            for c in ("speaker", "gender", "language")
        },
        "duplicates": _duplicates(facts),
        "faults": _faults(facts),
    }
    tried = [probes.probe(w, t, probed, labels) for w, t in probes.tables(probed).items()]
    found["probes"] = [
        {"what": p.what, "uar": p.uar, "chance": p.chance, "gain": p.gain, "sigmas": p.sigmas,
         "leaks": p.leaks, "why": p.why} for p in tried
    ]  # fmt: skip
    names, table = probes.voice_table(probed)
    voice = probes.probe("voice", table, probed, labels)
    truth = np.array([labels.index(f.item.label) for f in probed])
    sizes = probes.effect_sizes(table, truth)
    confusion = np.zeros((len(labels), len(labels)), int)
    np.add.at(confusion, (np.array(voice.truth), np.array(voice.guess)), 1)
    found["voice"] = {
        "uar": voice.uar,
        "chance": voice.chance,
        "labels": labels,
        "confusion": confusion.tolist(),
        "effect_sizes": {names[n]: float(sizes[n]) for n in np.argsort(-sizes)},
        "map": _map(table),
        "truth": truth.tolist(),
    }
    found["distributions"] = {
        name: [getattr(f, name) for f in probed]
        for name in ("level_db", "noise_db", "duration_s", "lead_s", "bandwidth_hz")
    }
    if model is not None:
        found["embeddings"] = embedding_map(
            [f.item for f in probed], model, done and (lambda n: done(len(facts) + n))
        )
    found["findings"] = _findings(found)
    return found


def _map(table: probes.Table) -> list[list[float]]:
    """The two principal components of the features."""
    from sklearn.decomposition import PCA

    placed: list[list[float]] = PCA(2, random_state=1).fit_transform(table).tolist()
    return placed


def _name(facts: Facts) -> str:
    item = facts.item
    return item.path.name if item.whole else f"{item.path.name} at {item.start:g} s"


def _duplicates(facts: Sequence[Facts]) -> list[dict[str, Any]]:
    """Items whose sound is the same to the last bit of 16."""
    by_sound: dict[str, list[Facts]] = defaultdict(list)
    for f in facts:
        by_sound[f.digest].append(f)
    return [
        {
            "items": [_name(f) for f in same],
            "labels": sorted({f.item.label for f in same}),
            "speakers": sorted({f.item.speaker for f in same}),
        }
        for same in by_sound.values()
        if len(same) > 1
    ]


def _faults(facts: Sequence[Facts]) -> dict[str, list[str]]:
    return {
        "silent": [_name(f) for f in facts if f.level_db < SILENT_DB],
        "too short": [_name(f) for f in facts if f.duration_s < SHORT_S],
        "clipped": [_name(f) for f in facts if f.clipped > CLIPPED_SHARE],
    }


def _findings(found: dict[str, Any]) -> list[dict[str, str]]:
    findings: list[dict[str, str]] = []
    for p in found["probes"]:
        if p["leaks"]:
            text = (
                f"the {p['what']} alone tells the label: {p['uar']:.0%} of unseen speakers' items, "
                f"where chance is {p['chance']:.0%}"
            )
            if p["what"] == "speaker":
                text = (
                    text.replace("unseen speakers' ", "") + ": labels are not spread over speakers"
                )
            findings.append({"kind": "leak", "what": p["what"], "text": text})
    for d in found["duplicates"]:
        text = f"the same sound: {', '.join(d['items'][:4])}"
        if len(d["labels"]) > 1:
            text += f", under the labels {', '.join(d['labels'])}"
        if len(d["speakers"]) > 1:
            text += f", of the speakers {', '.join(d['speakers'])}"
        findings.append({"kind": "duplicate", "what": "sound", "text": text})
    for what, names in found["faults"].items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            text = f"{len(names)} items are {what}: {', '.join(names[:3])}{more}"
            findings.append({"kind": "fault", "what": what, "text": text})
    most, least = max(found["labels"].values()), min(found["labels"].values())
    if most >= UNEVEN * least:
        text = f"labels are uneven: from {least} to {most} items"
        findings.append({"kind": "uneven", "what": "labels", "text": text})
    if found["speakers"] < 2:
        findings.append(
            {"kind": "speakers", "what": "speakers", "text": "there is only one speaker"}
        )
    return findings
