"""Whether selecting features helps: `livemood data select` on RAVDESS, by its six published folds.

Every `--every`-th clip; calm counts as neutral. Nothing is tuned here: the number that is kept (a
quarter) and the classifier were set before.
"""

import csv
import os
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import numpy as np

from livemood.datasets.item import Item
from livemood.datasets.selection.candidates import bands, functionals
from livemood.datasets.selection.select import METHODS, Split, number_kept, select
from livemood.training.data.corpora import RAVDESS_FOLDS, ravdess_speakers


def items(every: int) -> list[Item]:
    """Clips of RAVDESS. Ends the program with 2 where there are none."""
    common.clips(1, 1)
    folder = Path(os.environ.get("LIVEMOOD_CORPORA", common.REPO.parent / "shared" / "corpora"))
    table = folder / "ravdess" / "metadata.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[::every]
    return [
        Item(table.parent / r["path"], r["speaker"], r["emotion"].replace("calm", "neutral"))
        for r in rows
    ]


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--every", type=int, default=4, help="take every so many clips")
    options = parser.parse_args()
    around = common.surroundings()
    every = options.every * (6 if options.quick else 1)
    clips = items(every)
    labels, speakers = [clip.label for clip in clips], [clip.speaker for clip in clips]
    splits = [
        Split(str(n), np.isin(speakers, ravdess_speakers(n)))
        for n in range(1, len(RAVDESS_FOLDS) + 1)
    ][: 2 if options.quick else None]
    result: dict = {"every": every, "of": {}}
    for kind, measure in (("functionals", functionals), ("bands", bands)):
        raw = measure(clips)
        keep = number_kept(None, len(raw.names), kind)
        found = select(raw, labels, speakers, splits, METHODS, keep, options.seed)
        result["of"][kind] = found
        rows = {method: row["uar"] for method, row in found["methods"].items()}
        print(kind, found["all"]["uar"], found["random"]["uar"], rows, flush=True)
    common.report("selection", result | around, quick=options.quick)


if __name__ == "__main__":
    main()
