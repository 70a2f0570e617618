"""The page for readers whose browser, habits or coming late make a difference, in real Chromium."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from chromium import before_each_page
from selenium.webdriver.common.keys import Keys

pytestmark = pytest.mark.e2e

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "dashboards.md"


def shown(browser, server, events):
    for event in events:
        server.publish(event)
    browser.open(server.page)
    browser.until(f"globalThis.livemoodPage?.store.taken === {len(events)}")
    browser.until("Boolean(livemoodPage.stage.timeline)")


def retimed(events, began):
    """The events as they had been made if the session had begun at `began`, s since 1970."""
    for event in events:
        made = datetime.fromtimestamp(began + event.end_ms / 1000 + 0.3, UTC)
        yield event.model_copy(update={"time": made.isoformat()})


@pytest.mark.parametrize(
    "told",
    ["now", *(pytest.param(when, marks=pytest.mark.slow) for when in ("at once", "another day"))],
)
def test_a_page_opened_in_silence_knows_where_the_sound_is(browser, server, demo_events, told):
    began = time.time() - (86_400 if told == "another day" else 600)
    events = [e for e in demo_events if e.end_ms < 20_000][:60]
    if told != "at once":
        events = list(retimed(events, began))
    shown(browser, server, events)
    browser.until("livemoodPage.feed.state === 'live'")
    before = (time.time() - began) * 1000
    now = browser.js("return livemoodPage.now()")
    after = (time.time() - began) * 1000
    if told == "now":  # the server says the time to a second, and answers may take a while
        assert before - 30_000 < now < after + 500
    else:  # the whole file was read in a moment, or what was told then is played again
        assert now < 120_000


@pytest.mark.slow
def test_a_new_session_is_followed_though_the_one_before_was_paused(browser, server, demo_events):
    shown(browser, server, demo_events[:40])
    browser.find("#pause").click()
    browser.until("!livemoodPage.view.live")
    browser.later(
        "for (const event of args[0]) livemoodPage.take({ ...event, session: 'second' });",
        [e.model_dump(mode="json") for e in demo_events[:20]],
    )
    browser.until("livemoodPage.view.live && document.querySelector('#paused').hidden")


@pytest.mark.slow
def test_of_a_session_that_has_ended_keys_pause_nothing(browser, server, demo_events):
    shown(browser, server, demo_events)
    browser.until("document.documentElement.dataset.state === 'ended'")
    canvas = browser.find("#timeline")
    browser.js("arguments[0].focus()", canvas)
    browser.press(Keys.SPACE)
    assert browser.js("return livemoodPage.view.live")
    browser.press(Keys.HOME)
    browser.until("livemoodPage.view.cursorMs === 0")
    browser.press(Keys.END)
    browser.until("livemoodPage.view.cursorMs === livemoodPage.now()")


@pytest.mark.slow
def test_a_pointer_may_come_before_the_first_drawing(browser, server, demo_events):
    shown(browser, server, demo_events[:40])
    browser.later(
        """
        const { Timeline } = await import("/static/timeline.js");
        const { Pointing } = await import("/static/pointing.js");
        const { store, view } = livemoodPage;
        const canvas = document.createElement("canvas");
        document.querySelector("#panels").append(canvas);
        const timeline = new Timeline(canvas, store.channels);
        const pointing = new Pointing(canvas, document.createElement("div"), view);
        pointing.listen(canvas, () => timeline, () => store.channels, () => {});
        canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: 400 }));
        """
    )
    assert browser.errors() == []


DENIED = """
for (const name of ["localStorage", "sessionStorage"]) {
    Object.defineProperty(window, name, {
        get() { throw new DOMException("access is denied", "SecurityError"); },
    });
}
"""


@pytest.mark.slow
def test_the_page_works_where_the_browser_keeps_nothing(browser, server, demo_events):
    with before_each_page(browser, DENIED):
        shown(browser, server, demo_events[:-1])
        browser.choose("#theme", "dark")
        browser.choose("#language", "zh")
        browser.until("document.documentElement.lang === 'zh'")
        assert browser.js("return document.documentElement.dataset.theme") == "dark"
        browser.js("document.querySelector('#token-button').onclick()")
        browser.find("[name=token]").send_keys("abc")
        browser.find("[value=use]").click()
        browser.until("document.querySelector('.why').innerText.includes('此浏览器不为此页面')")
        assert browser.errors() == []


MOTION = """
window.paces = [];
const every = window.setInterval;
window.setInterval = (task, ms) => { paces.push(ms); return every(task, ms); };
"""


@pytest.mark.slow
@pytest.mark.parametrize(("wish", "ms"), [("reduce", 1000), ("no-preference", 250)])
def test_who_wants_less_motion_gets_less(browser, server, demo_events, wish, ms):
    media = {"features": [{"name": "prefers-reduced-motion", "value": wish}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        with before_each_page(browser, MOTION):
            shown(browser, server, demo_events[:40])
            assert ms in browser.js("return paces")
            moves = "const dot = document.querySelector('.recording .dot');"
            moves += "document.querySelector('#recording').hidden = false;"
            moves += "return dot.getAnimations().length"
            assert browser.js(moves) == (wish != "reduce")
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_page_of_ten_lines_does_what_the_docs_say(browser, server, demo_events):
    examples = re.findall(r"```html\n(.+?)```", GUIDE.read_text("utf-8"), re.S)
    (example,) = (e for e in examples if "connect(" in e)
    events = demo_events[:60]
    for event in events:
        server.publish(event)
    last = [e for e in events if e.type == "emotion"][-1]
    # In the place of a page of that server, which forbids scripts within pages.
    cdp = browser.driver.execute_cdp_cmd
    cdp("Page.setBypassCSP", {"enabled": True})
    try:
        browser.open(f"{server.page}healthz")
        browser.js("document.open(); document.write(arguments[0]); document.close()", example)
        browser.until("document.title === 'live'")
        words = f"{last.channel}: {last.label}"
        browser.until(f"document.querySelector('#label').textContent === '{words}'")
    finally:
        cdp("Page.setBypassCSP", {"enabled": False})


def test_a_page_is_told_every_state_from_the_first_on(browser, server, demo_events):
    for event in demo_events:
        server.publish(event)
    browser.open(server.page)
    browser.later(
        """
        const { connect } = await import("/static/livemood.js");
        window.states = [];
        connect({ onState: (state) => states.push(state) });
        """
    )
    browser.until("states.at(-1) === 'ended'")
    assert browser.js("return states") == ["connecting", "live", "ended"]


def test_a_voice_that_is_left_out_is_said_to_be(browser, server, demo_events):
    """Neither silent nor without a reading yet."""
    first, *events = demo_events[:40]
    kept = [event for event in events if event.channel != 1]
    told = [first.model_copy(update={"not_read": (1,)}), *kept]
    shown(browser, server, [e.model_copy(update={"seq": n}) for n, e in enumerate(told, 1)])
    assert browser.text("[data-channel='1'] .label") == "not read"
    assert browser.text("[data-channel='1'] .speech") == ""
    assert browser.text("[data-channel='0'] .label") != "not read"
