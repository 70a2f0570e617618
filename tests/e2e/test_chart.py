"""That the timeline is drawn: its pixels and its texts, in real Chromium."""

import itertools

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.common.keys import Keys
from test_page_inside import before_each_page
from test_page_view import DRAWN, show

from livemood.timeline.events import Gap, Marker

pytestmark = pytest.mark.e2e

WATCH_PENS = """
const pen = CanvasRenderingContext2D.prototype;
const after = (name, seen) => {
    const real = pen[name];
    pen[name] = function (...about) {
        seen(this.canvas, about);
        return real.apply(this, about);
    };
};
after("clearRect", (canvas) => Object.assign(canvas, { written: [], boxes: 0, most: 0 }));
after("fillText", (canvas, [text, x]) => canvas.written?.push([text, x]));
after("beginPath", (canvas) => (canvas.boxes = 0));
after("rect", (canvas) => (canvas.boxes += 1));
after("fill", (canvas) => (canvas.most = Math.max(canvas.most, canvas.boxes)));
"""
"""Notes on each canvas what was written since it was cleared, and the boxes of its largest path."""

LOOK = """
const { look } = await import("/static/palette.js");
const { timeline: chart, chances } = livemoodPage.stage;
const [{ bands, channel }] = chart.lanes;
const stack = chances[0].stack;
/** Pixels about a time and a place, [red, green, blue] each; [] where nothing is drawn. */
const pixels = (ms, y, wide = 3, high = 2, on = chart) => {
    const [left, top] = [Math.round(on.x(ms)) - wide, Math.round(y) - high];
    const { data } = on.pen.getImageData(left, top, 2 * wide + 1, 2 * high + 1);
    return Array.from({ length: data.length / 4 }, (_, i) =>
        data[4 * i + 3] ? [...data.slice(4 * i, 4 * i + 3)] : []);
};
/** How many of them have a colour, given as #rrggbb or as the name of one of the theme. */
const like = (found, colour, within = 12) => {
    const style = getComputedStyle(document.documentElement);
    const hex = colour.startsWith("#") ? colour : style.getPropertyValue(`--${colour}`).trim();
    const wanted = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    const near = (p) => p.length && p.every((c, i) => Math.abs(c - wanted[i]) <= within);
    return found.filter(near).length;
};
"""


@pytest.fixture(scope="module")
def flat(synthetic):
    """Half a minute of one reading: half neutral, three tenths happy."""
    started, *events = [e.model_dump(mode="json") for e in synthetic(60)]
    kind = {e["type"]: e for e in reversed(events)}
    labels = started["model"]["labels"]
    shares = dict.fromkeys(labels, 0.2 / (len(labels) - 2)) | {"neutral": 0.5, "happy": 0.3}
    same = {"channel": 0, "label": "neutral", "probabilities": shares}
    same |= {"valence": 0.5, "arousal": -0.5}
    speech = {**kind["speech.started"], "channel": 0, "start_ms": 2000, "end_ms": 2200}
    readings = [
        {**kind["emotion"], **same, "start_ms": max(2000, ms - 3000), "end_ms": ms}
        for ms in range(3000, 32_001, 250)
    ]
    span = {"channel": 0, "start_ms": 2000, "end_ms": 32_000}
    ends = [{**kind["segment"], **span, "label": "neutral"}, {**kind["speech.ended"], **span}]
    later = {**ends[-1], "start_ms": 40_000, "end_ms": 60_000}
    return numbered([started, speech, *readings, *ends, later])


def numbered(events):
    return [{**event, "seq": n} for n, event in enumerate(events, 1)]


@pytest.mark.slow
def test_readings_are_areas_and_lines_in_the_colours_of_what_they_say(browser, server, flat):
    show(browser, server, flat)
    browser.find("#probabilities summary").send_keys(Keys.ENTER)
    browser.choose("#theme", "light")
    found = browser.later(
        DRAWN
        + LOOK
        + """
        const { affect } = bands;
        const { probabilities: p } = stack.bands;
        const [shares] = args;
        const found = { areas: {} };
        let sum = 0;
        for (const label of channel.labels) {
            const share = shares[label];
            const middle = p.top + p.height * (sum + share / 2);
            sum += share;
            const there = pixels(15_000, middle, 3, 2, stack);
            if (share > 0.2) found.areas[label] = like(there, look(label).colour);
            if (label === "neutral") found.border = p.top + p.height * sum;
        }
        // In each column across the border of the two areas, how dark it gets.
        const across = pixels(15_000, found.border, 6, 2, stack);
        const columns = Array.from({ length: 13 }, (_, x) => across.filter((_, i) => i % 13 === x));
        const light = ([r, g, b]) => (r + g + b) / 3;
        found.lightest = Math.max(...columns.map((c) => Math.min(...c.map(light))));
        const at = (value) => affect.top + (affect.height * (1 - value)) / 2;
        found.valence = like(pixels(15_000, at(0.5), 8), "valence");
        found.arousal = like(pixels(15_000, at(-0.5), 8), "arousal");
        found.before = pixels(37_000, p.top + p.height / 3, 3, 2, stack).flat();
        return found;
        """,
        flat[10]["probabilities"],
    )
    assert set(found["areas"]) == {"neutral", "happy"}
    # Textures leave some of a label's own colour to be seen everywhere.
    assert all(count >= 10 for count in found["areas"].values()), found
    # Both areas are lighter than 170; a line of ink between them is not.
    assert found["lightest"] < 160
    assert found["valence"] >= 12
    assert found["arousal"] >= 8
    assert found["before"] == []


def test_segments_speech_gaps_markers_and_the_cursor_are_drawn(browser, server, flat):
    base = {"session": flat[0]["session"], "time": flat[0]["time"]}
    gap = Gap(
        **base, channel=0, start_ms=62_000, end_ms=82_000, cause="packet_loss", samples=320_000
    )
    marker = Marker(**base, start_ms=50_000, end_ms=50_000, note="asks for a refund")
    more = [marker.model_dump(mode="json"), gap.model_dump(mode="json")]
    with before_each_page(browser, WATCH_PENS):
        show(browser, server, numbered([*flat, *more]))
        browser.choose("#theme", "light")
        browser.find("#pause").click()
        found = browser.later(
            "livemoodPage.view.cursorMs = 55_000;"
            "document.querySelector('#table-details').dispatchEvent(new Event('toggle'));"
            + DRAWN
            + LOOK
            + """
            const { ribbon, speech, affect } = bands;
            const free = affect.top + 0.3 * affect.height;
            const middle = speech.top + speech.height / 2;
            const low = affect.top + 0.8 * affect.height;
            const inGap = pixels(63_500, low, 8, 12);
            return {
                written: chart.canvas.written.map(([text]) => text),
                ribbon: like(pixels(5000, ribbon.top + ribbon.height / 2), look("neutral").colour),
                noRibbon: pixels(47_000, ribbon.top + ribbon.height / 2).flat(),
                speech: like(pixels(47_000, middle, 3, 1), "muted"),
                silence: like(pixels(35_000, middle, 3, 1), "muted"),
                thin: like(pixels(35_000, middle), "line"),
                hatches: like(inGap, "lost", 60),
                between: like(inGap, "surface"),
                marker: like(pixels(50_000, free, 2, 10), "accent", 40),
                cursor: like(pixels(55_000, free, 2, 10), "ink"),
            };
            """
        )
    assert {"neutral", "⚑ asks for a refund", "sound lost: lost on the way"} <= {*found["written"]}
    assert found["ribbon"] == 35
    assert found["noRibbon"] == []
    assert found["speech"] == 21
    assert found["silence"] == 0
    assert found["thin"] >= 7
    assert found["hatches"] > 20
    assert found["between"] > 100
    # A dashed line has as much between its dashes.
    assert 8 <= found["marker"] <= 42
    assert found["cursor"] == 21


@pytest.mark.slow
def test_in_a_long_view_marks_do_not_lie_over_one_another(browser, server, synthetic):
    with before_each_page(browser, WATCH_PENS):
        show(browser, server, [e.model_dump(mode="json") for e in list(synthetic(7200))[:-1]])
        browser.driver.execute_script("document.querySelectorAll('[name=range]')[4].click()")
        written, most, speech, markers = browser.later(
            DRAWN
            + """
            const { store } = livemoodPage;
            const { canvas } = livemoodPage.stage.timeline;
            const { speech } = store.channels[0];
            return [canvas.written, canvas.most, speech.length, store.markers.length];
            """
        )
    flags = [x for text, x in written if text.startswith("⚑")]
    assert speech > 200
    assert markers > 100
    assert 20 < len(flags) < markers
    assert min(b - a for a, b in itertools.pairwise(flags)) > 12
    # Software rendering takes very long to fill one path of many boxes.
    assert most <= 1


COUNT_FRAMES = """
// The clock stands still: how far a view moves is what the test says.
let at = performance.now();
performance.now = () => at;
const { stage, store, take } = livemoodPage;
const { timeline } = stage;
const wiped = [];
const { clearRect } = timeline.pen;
timeline.pen.clearRect = function (...box) {
    wiped.push([frame, box[1], box[3]]);
    return clearRect.apply(this, box);
};
let frame = 0;
const { draw } = stage;
stage.draw = (...about) => { frame += 1; return draw.apply(stage, about); };
/** The parts of the timeline that are wiped in the next six frames: [frame, top, height]. */
const frames = async (act = () => {}) => {
    act();
    [frame, wiped.length] = [0, 0];
    for (let n = 0; n < 6; n++) {
        document.querySelector("#table-details").dispatchEvent(new Event("toggle"));
        await new Promise(requestAnimationFrame);
    }
    return [...wiped];
};
await frames();
const seen = { parts: timeline.lanes.map(({ part }) => [part.top, part.height]) };
"""


@pytest.mark.slow
def test_a_lane_is_drawn_when_it_would_look_another_and_one_a_frame(browser, server, synthetic):
    """With the whole session in view, and at the same pixels as when all are drawn at once."""
    *early, _ = [e.model_dump(mode="json") for e in synthetic(1200)]
    readings = {e["channel"]: e for e in early if e["type"] == "emotion"}
    news = [readings[n] | {"end_ms": early[-1]["end_ms"]} for n in (0, 1)]
    show(browser, server, early)
    browser.driver.execute_script("document.querySelectorAll('[name=range]')[4].click()")
    seen = browser.later(
        COUNT_FRAMES
        + """
        let { seq } = store;
        const told = (event) => take({ ...event, seq: ++seq });
        seen.idle = await frames();
        seen.one = await frames(() => told(args[0][1]));
        seen.both = await frames(() => args[0].forEach(told));
        seen.level = await frames(() => told({ ...args[0][0], type: "level", speech_db: -20 }));
        const [start, end] = timeline.range;
        seen.pixel = await frames(() => (at += (2 * (end - start)) / timeline.width));
        seen.picture = timeline.canvas.toDataURL();
        seen.cursor = await frames(() => (livemoodPage.view.cursorMs = 600_000));
        seen.left = await frames(() => (livemoodPage.view.cursorMs = null));
        seen.same = seen.picture === timeline.canvas.toDataURL();
        return seen;
        """,
        news,
    )
    first, second = seen["parts"]
    height = first[1] + second[1]
    assert first[0] == 0
    assert second[0] == first[1]
    assert seen["idle"] == seen["level"] == []
    assert [part for _, *part in seen["one"]] == [second]
    for case in ("both", "pixel"):
        assert sorted(part for _, *part in seen[case]) == sorted([first, second])
        assert len({frame for frame, *_ in seen[case]}) == 2, "each in a frame of its own"
    for case in ("cursor", "left"):
        assert [part for _, *part in seen[case]] == [[0, height]]
    assert seen["same"], "drawn alone, a lane looks another"


ADD_AND_COMPARE = """
const [events, asked] = args;
const { Store } = await import("/static/store.js");
const { Timeline } = await import("/static/timeline.js");
const { View } = await import("/static/view.js");
const { colours } = livemoodPage.stage;
const page = () => {
    const canvas = document.createElement("canvas");
    canvas.style = "position: fixed; left: 0; top: 0; width: 700px; height: 300px";
    document.body.append(canvas);
    const store = new Store();
    for (const event of events.slice(0, 9)) store.take(event, 0);
    const view = Object.assign(new View(), { spanMs: asked ?? Infinity });
    return { store, view, timeline: new Timeline(canvas, store.channels) };
};
const draw = ({ timeline, store, view }, now) => {
    while (timeline.draw(store, view, now, colours, (n) => `speaker ${n}`));
};
const pixels = ({ timeline: { pen, canvas } }) =>
    pen.getImageData(0, 0, canvas.width, canvas.height).data;
const [added, anew] = [page(), page()];
const widths = [];
const { pen, width } = added.timeline;
const { clearRect } = pen;
pen.clearRect = (...box) => {
    widths.push(box[2]);
    clearRect.apply(pen, box);
};
/** How many pixels look another: the edges of some lines depend on where drawing began. */
const others = (one, other) => {
    let count = 0;
    for (let i = 3; i < one.length; i += 4) {
        const far = (c) => Math.abs(one[i - c] * one[i] - other[i - c] * other[i]) / 255;
        count += Math.max(far(1), far(2), far(3), Math.abs(one[i] - other[i])) > 40;
    }
    return count;
};
let shown = 0;
let most = 0;
for (const event of events.slice(9)) {
    // The clock goes on while what was said is still on its way.
    if (event.end_ms < 15_000) draw(added, event.end_ms);
    for (const each of [added, anew]) each.store.take(event, 0);
    const { endMs } = added.store;
    const young = endMs < 15_000;
    if (endMs < shown + (young ? 250 : 1000)) continue;
    shown = endMs;
    draw(added, endMs);
    if (endMs % 61_000 >= (young ? 15_000 : 1000)) continue;
    anew.timeline.resize();
    draw(anew, endMs);
    most = Math.max(most, others(pixels(added), pixels(anew)));
}
for (const { timeline } of [added, anew]) timeline.canvas.remove();
return [most, widths.sort((a, b) => a - b), width];
"""
"""Draw a session on two canvases: what comes is added to one, the other is drawn anew at times."""


@pytest.mark.parametrize("span", [None, pytest.param(600_000, marks=pytest.mark.slow)])
def test_in_a_long_view_what_comes_is_added_to_what_was_drawn(browser, server, synthetic, span):
    """It looks as if all had been drawn anew, and little of it is drawn."""
    *events, _ = [e.model_dump(mode="json") for e in synthetic(660, both=True)]
    show(browser, server, events[:60])
    most, widths, whole = browser.later(ADD_AND_COMPARE, events, span)
    assert len(widths) > 300
    assert most <= 24
    assert widths[len(widths) // 2] < whole / 4
