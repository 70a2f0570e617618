"""Figures of training runs by fold, gathered: JSON with all of it, and a table for people.

Run as `python scripts/transfer_table.py RUNS/ravdess-1 RUNS/ravdess-2 --out FILE.json`.
"""

import argparse
import json
from pathlib import Path
from typing import Any


def gathered(run: Path) -> dict[str, Any]:
    """What the folds of one run gave; minutes are those of all its epochs, loading apart."""
    figures = json.loads((run / "figures.json").read_text("utf-8"))
    folds = sorted(run.glob("fold*"))
    recipe = json.loads((folds[0] / "recipe.json").read_text("utf-8"))
    curves = [
        [json.loads(line) for line in (fold / "curve.jsonl").read_text("utf-8").splitlines()]
        for fold in folds
    ]
    models = {
        name: {k: v for k, v in values.items() if not isinstance(v, dict)}
        for name, values in figures["models"].items()
    }
    return {
        "run": run.name,
        "seed": figures["seed"],
        "folds": figures["folds"],
        "labels": figures["labels"],
        "epochs": recipe["fit"]["epochs"],
        "minutes": round(sum(row["seconds"] for curve in curves for row in curve) / 60, 1),
        "recipe": {part: recipe[part] for part in ("network", "augment", "distill", "fit")},
        "versions": json.loads((folds[0] / "versions.json").read_text("utf-8")),
        "models": models,
    }


def main() -> None:
    """Read the runs, write the JSON, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    for run in given.runs:
        if not ((run / "figures.json").is_file() and list(run.glob("fold*"))):
            parser.error(f"{run} holds no finished run by fold: livemood train --folds makes one")
    rows = [gathered(run) for run in given.runs]
    given.out.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    print("| run | float32 | int8 | by fold (int8) | bidirectional | minutes |")
    print("| --- | ---: | ---: | --- | ---: | ---: |")
    for row in rows:
        models = row["models"]
        # Of a source that was tuned there is no int8.
        folds = ", ".join(f"{x:.1f}" for x in models.get("int8", models["float32"])["uar_by_fold"])
        kinds = ("float32", "int8", "bidirectional")
        float32, int8, both = (f"{models[k]['uar']:.1f}" if k in models else "" for k in kinds)
        print(f"| {row['run']} | {float32} | {int8} | {folds} | {both} | {row['minutes']:.0f} |")


if __name__ == "__main__":
    main()
