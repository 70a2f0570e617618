"""The part of an evaluation's page that shows which bands labels hang on."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots


def explanation_section(
    explanation: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Deletion curves, bands of each label, and clips with their attributions, as HTML."""
    return [
        f"<h2>Which bands labels hang on: {escape(', '.join(explanation['methods']))}</h2>",
        f"<p class=note>{explanation['clips']} clips. An attribution says how much a place of the "
        "spectrogram adds to the label that was given, against the same clip with each band at its "
        "mean. It says what the network hangs on, not what makes speech sound so.</p>",
        _plot(_deletion(explanation["deletion"]), "Accuracy with bands removed", 380),
        *(
            _plot(
                _labels(explanation["bands_hz"], own),
                f"Attribution by band, mean of clips by label: {name}",
                440,
            )
            for name, own in explanation["by_label"].items()
        ),
        *(_clip(picture, explanation["bands_hz"]) for picture in pictures),
    ]


def _deletion(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    shares = [100 * row["share"] for row in rows]
    names = [name for name in rows[0] if name != "share"]
    figure = go.Figure(
        [
            go.Scatter(
                x=shares,
                y=[r[k]["accuracy"] for r in rows],
                name="in random order" if k == "random" else f"ranked by {k}",
                mode="lines+markers",
            )
            for k in names
        ]
    )
    figure.update_xaxes(title="bands removed %")
    figure.update_yaxes(title="accuracy %", range=[0, 100])
    return figure


def _labels(hz: Sequence[float], by_label: Mapping[str, Sequence[float]]) -> go.Figure:
    figure = go.Figure([go.Scatter(x=hz, y=values, name=n) for n, values in by_label.items()])
    figure.update_xaxes(title="Hz", type="log")
    return figure


def _clip(picture: Mapping[str, Any], hz: Sequence[float]) -> str:
    """A clip's spectrogram above its attributions: red speaks for the label, blue against it."""
    found: Mapping[str, Any] = picture["attribution"]
    rows = 1 + len(found)
    titles = ("", *(found if len(found) > 1 else ("",)))
    figure = make_subplots(
        rows=rows, shared_xaxes=True, vertical_spacing=0.12 / rows, subplot_titles=titles
    )
    figure.add_heatmap(z=picture["features"], y=hz, colorscale="Greys", showscale=False)
    for row, values in enumerate(found.values(), start=2):
        figure.add_heatmap(
            z=values, y=hz, colorscale="RdBu_r", zmid=0, showscale=False, row=row, col=1
        )
    figure.update_yaxes(title="Hz")
    figure.update_xaxes(title="frames of 20 ms", row=rows, col=1)
    return _plot(figure, f"{picture['clip']}, read as {picture['label']}", 210 * rows)


def _plot(figure: go.Figure, title: str, height: int) -> str:
    figure.update_layout(title=title, height=height, margin={"t": 50}, template="simple_white")
    out: str = figure.to_html(full_html=False, include_plotlyjs=False)
    return out
