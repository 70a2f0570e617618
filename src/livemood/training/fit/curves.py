"""The curves of a run: loss, accuracy and validation by epoch, as a page of their own."""

import json
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from livemood.training.fit.trainer import CURVE


def training_minutes(run: Path) -> float:
    """Minutes of all epochs of a run, also of those before it was cut short."""
    lines = (run / CURVE).read_text("utf-8").splitlines()
    seconds: float = sum(json.loads(line)["seconds"] for line in lines)
    return round(seconds / 60, 1)


def write_curves(run: Path) -> None:
    """Write `curves.html` beside the run's `curve.jsonl`, if there is one."""
    path = run / CURVE
    if not path.is_file():
        return
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    epochs = [row["epoch"] for row in rows]
    plots = []
    for title, names in (
        ("Loss", ("loss",)),
        ("Right, in percent", ("accuracy", "validation_uar")),
    ):
        figure = go.Figure(layout={"title": title, "height": 380, "template": "simple_white"})
        for name in names:
            found = [row.get(name) for row in rows]
            scale = 100 if name == "accuracy" else 1
            values = [None if value is None else scale * value for value in found]
            if any(value is not None for value in values):
                figure.add_scatter(x=epochs, y=values, name=name.replace("_", " "))
        figure.update_xaxes(title="epoch")
        plots.append(figure.to_html(full_html=False, include_plotlyjs=False))
    (run / "curves.html").write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Training</title>"
        f"<script>{get_plotlyjs()}</script><body>{''.join(plots)}</body></html>\n",
        "utf-8",
    )
