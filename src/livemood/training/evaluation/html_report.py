"""An evaluation as one HTML page that holds everything it needs, plots included."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from livemood.training.evaluation.html_explanation import explanation_section

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em;
  color: #1d2733 } h1, h2 { line-height: 1.2 } h2 { margin-top: 2em }
table { border-collapse: collapse; margin: 1em 0 } th, td { padding: .25em .7em; text-align: right;
  border-bottom: 1px solid #d5dbe1 } th:first-child, td:first-child { text-align: left }
p.note { color: #55616e }
"""
COLUMNS = {
    "clips": "clips",
    "speakers": "speakers",
    "classes": "classes",
    "uar": "UAR",
    "uar_95": "95 %",
    "uar_among_its_classes": "UAR among its classes",
    "accuracy": "accuracy",
    "accuracy_95": "95 %",
    "weighted_f1": "weighted F1",
    "macro_f1": "macro F1",
    "auc": "AUC",
    "calibration_error": "calibration error",
}


def html_report(evaluation: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]] = ()) -> str:
    """The page for what `livemood evaluate` measured; see docs/guides/training.md for its JSON.

    `pictures` are the clips that `explain` shows.
    """
    model = evaluation["model"]
    title = f"{model['name']} {model['version']} ({model['precision']})"
    body = [
        f"<h1>Evaluation of {escape(title)}</h1>",
        f"<p class=note>{escape(evaluation['manifest'])}, seed {evaluation['seed']}. Percent. "
        "UAR is the mean recall over the classes that occur; intervals are 95 % of a bootstrap "
        "over speakers. How speech sounds, not what a person feels.</p>",
    ]
    for name, values in evaluation["conditions"].items():
        body += _condition(name, values, evaluation["labels"])
    if attack := evaluation.get("attack"):
        body += _attack(attack)
    if explanation := evaluation.get("explanation"):
        body += explanation_section(explanation, pictures)
    if streaming := evaluation.get("streaming"):
        body += _streaming(streaming)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script>"
        f"<body>{''.join(body)}</body></html>\n"
    )


def _condition(name: str, values: Mapping[str, Any], labels: Sequence[str]) -> list[str]:
    rows = {"all": values["overall"]}
    for group, parts in values["by"].items():
        rows |= {f"{group}: {part}": v for part, v in parts.items()}
    rows |= {f"fold {fold}": v for fold, v in values.get("folds", {}).items()}
    classes = {label: list(v.values()) for label, v in values["by_class"].items()}
    return [
        f"<h2>Condition: {escape(name)}</h2>",
        _table(["", *COLUMNS.values()], {k: [v[c] for c in COLUMNS] for k, v in rows.items()}),
        _table(["class", "precision", "recall", "F1", "examples"], classes),
        _dimensions(values.get("dimensions", {})),
        _confusion(values["confusion"], labels),
        _curves(values["roc"]),
        _reliability(values["reliability"]),
        _groups(rows),
    ]


def _dimensions(values: Mapping[str, Any]) -> str:
    if not values:
        return ""
    rows = {name: [str(v["clips"]), str(v["ccc"]), str(v["mae"])] for name, v in values.items()}
    return _table(["against ratings", "clips", "CCC", "mean absolute error"], rows)


def _attack(attack: Mapping[str, Any]) -> list[str]:
    curve, clean = attack["curve"], attack["clean"]
    snrs = [row["snr_db"] for row in curve]
    lines = {
        "attacked": [row["uar"] for row in curve],
        "random signs of the same power": [row["random"]["uar"] for row in curve],
        "clean": [clean["uar"]] * len(curve),
    }
    marks = [go.Scatter(x=snrs, y=y, name=n, mode="lines+markers") for n, y in lines.items()]
    figure = go.Figure(marks)
    figure.update_yaxes(range=[0, 100])
    table = {
        f"{row['snr_db']:g} dB": [row["accuracy"], row["uar"], row["random"]["uar"]]
        for row in curve
    }
    return [
        f"<h2>Under attack: {escape(attack['method'])} on {escape(attack['domain'])}</h2>",
        f"<p class=note>{attack['clips']} clips, {attack['steps']} steps. The perturbation is "
        "found by the gradient of the network in float32 and lies so many dB below the clip. "
        "Whoever makes one must know the network.</p>",
        _table(["below the clip", "accuracy", "UAR", "UAR with random signs"], table),
        _plot(figure, "UAR against the perturbation", "dB below the clip", "UAR %"),
    ]


def _streaming(streaming: Mapping[str, Any]) -> list[str]:
    rows = streaming["test"]
    columns = list(dict.fromkeys(c for row in rows.values() for c in row))
    table = {name: [row.get(c) for c in columns] for name, row in rows.items()}
    settings = "".join(
        f"<p class=note>Chosen: {escape(str(chosen))}</p>" for chosen in streaming["chosen"]
    )
    return [
        "<h2>Conversations through the live path</h2>",
        f"<p class=note>{escape(streaming['what'])}</p>",
        _table(["smoothing", *(c.replace("_", " ") for c in columns)], table),
        settings,
    ]


def _table(head: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> str:
    cells = "".join(f"<th>{escape(c)}</th>" for c in head)
    lines = [
        f"<tr><td>{escape(name)}</td>" + "".join(f"<td>{_cell(v)}</td>" for v in row) + "</tr>"
        for name, row in rows.items()
    ]
    return f"<table><tr>{cells}</tr>{''.join(lines)}</table>"


def _cell(value: Any) -> str:  # noqa: ANN401 - a number, a pair of them, or nothing
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return " to ".join(f"{x:.1f}" for x in value)
    return f"{value:.1f}" if isinstance(value, float) else escape(str(value))


def _confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    table = np.array(counts)
    shares = 100 * table / np.maximum(1, table.sum(axis=1, keepdims=True))
    figure = go.Figure(
        go.Heatmap(
            z=shares.round(1)[::-1].tolist(),
            x=list(labels),
            y=list(labels)[::-1],
            text=table[::-1].tolist(),
            texttemplate="%{text}",
            hovertemplate="%{y} read as %{x}: %{text} (%{z} %)<extra></extra>",
            colorscale="Blues",
            zmin=0,
            zmax=100,
        )
    )
    return _plot(
        figure, "Confusion: rows are true; counts, coloured by share of the row", "read as", ""
    )


def _curves(roc: Mapping[str, Any]) -> str:
    figure = go.Figure(
        [
            go.Scatter(x=c["false_positive"], y=c["true_positive"], name=f"{label} {c['auc']:.1f}")
            for label, c in roc.items()
        ]
    )
    return _plot(
        figure, "ROC, each class against the rest; AUC", "false positives", "true positives"
    )


def _reliability(bins: Sequence[Mapping[str, float]]) -> str:
    figure = go.Figure(
        [
            go.Scatter(x=[0, 100], y=[0, 100], name="as sure as right", line={"dash": "dot"}),
            go.Scatter(
                x=[b["confidence"] for b in bins],
                y=[b["accuracy"] for b in bins],
                text=[f"{b['clips']} clips" for b in bins],
                mode="lines+markers",
                name="measured",
            ),
        ]
    )
    return _plot(figure, "How sure, and how often right", "confidence %", "right %")


def _groups(rows: Mapping[str, Mapping[str, Any]]) -> str:
    known = {name: v for name, v in rows.items() if v["uar_95"]}
    figure = go.Figure(
        go.Scatter(
            x=[v["uar"] for v in known.values()],
            y=list(known),
            mode="markers",
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [v["uar_95"][1] - v["uar"] for v in known.values()],
                "arrayminus": [v["uar"] - v["uar_95"][0] for v in known.values()],
            },
        )
    )
    return _plot(figure, "UAR by group, 95 % over speakers", "UAR %", "")


def _plot(figure: go.Figure, title: str, x: str, y: str) -> str:
    figure.update_layout(
        title=title,
        xaxis_title=x,
        yaxis_title=y,
        height=440,
        margin={"t": 50},
        template="simple_white",
    )
    out: str = figure.to_html(full_html=False, include_plotlyjs=False)
    return out
