"""That the page says how people sound now, and nothing that is no longer so; in real Chromium."""

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.common.keys import Keys
from test_page_view import DRAWN, hour, show, until_ms, while_spoken

from livemood.server import ServerThread

pytestmark = pytest.mark.e2e
__all__ = ["hour"]


def test_silence_is_not_called_a_label(browser, server, demo_events):
    events = [e.model_dump(mode="json") for e in demo_events]
    spoken = next(i for i, e in enumerate(events) if e["type"] == "speech.ended")
    channel = events[spoken]["channel"]
    reading = [e for e in events[:spoken] if e["type"] == "emotion" and e["channel"] == channel][-1]
    again = next(
        e for e in events[spoken:] if e["type"] == "speech.started" and e["channel"] == channel
    )
    show(browser, server, events[:spoken])
    panel = f"[data-channel='{channel}']"
    browser.until(f"document.querySelector(\"{panel}\").dataset.kind === 'speaking'")
    assert browser.text(f"{panel} .label") == reading["label"]
    drawn = "[...document.querySelector(arguments[0]).getContext('2d')"
    drawn += ".getImageData(9, 9, 60, 60).data].some((value) => value)"
    assert browser.js(f"return {drawn}", f"{panel} .swatch")
    for event, kind, word in (
        (events[spoken], "silent", "silent"),
        # Somebody speaks again, and what was read before is not how that sounds.
        (again, "hearing", "listening"),
    ):
        browser.later("livemoodPage.take(args[0]);", event)
        browser.until(f"document.querySelector(\"{panel}\").dataset.kind === '{kind}'")
        assert browser.text(f"{panel} .label") == word
        assert browser.js("return document.querySelector(arguments[0]).dataset.label", panel) == ""
        assert not browser.js(f"return {drawn}", f"{panel} .swatch")
        at = f"{reading['end_ms'] // 60_000}:{reading['end_ms'] // 1000 % 60:02}"
        assert browser.text(f"{panel} .affect") == f"last heard: {reading['label']}, {at}"


def test_how_long_it_is_silent_goes_on_by_itself(browser, server, demo_events):
    events = [e.model_dump(mode="json") for e in demo_events]
    spoken = next(i for i, e in enumerate(events) if e["type"] == "speech.ended")
    show(browser, server, events[: spoken + 1])
    since = f"document.querySelector(\"[data-channel='{events[spoken]['channel']}'] .since\")"
    browser.until(f"/^for [3-9] s$/.test({since}.textContent)")


def test_a_broken_connection_leaves_nothing_that_looks_current(browser, demo_events):
    early, last = while_spoken(demo_events, 0)
    with ServerThread(0) as server:
        for event in early:
            server.publish(event)
        browser.open(server.page)
        browser.until("document.querySelector(\"[data-channel='0']\")?.dataset.kind === 'speaking'")
    browser.until("document.documentElement.dataset.state === 'waiting'")
    browser.until("document.querySelector(\"[data-channel='0']\").dataset.kind === 'unknown'")
    assert browser.text("[data-channel='0'] .label") == "no news"
    assert last.label in browser.text("[data-channel='0'] .affect")


def test_while_it_is_behind_the_latency_is_that_which_made_it_so(browser, server, hour):
    early = until_ms(hour, 60_000)
    load = {
        **{k: early[-1][k] for k in ("session", "time", "start_ms", "end_ms")},
        "type": "load",
        "channel": 0,
        "superseded": 3,
        "hop_ms": 500,
    }
    reading = next(e for e in early if e["type"] == "emotion" and e["channel"] == 0)
    quick = {**reading, "end_ms": early[-1]["end_ms"], "latency_ms": {"total": 3.0}}
    show(browser, server, early)
    for event, said, behind in (
        ({**load, "behind": True, "latency_ms": 240.0}, "240 of 150 ms", True),
        ({**quick, "behind": True}, "240 of 150 ms", True),
        ({**load, "behind": False, "latency_ms": 12.0}, None, False),
    ):
        browser.later(f"livemoodPage.take(args[0]); {DRAWN}", {**event, "seq": 9000})
        assert browser.js("return document.querySelector('#behind').hidden") is not behind
        assert said is None or browser.text("#latency") == said
    assert int(browser.text("#latency").split()[0]) < 150


def test_of_a_session_that_ended_all_is_shown_and_nothing_of_what_is_live(
    browser, server, demo_events
):
    events = [e.model_dump(mode="json") for e in demo_events]
    show(browser, server, events)
    browser.until("document.querySelector('#pause').hidden")
    for gone in ("#jump", "#latency-row"):
        assert browser.js("return document.querySelector(arguments[0]).hidden", gone)
    assert "Space" not in browser.text("#help")
    assert browser.text(".ranges input:checked + span") == "whole session"
    assert browser.js("return livemoodPage.stage.timeline.range[0]") == 0
    said = browser.text(".panel .confidence")
    assert said.endswith("of the speech")
    assert browser.text("#duration") == "0:44"
    # One number for one thing: the share that the panel says is that of its bar.
    browser.find("#probabilities summary").send_keys(Keys.ENTER)
    browser.until("document.querySelector('.bar.said dd')?.innerText")
    assert browser.text(".bar.said dd") == said.split()[0]
