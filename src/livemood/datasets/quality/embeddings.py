"""Where items lie among each other as a model hears them: embeddings, and a map of those."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from livemood.datasets.acoustics.functionals import sound_of
from livemood.datasets.item import Item
from livemood.datasets.quality.probes import Table
from livemood.model import Model

SEED = 1
NEIGHBOURS = 15
"""How many items around each decide where it lies: more show the whole, fewer show what is near."""
COLOURS = ("label", "speaker", "corpus")
"""What the maps are coloured by."""


def embed(items: Sequence[Item], model: Model, done: Callable[[int], None] | None = None) -> Table:
    """What `model` pools of each item, the mean over its windows, (items, statistics)."""
    rate = model.manifest.features.sample_rate
    rows = []
    for number, item in enumerate(items, start=1):
        windows = model.windows(sound_of(item, rate), rate)
        rows.append(np.mean([pooled for _, pooled in model.read_windows(windows)], axis=0))
        if done:
            done(number)
    return np.array(rows, dtype=float)


def mapped(values: Table, seed: int = SEED) -> dict[str, list[list[float]]]:
    """Places of items on a plane: by UMAP (McInnes et al. 2018), and by two principal components.

    Every statistic counts the same. The same values, seed and versions give the same places.
    """
    from sklearn.decomposition import PCA
    from umap import UMAP  # takes seconds to load

    even = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-9)
    # One thread: several add up in an order of their own.
    near = min(NEIGHBOURS, len(even) - 1)
    by_umap = UMAP(n_neighbors=near, random_state=seed, n_jobs=1).fit_transform(even)
    by_pca = PCA(2, random_state=seed).fit_transform(even)
    return {"umap": _rounded(by_umap), "pca": _rounded(by_pca)}


def embedding_map(
    items: Sequence[Item], model: Model, done: Callable[[int], None] | None = None
) -> dict[str, Any]:
    """The maps of items, with what each is coloured by, for page and JSON."""
    m = model.manifest
    names = {
        "label": [item.label for item in items],
        "speaker": [item.speaker for item in items],
        "corpus": [item.columns.get("corpus", "") for item in items],
    }
    found = mapped(embed(items, model, done))
    return (
        {"model": f"{m.name} {m.version}", "seed": SEED, "neighbours": NEIGHBOURS} | found | names
    )


def _rounded(places: Table) -> list[list[float]]:
    return [[round(float(x), 4) for x in place] for place in places]
