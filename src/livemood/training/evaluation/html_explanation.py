"""The part of an evaluation's page that shows which bands labels hang on."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots


def explanation_section(
    explanation: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Deletion curve, bands of each label, and clips with their attributions, as HTML."""
    return [
        f"<h2>Which bands labels hang on: {escape(explanation['method'])}</h2>",
        f"<p class=note>{explanation['clips']} clips. An attribution says how much a place of the "
        "spectrogram adds to the label that was given, against the same clip with each band at its "
        "mean. It says what the network hangs on, not what makes speech sound so.</p>",
        _plot(_deletion(explanation["deletion"]), "Accuracy with bands removed", 380),
        _plot(_labels(explanation), "Attribution by band, mean of clips by label", 440),
        *(_plot(*_clip(picture, explanation["bands_hz"]), 420) for picture in pictures),
    ]


def _deletion(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    shares = [100 * row["share"] for row in rows]
    names = {"ranked": "first those that speak most for the label", "random": "in random order"}
    figure = go.Figure(
        [
            go.Scatter(x=shares, y=[r[k]["accuracy"] for r in rows], name=n, mode="lines+markers")
            for k, n in names.items()
        ]
    )
    figure.update_xaxes(title="bands removed %")
    figure.update_yaxes(title="accuracy %", range=[0, 100])
    return figure


def _labels(explanation: Mapping[str, Any]) -> go.Figure:
    hz = explanation["bands_hz"]
    figure = go.Figure(
        [go.Scatter(x=hz, y=values, name=n) for n, values in explanation["by_label"].items()]
    )
    figure.update_xaxes(title="Hz", type="log")
    return figure


def _clip(picture: Mapping[str, Any], hz: Sequence[float]) -> tuple[go.Figure, str]:
    """A clip's spectrogram above its attribution: red speaks for the label, blue against it."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.06)
    figure.add_heatmap(z=picture["features"], y=hz, colorscale="Greys", showscale=False)
    figure.add_heatmap(
        z=picture["attribution"],
        y=hz,
        colorscale="RdBu_r",
        zmid=0,
        showscale=False,
        row=2,
        col=1,
    )
    figure.update_yaxes(title="Hz")
    figure.update_xaxes(title="frames of 20 ms", row=2, col=1)
    return figure, f"{picture['clip']}, read as {picture['label']}"


def _plot(figure: go.Figure, title: str, height: int) -> str:
    figure.update_layout(title=title, height=height, margin={"t": 50}, template="simple_white")
    out: str = figure.to_html(full_html=False, include_plotlyjs=False)
    return out
