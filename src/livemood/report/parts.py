"""Small parts that sections are made of."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from livemood.report.chart import filling
from livemood.report.markup import Child, Element, el
from livemood.report.words import Words, percent
from livemood.timeline.look import look

LONG: Final = 32
"""A fact with more letters than this gets a line of its own."""
WHOLE: Final = 12
"""A table with no more rows than this is printed on one page."""


def chip(label: str) -> Element:
    """A small square in the look of a label, with its letter."""
    looks = look(label)
    return el(
        "svg",
        el("rect", width=24, height=24, fill=filling(label)),
        el("circle", cx=12, cy=12, r=8.5, fill=looks["colour"]),
        el(
            "text",
            looks["letter"],
            x=12,
            y=17,
            text_anchor="middle",
            font_size=14,
            font_weight=700,
            font_family="system-ui, sans-serif",
        ),
        viewBox="0 0 24 24",
        class_="chip",
        aria_hidden="true",
    )


def label_of(label: str, words: Words) -> Element:
    """A label's look and its name."""
    return el("span", chip(label), f" {words.label(label)}")


def facts(shown: Mapping[str, str]) -> Element:
    """Names and values. A long value has a line of its own."""
    pairs = (
        el("div", el("dt", name), el("dd", value), class_="long" if len(value) > LONG else "short")
        for name, value in shown.items()
    )
    return el("dl", *pairs, class_="facts")


def table(
    heads: Sequence[str], lines: Sequence[Sequence[Child]], numbers: Collection[int] = ()
) -> Element:
    """A table; the columns `numbers` are set to the right."""
    kinds = ["number" if n in numbers else "text" for n in range(len(heads))]
    head = (el("th", name, scope="col", class_=k) for name, k in zip(heads, kinds, strict=True))
    rows = (
        el("tr", *(el("td", cell, class_=k) for cell, k in zip(line, kinds, strict=True)))
        for line in lines
    )
    kind = "whole" if len(lines) <= WHOLE else ""
    return el("table", el("thead", el("tr", *head)), el("tbody", *rows), class_=kind)


def lead(text: str) -> Element:
    """What a section begins with. It is printed on the page of what follows."""
    return el("p", text, class_="lead")


def scrolled(wide: Element, name: str) -> Element:
    """A part that may be wider than a phone. It scrolls by itself."""
    return el("div", wide, class_="scroll", role="region", tabindex=0, aria_label=name)


def comparison(heads: Sequence[str], lines: Mapping[str, Sequence[str]]) -> Element:
    """A table whose rows are named, with a column for each of `heads`."""
    head = (el("th", name, scope="col", class_="number name") for name in heads)
    rows = (
        el("tr", el("th", name, scope="row"), *(el("td", x, class_="number") for x in values))
        for name, values in lines.items()
    )
    made = el("thead", el("tr", el("td"), *head))
    return el("table", made, el("tbody", *rows), class_="whole")


def shares(of_labels: Mapping[str, float], words: Words) -> Element:
    """Labels with their shares as numbers and bars."""
    rows = (
        el(
            "tr",
            el("td", label_of(label, words)),
            el("td", percent(share), class_="number"),
            el("td", _bar(label, share), class_="wide"),
        )
        for label, share in of_labels.items()
    )
    head = el(
        "tr",
        el("th", words("label"), scope="col"),
        el("th", words("report_shares"), scope="col", class_="number", colspan=2),
    )
    return el("table", el("thead", head), el("tbody", *rows))


def _bar(label: str, share: float) -> Element:
    width = max(1.0, round(100 * share, 1))
    return el(
        "svg",
        el("rect", width=f"{width:g}%", height=12, fill=filling(label), stroke="#55606b"),
        class_="bar",
        aria_hidden="true",
    )
