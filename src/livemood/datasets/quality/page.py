"""What `livemood data check` found, as one HTML page that holds everything it needs."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from livemood.datasets.quality.embeddings import COLOURS

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em;
  color: #1d2733 } h1, h2 { line-height: 1.2 } h2 { margin-top: 2em }
table { border-collapse: collapse; margin: 1em 0 } th, td { padding: .25em .7em; text-align: right;
  border-bottom: 1px solid #d5dbe1 } th:first-child, td:first-child { text-align: left }
p.note { color: #55616e } li.found { font-weight: 600 }
"""
MOST_ROWS = 60
MOST_NAMES = 30
"""More are shown on a map without a legend."""
TITLES = {
    "level_db": "Level, dBFS",
    "noise_db": "Noise floor, dBFS",
    "duration_s": "Duration, s",
    "lead_s": "Silence before speech, s",
    "bandwidth_hz": "Bandwidth, Hz",
}


def quality_page(found: Mapping[str, Any], name: str) -> str:
    """The page of one dataset; `found` is what `check` gave."""
    labels = list(found["labels"])
    lines = "".join(f"<li class=found>{escape(f['text'])}</li>" for f in found["findings"])
    probes = {
        p["what"]: [
            f"{p['uar']:.1%}", f"{p['chance']:.1%}", f"{p['sigmas']:.1f}",
            "tells the label" if p["leaks"] else p["why"] or "says little",
        ] for p in found["probes"]
    }  # fmt: skip
    body = [
        f"<h1>Quality of {escape(name)}</h1>",
        f"<p class=note>{found['items']} items of {found['speakers']} speakers, "
        f"{found['seconds'] / 60:.1f} minutes.</p>",
        "<h2>What to look at</h2>",
        f"<ul>{lines}</ul>" if lines else "<p>Nothing was found.</p>",
        "<h2>Leaks</h2><p>A classifier was given one kind of fact and nothing of the voice, and "
        "tested on speakers that it had not seen. UAR is the mean recall over labels.</p>",
        _table(["probe", "UAR", "chance", "standard errors above", "so it"], probes),
        "<h2>Labels</h2>",
        _table(["label", "items"], {label: [n] for label, n in found["labels"].items()}),
    ]
    for column, rows in found["by"].items():
        shown = dict(sorted(rows.items())[:MOST_ROWS])
        table = {k: [v.get(label, 0) for label in labels] for k, v in shown.items()}
        v = found["cramers_v"][column]
        body += [f"<h2>Labels by {column}</h2><p>Cramér's V {v:.2f}.</p>"]
        body += [_table([column, *labels], table)]
        if len(rows) > MOST_ROWS:
            body.append(f"<p class=note>and {len(rows) - MOST_ROWS} more</p>")
    voice = found["voice"]
    names = [voice["labels"][k] for k in voice["truth"]]
    body.append("<h2>Distributions</h2>")
    body += [_boxes(TITLES[k], values, names) for k, values in found["distributions"].items()]
    body += [
        "<h2>The voice</h2>",
        f"<p>Forests on {len(voice['effect_sizes'])} features of the voice without its level reach "
        f"{voice['uar']:.1%} UAR on unseen speakers, where chance is {voice['chance']:.1%}.</p>",
        _confusion(voice["confusion"], voice["labels"]),
        _sizes(voice["effect_sizes"]),
        _map(voice["map"], names, "Features of the voice, two principal components"),
        *_embeddings(found.get("embeddings")),
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(name)}</title>"
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script>"
        f"<body>{''.join(body)}</body></html>\n"
    )


def _table(header: Sequence[str], rows: Mapping[str, Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    lines = [
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{escape(str(c))}</td>' for c in cells)}</tr>"
        for name, cells in rows.items()
    ]
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _plot(figure: Any, title: str, height: int = 380) -> str:  # noqa: ANN401 - of plotly
    figure.update_layout(title=title, height=height, margin={"t": 50, "b": 40})
    return str(figure.to_html(full_html=False, include_plotlyjs=False))


def _boxes(title: str, values: Sequence[float], names: Sequence[str]) -> str:
    boxes = [
        go.Box(y=[v for v, n in zip(values, names, strict=True) if n == label], name=label)
        for label in sorted(set(names))
    ]
    figure = go.Figure(boxes)
    figure.update_layout(showlegend=False)
    return _plot(figure, title, 300)


def _confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    figure = go.Figure(
        go.Heatmap(
            z=matrix, x=labels, y=labels, text=matrix, texttemplate="%{text}", showscale=False
        )
    )
    figure.update_yaxes(autorange="reversed", title="label")
    figure.update_xaxes(title="what the forest says")
    return _plot(figure, "Confusion")


def _sizes(sizes: Mapping[str, float]) -> str:
    first = list(sizes.items())[:15]
    figure = go.Figure(go.Bar(x=[v for _, v in first], y=[k for k, _ in first], orientation="h"))
    figure.update_yaxes(autorange="reversed")
    return _plot(figure, "Share of variance that lies between labels (eta squared)", 440)


def _embeddings(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    lines = [
        "<h2>What the model hears</h2>",
        f"<p>Statistics that the model {escape(found['model'])} pools of each item, on a plane. "
        "UMAP keeps neighbours together; what is far apart on it says little, nor do axes. Where "
        "items lie by speaker or corpus and not by label, that is what a classifier hears "
        "first.</p>",
    ]
    for colour in COLOURS:
        if len(set(found[colour])) > 1:
            names = [name or "(none)" for name in found[colour]]
            lines.append(_map(found["umap"], names, f"UMAP by {colour}"))
    return [*lines, _map(found["pca"], found["label"], "Two principal components by label")]


def _map(points: Sequence[Sequence[float]], names: Sequence[str], title: str) -> str:
    figure = go.Figure()
    for label in sorted(set(names)):
        own = [p for p, n in zip(points, names, strict=True) if n == label]
        x, y = [p[0] for p in own], [p[1] for p in own]
        figure.add_scattergl(x=x, y=y, mode="markers", name=label, marker={"size": 5})
    figure.update_layout(showlegend=len(set(names)) <= MOST_NAMES)
    return _plot(figure, title, 480)
