"""The timeline of a channel as SVG: rows of equal length, each as wide as the page."""

from collections.abc import Iterator, Sequence
from typing import Final

from livemood.report.markup import Element, el
from livemood.report.words import Words, clock
from livemood.timeline.events import AnyEvent, Emotion, Gap, Marker, Segment, SpeechEnded
from livemood.timeline.look import look

WIDTH: Final = 720.0
COLUMNS: Final = 360
"""Columns of a row, into which its readings are averaged. Paper shows no more."""
STEPS_MS: Final = tuple(1000 * s for s in (10, 15, 30, 60, 120, 300, 600, 1200, 2400))
ROWS_MS: Final = tuple(60_000 * n for n in (1, 2, 5, 10, 15, 30, 60, 120, 240))
MOST_ROWS: Final = 5

RIBBON, SPEECH, STACK, AFFECT = (11.0, 15.0), (29.0, 4.0), (36.0, 52.0), (91.0, 30.0)
"""Top and height of each band of a row."""
HEIGHT: Final = 137.0
NOTE_PX: Final = 4.6
"""Width of a letter of a note, on average."""

TEXTURES: Final = {
    "rising": "M-2 2 2 -2M-2 10 10 -2M6 10 10 6",
    "falling": "M-2 6 2 10M-2 -2 10 10M6 -2 10 2",
    "upright": "M2 0V8M6 0V8",
    "level": "M0 2H8M0 6H8",
    "cross": "M0 4H8M4 0V8",
    "dots": "M1 2H3M5 6H7",
    "sparse": "M3 4H4",
}


def textures(labels: Sequence[str]) -> Element:
    """The fillings of all labels, to be on the page once."""
    return el(
        "svg",
        el("defs", *(_texture(label) for label in labels)),
        class_="unseen",
        aria_hidden="true",
        width=0,
        height=0,
    )


def _texture(label: str) -> Element:
    looks = look(label)
    lines = TEXTURES.get(looks["pattern"], "")
    return el(
        "pattern",
        el("rect", width=8, height=8, fill=looks["colour"]),
        el("path", d=lines, stroke="#000", stroke_opacity=0.38) if lines else None,
        id=f"fill-{_safe(label)}",
        width=8,
        height=8,
        patternUnits="userSpaceOnUse",
    )


def filling(label: str) -> str:
    """What to fill the area of a label with."""
    return f"url(#fill-{_safe(label)})"


def _safe(label: str) -> str:
    return "".join(c if c.isalnum() else f"-{ord(c):x}" for c in label)


def rows(duration_ms: int) -> list[tuple[int, int]]:
    """Begin and end of each row of a session of this length."""
    length = next((ms for ms in ROWS_MS if duration_ms <= MOST_ROWS * ms), 480 * 60_000)
    return [(start, start + length) for start in range(0, max(1, duration_ms), length)]


def draw_row(
    events: Sequence[AnyEvent],
    markers: Sequence[Marker],
    labels: Sequence[str],
    span: tuple[int, int],
    words: Words,
) -> Element:
    """One row: the events of one channel, and all markers, within `span`."""
    start, end = span
    within = [e for e in events if e.end_ms > start and e.start_ms < end]
    readings = [e for e in within if isinstance(e, Emotion) and start < e.end_ms <= end]
    return el(
        "svg",
        *_grid(start, end),
        *_stack(readings, labels, span),
        *_affect(readings, span),
        *(_speech(e, span) for e in within if isinstance(e, SpeechEnded)),
        *(_segment(e, span, words) for e in within if isinstance(e, Segment)),
        *(_gap(e, span, words) for e in within if isinstance(e, Gap)),
        *_markers([e for e in markers if start <= e.start_ms < end], span),
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        class_="row",
        role="img",
        aria_label=f"{clock(start)} – {clock(end)}",
    )


def _x(ms: float, span: tuple[int, int]) -> float:
    return round(WIDTH * (min(max(ms, span[0]), span[1]) - span[0]) / (span[1] - span[0]), 1)


def _grid(start: int, end: int) -> Iterator[Element]:
    step = next(ms for ms in STEPS_MS if (end - start) / ms <= 12)
    bottom = AFFECT[0] + AFFECT[1]
    for ms in range(start, end + 1, step):
        x = _x(ms, (start, end))
        yield el("path", d=f"M{x:g} {SPEECH[0]:g}V{bottom:g}", class_="grid")
        anchor = {start: "start", end: "end"}.get(ms, "middle")
        yield el("text", clock(ms), x=x, y=HEIGHT - 4, text_anchor=anchor)
    middle = AFFECT[0] + AFFECT[1] / 2
    yield el("path", d=f"M0 {middle:g}H{WIDTH:g}", class_="grid")


def _columns(readings: Sequence[Emotion], span: tuple[int, int]) -> Iterator[list[list[float]]]:
    """Runs of columns `[x, valence, arousal, probabilities…]`, each a mean of readings."""
    width = (span[1] - span[0]) / COLUMNS
    run: list[list[float]] = []
    last = -2
    for column, group in _grouped(readings, span[0], width):
        values = [[e.valence, e.arousal, *e.probabilities.values()] for e in group]
        means = [sum(v) / len(values) for v in zip(*values, strict=True)]
        # Readings of one stretch of speech are a hop apart, eight at the most.
        if run and (column - last) * width > max(2200, 1.5 * width):
            yield run
            run = []
        x = (column + 0.5) * WIDTH / COLUMNS
        if not run:
            # The first window of a stretch of speech begins with it.
            first = max(group[0].start_ms, group[0].end_ms - 1500)
            run.append([_x(first, span), *means])
        run.append([round(x, 1), *means])
        last = column
    if run:
        yield run


def _grouped(
    readings: Sequence[Emotion], start: int, width: float
) -> Iterator[tuple[int, list[Emotion]]]:
    group: list[Emotion] = []
    at = -1
    for reading in readings:
        column = min(COLUMNS - 1, int((reading.end_ms - start) / width))
        if group and column != at:
            yield at, group
            group = []
        at = column
        group.append(reading)
    if group:
        yield at, group


def _stack(
    readings: Sequence[Emotion], labels: Sequence[str], span: tuple[int, int]
) -> Iterator[Element]:
    top, height = STACK
    for run in _columns(readings, span):
        above = [0.0] * len(run)
        for n, label in enumerate(labels):
            below = [min(1.0, a + column[3 + n]) for a, column in zip(above, run, strict=True)]
            if n == len(labels) - 1:
                below = [1.0] * len(run)
            edge = [(column[0], top + height * a) for column, a in zip(run, above, strict=True)]
            back = [(column[0], top + height * b) for column, b in zip(run, below, strict=True)]
            points = " ".join(f"{x:g},{y:.1f}" for x, y in edge + back[::-1])
            yield el("polygon", points=points, fill=filling(label), class_="area")
            above = below


def _affect(readings: Sequence[Emotion], span: tuple[int, int]) -> Iterator[Element]:
    top, height = AFFECT
    for run in _columns(readings, span):
        for n, name in ((1, "valence"), (2, "arousal")):
            points = " ".join(f"{c[0]:g},{top + height * (1 - c[n]) / 2:.1f}" for c in run)
            yield el("polyline", points=points, class_=name)


def _box(event: AnyEvent, band: tuple[float, float], span: tuple[int, int]) -> dict[str, float]:
    x, right = _x(event.start_ms, span), _x(event.end_ms, span)
    return {"x": x, "y": band[0], "width": round(max(0.6, right - x), 1), "height": band[1]}


def _speech(event: AnyEvent, span: tuple[int, int]) -> Element:
    return el("rect", class_="speech", **_box(event, SPEECH, span))


def _segment(segment: Segment, span: tuple[int, int], words: Words) -> Element:
    box = _box(segment, RIBBON, span)
    name = words.label(segment.label)
    shown = [name, look(segment.label)["letter"]]
    room = 8.0 if words.language == "zh" else 5.2
    text = next((t for t in shown if room * len(t) + 5 < box["width"]), None)
    children: list[Element] = [el("rect", fill=filling(segment.label), class_="segment", **box)]
    if text:
        middle, half = box["x"] + box["width"] / 2, (room * len(text) + 4) / 2
        plate = {"x": round(middle - half, 1), "y": RIBBON[0] + 2, "width": 2 * half, "height": 11}
        children.append(el("rect", fill=look(segment.label)["colour"], **plate))
        children.append(el("text", text, x=round(middle, 1), y=RIBBON[0] + 11, class_="said"))
    title = f"{clock(segment.start_ms)} – {clock(segment.end_ms)} {name}"
    return el("g", el("title", title), *children)


def _gap(gap: Gap, span: tuple[int, int], words: Words) -> Element:
    band = (RIBBON[0], AFFECT[0] + AFFECT[1] - RIBBON[0])
    box = _box(gap, band, span)
    name = words("gap", cause=words.of("gap_causes", gap.cause))
    x, y = box["x"] + box["width"] / 2, band[0] + band[1] / 2
    return el(
        "g",
        el("title", f"{clock(gap.start_ms)} – {clock(gap.end_ms)} {name}"),
        el("rect", class_="gap", **box),
        el("text", name, x=x, y=y, class_="lost", transform=f"rotate(-90 {x:g} {y:g})")
        if box["width"] > 12
        else None,
    )


def _markers(markers: Sequence[Marker], span: tuple[int, int]) -> Iterator[Element]:
    """Flags. A note is shown if it does not run into the next; a table has all of them."""
    places = [_x(marker.start_ms, span) for marker in markers]
    for n, (marker, x) in enumerate(zip(markers, places, strict=True)):
        after = places[n + 1] if n + 1 < len(places) else WIDTH
        note = marker.note if len(marker.note) <= 24 else f"{marker.note[:23]}…"
        fits = NOTE_PX * (len(note) + 2) <= after - x
        yield el(
            "g",
            el("title", f"{clock(marker.start_ms)} {marker.note}"),
            el("path", d=f"M{x:g} 0V{AFFECT[0] + AFFECT[1]:g}", class_="marker"),
            el("text", f"⚑ {note}" if fits else "⚑", x=x + 2, y=8, class_="note"),
        )
