"""The figures of a run, in a few lines."""

from collections.abc import Mapping
from typing import Any


def summary(figures: Mapping[str, Any]) -> str:
    """The figures of a run as a person wants to see them first."""
    lines = []
    for name, values in figures.get("models", {}).items():
        if "uar_by_fold" in values:
            lines.append(
                f"{name:14} UAR {values['uar']:.2f} ± {values['uar_deviation']:.2f} % over folds: "
                + ", ".join(f"{x:.1f}" for x in values["uar_by_fold"])
            )
        else:
            corpora = (f"{c} {v['uar']:.1f}" for c, v in values["corpora"].items())
            lines.append(f"{name:14} UAR {', '.join(corpora)} %")
    if choice := figures.get("choice"):
        lines.append(f"chosen: {choice['chosen']}, {choice['milliseconds']} ms a window")
    return "\n".join(lines)
