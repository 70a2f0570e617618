"""That the live page shows what is so: paused, averaged, silent, ended; in real Chromium."""

import re
import time

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.common.keys import Keys

from livemood.timeline.events import Gap, Marker

pytestmark = pytest.mark.e2e

DRAWN = """
for (const _ of [...livemoodPage.store.channels, "its size", "all of it"])
    await new Promise(requestAnimationFrame);
"""
"""Await that the page has drawn all that it knows: one chart a frame, before what asks later."""


@pytest.fixture(scope="module")
def hour(synthetic):
    """A session of twenty minutes, as JSON."""
    return [event.model_dump(mode="json") for event in synthetic(1200)]


def show(browser, server, events):
    """Let the page take events that no server holds."""
    browser.open(server.page)
    browser.until("!!globalThis.livemoodPage")
    browser.later("for (const event of args[0]) livemoodPage.take(event);" + DRAWN, events)
    browser.until("livemoodPage.stage.panels[0]?.root.dataset.seq > 0")


def while_spoken(events, channel):
    """The events up to the last reading of a channel, and that reading."""
    last = [e for e in events if e.type == "emotion" and e.channel == channel][-1]
    return events[: last.seq], last


def until_ms(events, ms):
    return [event for event in events[:-1] if event["end_ms"] <= ms]


@pytest.mark.slow
def test_a_paused_view_stays_as_it_is_however_long(browser, server, hour):
    early = until_ms(hour, 300_000)
    began = time.monotonic()
    show(browser, server, early)
    browser.find("#pause").click()
    # A live timeline goes on while it is looked at.
    paused = browser.js("return livemoodPage.view.endMs")
    since = 1000 * (time.monotonic() - began)
    assert 0 <= paused - max(event["end_ms"] for event in early) <= since
    said = f"timeline paused at {int(paused) // 60_000}:{int(paused) // 1000 % 60:02}"
    browser.until(f"document.querySelector('#paused').innerText === '{said}'")
    state = f"""
        {DRAWN}
        const {{ range, lanes: [{{ series }}] }} = livemoodPage.stage.timeline;
        return [range, series.meanMs, [...series.ms.subarray(0, series.length)]];
    """
    before = browser.later(state)
    assert before[1] == 0
    assert len(before[2]) > 100
    browser.later(
        "for (const e of args[0]) livemoodPage.take(e);", until_ms(hour, 1100_000)[len(early) :]
    )
    assert browser.later(state) == before
    # What is not looked at any more is kept no longer.
    browser.find("#jump").click()
    browser.until("livemoodPage.store.channels.every((channel) => channel.pinned === null)")


@pytest.mark.parametrize(
    ("told", "low", "high"),
    [(8_000, 15, 15), pytest.param(40_000, 30, 100, marks=pytest.mark.slow)],
)
def test_the_axis_grows_with_a_young_session(browser, server, hour, told, low, high):
    show(browser, server, until_ms(hour, told))
    browser.find("#pause").click()
    browser.later(DRAWN)
    start, end = browser.js("return livemoodPage.stage.timeline.range")
    assert start == 0
    assert low * 1000 <= end <= high * 1000


@pytest.mark.slow
def test_later_the_axis_is_as_long_as_the_button_says(browser, server, hour):
    show(browser, server, until_ms(hour, 700_000))
    for n, ms in enumerate((15_000, 60_000, 120_000, 600_000)):
        browser.js("document.querySelectorAll('[name=range]')[arguments[0]].click()", n)
        span = "(([from, to]) => Math.round(to - from))(livemoodPage.stage.timeline.range)"
        browser.until(f"{span} === {ms}")


@pytest.mark.slow
@pytest.mark.parametrize("told", [20_000, 100_000])
def test_a_young_session_that_is_paused_stays_as_it_is(browser, server, hour, told):
    """Of the canvas itself: nothing is drawn past where it was paused."""
    early = until_ms(hour, told)
    show(browser, server, early)
    browser.find("#pause").click()
    browser.until("!document.querySelector('#paused').hidden")
    picture = f"{DRAWN} return livemoodPage.stage.canvas.toDataURL();"
    before = browser.later(picture)
    more = until_ms(hour, told + 60_000)[len(early) :]
    browser.later("for (const e of args[0]) livemoodPage.take(e);", more)
    assert browser.later(picture) == before
    assert browser.js("return livemoodPage.store.endMs") > told + 40_000
    browser.find("#pause").click()
    assert browser.later(picture) != before


@pytest.mark.slow
def test_means_are_called_means(browser, server, hour):
    show(browser, server, until_ms(hour, 1100_000))
    look = "const { view } = livemoodPage; view.pause(livemoodPage.now()); view.cursorMs = args[0];"
    look += "document.querySelector('#table-details').dispatchEvent(new Event('toggle'));"
    reading = [e for e in hour if e["type"] == "emotion" and e["channel"] == 0]
    near = [e for e in reading if e["end_ms"] <= 1100_000][-1]["end_ms"]
    far = [e for e in reading if e["end_ms"] < 500_000][-1]["end_ms"]
    for ms, means in ((near, False), (far, True)):
        browser.later(look + DRAWN, ms)
        browser.until("livemoodPage.stage.canvas.getAttribute('aria-valuetext').includes('%')")
        said = browser.js("return livemoodPage.stage.canvas.getAttribute('aria-valuetext')")
        assert ("mean of 1 s" in said) is means, said
    browser.find("#jump").click()
    for choice, means in (("10 min", True), ("2 min", False), ("whole session", True)):
        browser.js(
            "[...document.querySelectorAll('.ranges label')]"
            ".find((l) => l.innerText === arguments[0]).querySelector('input').click()",
            choice,
        )
        browser.later(DRAWN)
        browser.until(
            f"livemoodPage.stage.timeline.lanes[0].series.meanMs > 250 === {str(means).lower()}"
        )


@pytest.mark.slow
def test_the_focused_timeline_says_nothing_by_itself(browser, server, hour):
    early, more = until_ms(hour, 60_000), until_ms(hour, 70_000)
    show(browser, server, early)
    browser.js(
        """
        window.told = [];
        const { canvas } = livemoodPage.stage;
        canvas.focus();
        new MutationObserver((changes) => told.push(...changes.map((c) => c.attributeName)))
            .observe(canvas, { attributes: true });
        """
    )
    chart = "livemoodPage.stage.canvas"
    browser.later(
        f"for (const event of args[0]) {{ livemoodPage.take(event); {DRAWN} }}",
        [e for e in more[len(early) :] if e["channel"] == 0 or e["channel"] is None][::4],
    )
    browser.until("livemoodPage.stage.timeline.until > 65_000")
    assert browser.js("return told") == []
    assert browser.js(f"return {chart}.getAttribute('aria-valuetext')") == "live"
    browser.press(Keys.ARROW_LEFT)
    browser.until("told.includes('aria-valuenow') && told.includes('aria-valuetext')")
    browser.press(Keys.END)
    browser.until(f"{chart}.getAttribute('aria-valuetext') === 'live'")


@pytest.mark.slow
def test_a_marker_that_is_pointed_at_says_its_note(browser, server, hour):
    show(browser, server, until_ms(hour, 300_000))
    marker = next(e for e in hour if e["type"] == "marker")
    at = "livemoodPage.view.pause(livemoodPage.now()); livemoodPage.view.cursorMs = args[0];"
    at += "document.querySelector('#table-details').dispatchEvent(new Event('toggle'));"
    browser.later(at + DRAWN, marker["start_ms"])
    said = "livemoodPage.stage.canvas.getAttribute('aria-valuetext')"
    browser.until(f"{said}.includes('⚑ {marker['note']}')")


def test_people_are_named_and_channels_counted_from_one(browser, server, demo_events):
    events = [e.model_dump(mode="json") for e in demo_events[:40]]
    start = {**events[0], "source": "stream s16le 44100 Hz"}
    show(browser, server, [start, *events[1:]])
    browser.until("document.querySelector('#name').innerText === 'Sound over the network'")
    assert [browser.text(f"[data-channel='{n}'] h2") for n in (0, 1)] == ["Channel 1", "Channel 2"]
    assert browser.text("#source") == "stream s16le 44100 Hz"
    named = {**start, "session": "named", "participants": ["Ada", "Brook"]}
    browser.later("livemoodPage.take(args[0]);", named)
    browser.until("document.querySelector('#name').innerText === 'Ada, Brook'")


@pytest.mark.slow
def test_in_the_table_a_marker_has_its_note_and_no_values(browser, server, demo_events):
    last = demo_events[38]
    base = {"session": last.session, "time": last.time}
    more = [
        Marker(**base, seq=40, start_ms=9000, end_ms=9000, note="asks for a refund"),
        Gap(**base, seq=41, channel=0, start_ms=9500, end_ms=9900, cause="overrun", samples=6400),
    ]
    events = [e.model_dump(mode="json") for e in [*demo_events[:39], *more]]
    show(browser, server, events)
    browser.find("#table-details summary").send_keys(Keys.ENTER)
    browser.until("document.querySelectorAll('#table .remark').length >= 2")
    rows = browser.js(
        "return [...document.querySelectorAll('#table .remark')]"
        ".map((cell) => [...cell.parentNode.cells].map((c) => [c.innerText, c.colSpan]))"
    )
    gap, marker = (row for row in rows if row[-1][0] != "silent")
    assert marker == [["Marker", 1], ["0:09.0", 1], ["", 1], ["asks for a refund", 4]]
    assert gap[-1] == ["sound lost: too much at once", 4]


TABLE = """
return [...document.querySelectorAll("#table tbody tr")]
    .map((row) => [...row.cells].map((cell) => cell.innerText));
"""


@pytest.mark.slow
def test_the_table_has_all_and_says_how_much_of_it_is_shown(browser, server, synthetic):
    events = [event.model_dump(mode="json") for event in synthetic(500)]
    show(browser, server, events)
    browser.find("#table-details summary").send_keys(Keys.ENTER)
    browser.until("document.querySelectorAll('#table tbody tr').length === 100")
    caption = "return document.querySelector('#table caption').innerText"
    counts = re.search(r"the newest (\d+) of (\d+) rows", browser.js(caption))
    shown, every = (int(count) for count in counts.groups())
    assert shown == 100
    kinds = [e["type"] for e in events]
    told = sum(kinds.count(kind) for kind in ("segment", "marker", "gap"))
    assert every > told > 100
    for rows in range(200, every + 100, 100):
        browser.find("#table-more").send_keys(Keys.ENTER)
        browser.until(f"document.querySelectorAll('#table tbody tr').length === {min(rows, every)}")
    browser.until("document.querySelector('#table-more').hidden")
    assert browser.js(caption) == "The session, newest first"
    rows = browser.js(TABLE)
    assert sum(row[-1] != "silent" for row in rows) == told
    assert sum(row[-1] == "silent" for row in rows) == every - told


@pytest.mark.slow
def test_the_table_has_silence_where_nobody_speaks_and_nothing_is_lost(browser, server, synthetic):
    first = [e.model_dump(mode="json") for e in synthetic(20)]
    kind = {e["type"]: e for e in reversed(first)}
    about = {"session": first[0]["session"], "time": first[0]["time"]}
    gap = Gap(**about, channel=0, start_ms=7000, end_ms=8000, cause="overrun", samples=16_000)
    reading = next(e for e in first if e["type"] == "emotion" and e["channel"] == 0)
    spoken = [{**kind["speech.ended"], "channel": 0, "start_ms": 1000, "end_ms": 5000}]
    spoken.append({**spoken[0], "start_ms": 10_000, "end_ms": 12_000})
    ended = {**kind["session.ended"], "end_ms": 15_000}
    events = [first[0], {**reading, "end_ms": 4000}, *spoken, gap.model_dump(mode="json"), ended]
    show(browser, server, [{**event, "seq": n} for n, event in enumerate(events, 1)])
    browser.find("#table-details summary").send_keys(Keys.ENTER)
    browser.until("document.querySelectorAll('#table tbody tr').length >= 4")
    rows = [row[1:] for row in browser.js(TABLE) if row[0] == "Ada"]
    assert rows == [
        ["0:12.0", "0:15.0", "silent"],
        ["0:08.0", "0:10.0", "silent"],
        ["0:07.0", "0:08.0", "sound lost: too much at once"],
        ["0:05.0", "0:07.0", "silent"],
    ]


@pytest.mark.parametrize(
    ("width", "head"), [(390, 120), pytest.param(1280, 80, marks=pytest.mark.slow)]
)
def test_the_head_is_low_and_all_fits_the_width(browser, server, hour, width, head):
    metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    cdp = browser.driver.execute_cdp_cmd
    cdp("Emulation.setDeviceMetricsOverride", metrics)
    try:
        show(browser, server, until_ms(hour, 20_000))
        assert browser.js("return document.querySelector('.top').offsetHeight") < head
        assert browser.js("return document.querySelector('footer').offsetHeight") < 50
        assert browser.js("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        cdp("Emulation.clearDeviceMetricsOverride", {})


def test_what_a_finger_presses_is_large_enough_for_it(browser, server, hour):
    """44 pixels, as the guidelines for phones say."""
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    cdp = browser.driver.execute_cdp_cmd
    cdp("Emulation.setDeviceMetricsOverride", metrics)
    cdp("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        show(browser, server, until_ms(hour, 20_000))
        assert browser.js("return matchMedia('(pointer: coarse)').matches")
        pressed = ":is(main, header) :is(button, select, summary, label, a)"
        heights = browser.js(
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter((one) => one.offsetParent)"
            ".map((one) => [one.textContent, one.getBoundingClientRect().height])",
            pressed,
        )
        assert len(heights) > 8
        assert [name for name, height in heights if height < 44] == []
        assert browser.js("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        cdp("Emulation.setTouchEmulationEnabled", {"enabled": False})
        cdp("Emulation.clearDeviceMetricsOverride", {})
