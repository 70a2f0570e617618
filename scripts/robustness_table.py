"""Robustness before and after adversarial training, from what `livemood evaluate --attack` wrote.

`python scripts/robustness_table.py NAME=FOLDER ... --out benchmarks/results/adversarial.json` reads
the `evaluation.json` in each folder, checks that all were measured on the same clips, and writes
one file. docs/guides/training.md has the commands before this one.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def row(folder: Path) -> dict:
    """What is kept of one evaluation."""
    found = json.loads((folder / "evaluation.json").read_text("utf-8"))
    attack, overall = found["attack"], found["conditions"]["clean"]["overall"]
    return {
        "model": found["model"],
        "speakers": found["speakers"],
        "clips": attack["clips"],
        "method": attack["method"],
        "domain": attack["domain"],
        "clean": {**attack["clean"], "uar_95": overall["uar_95"]},
        "curve": attack["curve"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", help="NAME=FOLDER of an evaluation")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = {name: row(Path(folder)) for name, _, folder in (r.partition("=") for r in given.runs)}
    same = {str([r[k] for k in ("speakers", "clips", "method", "domain")]) for r in rows.values()}
    if len(same) > 1:
        raise SystemExit("these were measured on different clips, or by different attacks")
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from common import surroundings

    written = {"rows": rows, **surroundings()}
    given.out.write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    for name, r in rows.items():
        cells = [r["clean"]["uar"], *(point["uar"] for point in r["curve"])]
        print(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")


if __name__ == "__main__":
    main()
