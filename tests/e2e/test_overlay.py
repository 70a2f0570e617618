"""The overlay for videos, and the timeline in other pages; in real Chromium."""

import base64
import io

import numpy as np
import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from services import live_session, serving
from test_example_dashboard import FOLDER, files_of
from test_page_view import while_spoken

pytestmark = pytest.mark.e2e


def publish(server, events):
    for event in events:
        server.publish(event)


def picture(browser):
    """The window on no ground, as red, green, blue and alpha."""
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    cdp = browser.driver.execute_cdp_cmd
    clear = {"color": {"r": 0, "g": 0, "b": 0, "a": 0}}
    cdp("Emulation.setDefaultBackgroundColorOverride", clear)
    try:
        png = base64.b64decode(cdp("Page.captureScreenshot", {"format": "png"})["data"])
    finally:
        cdp("Emulation.setDefaultBackgroundColorOverride", {})
    return np.asarray(image.open(io.BytesIO(png)).convert("RGBA"))


def test_the_overlay_shows_one_person_on_nothing(browser, server, demo_events):
    early, last = while_spoken(demo_events, 1)
    publish(server, early)
    browser.open(f"{server.page}overlay?channel=1")
    browser.until(f"document.querySelector('.panel')?.dataset.seq === '{last.seq}'")
    assert browser.js("return document.querySelectorAll('.panel').length") == 1
    assert browser.text(".panel .label") == last.label
    assert browser.text(".panel .since").startswith("for ")
    seen = picture(browser)
    assert seen[-1, -1, 3] == 0
    assert (seen[:, :, 3] > 200).sum() > 5000
    publish(server, demo_events[len(early) : -1])
    browser.until("document.querySelector('.panel').dataset.kind === 'silent'")
    assert browser.text(".panel .label") == "silent"
    assert browser.errors() == []


@pytest.mark.slow
def test_the_overlay_shows_all_and_says_what_is_wrong(browser, server, demo_events, axe):
    publish(server, demo_events[:40])
    browser.open(f"{server.page}overlay?language=zh")
    browser.until("document.querySelectorAll('.panel').length === 2")
    assert browser.text("[data-channel='0'] h2") == "声道 1"
    assert axe(browser) == []
    for wrong in ("7", "x", "-1"):
        browser.open(f"{server.page}overlay?channel={wrong}")
        browser.until("!document.querySelector('#trouble').hidden")
        assert f"no channel {wrong}" in browser.text("#trouble")


def test_the_overlay_of_a_server_takes_its_token_from_behind_the_hash(
    browser, model, tmp_path, talk
):
    with serving(model, tmp_path) as service:
        token = service.storage.tokens.create(("manage", "watch", "ingest"), "page")
        with live_session(service, talk, token=token) as session:
            browser.open(f"{service.url}/overlay?session={session}#token={token}")
            browser.until("document.querySelector('.panel h2')?.innerText === 'Ada'")
            assert not [url for url in browser.requests() if token in url.partition("#")[0]]


COMPONENT = """
const made = document.createElement("livemood-timeline");
for (const [name, value] of Object.entries(args[0])) made.setAttribute(name, value);
window.heard = [];
made.addEventListener("livemood", ({ detail }) => heard.push(detail.seq));
document.querySelector("main").append(made);
await import("/static/livemood-timeline.js");
"""
INSIDE = "document.querySelector('livemood-timeline').shadowRoot"


@pytest.mark.slow
def test_the_component_stands_in_a_page_with_a_strict_policy(browser, server, demo_events, axe):
    early, last = while_spoken(demo_events, 1)
    publish(server, early)
    browser.open(f"{server.page}overlay?channel=none")
    browser.until("globalThis.livemoodOverlay")
    browser.later(COMPONENT, {"src": "/", "span": "15", "theme": "dark"})
    browser.until(f"{INSIDE}?.querySelector(\"[data-channel='1']\")?.dataset.seq === '{last.seq}'")
    assert browser.js(f"return {INSIDE}.querySelectorAll('.panel').length") == 2
    label = f"{INSIDE}.querySelector(\"[data-channel='1'] .label\").innerText"
    assert browser.js(f"return {label}") == last.label
    assert browser.js("return heard") == [e.seq for e in early]
    browser.until(f"getComputedStyle({INSIDE}.querySelector('.plot')).borderRadius === '14px'")
    # It is the dark theme's ink, and something is drawn with it.
    ink = browser.js(f"return getComputedStyle({INSIDE}.host).getPropertyValue('--ink')").strip()
    assert ink == "#eef2f5"
    canvas = f"{INSIDE}.querySelector('.plot canvas')"
    drawn = f"{canvas}.getContext('2d').getImageData(0, 0, 400, 200).data.some((v) => v)"
    browser.until(drawn)
    assert browser.errors() == []
    assert axe(browser) == []
    element = browser.js(f"return {canvas}")
    ActionChains(browser.driver).move_to_element(element).perform()
    browser.until(f"!{INSIDE}.querySelector('.tip').hidden")
    browser.js("arguments[0].focus()", element)
    browser.press(Keys.SPACE)
    browser.until(f"!{INSIDE}.host.view.live")
    browser.press("-")
    browser.until(f"{INSIDE}.host.view.spanMs === 60_000")


@pytest.mark.slow
def test_the_component_shows_one_channel_and_lets_go_when_it_is_taken_away(
    browser, server, demo_events
):
    early, last = while_spoken(demo_events, 1)
    publish(server, early)
    browser.open(f"{server.page}overlay?channel=none")
    browser.until("globalThis.livemoodOverlay")
    browser.later(COMPONENT, {"src": "/", "channel": "1"})
    browser.until(f"{INSIDE}?.querySelector('.panel')?.dataset.seq === '{last.seq}'")
    assert browser.js(f"return {INSIDE}.querySelectorAll('.panel').length") == 1
    browser.js("document.querySelector('livemood-timeline').remove()")
    publish(server, demo_events[len(early) : len(early) + 2])
    browser.later("await new Promise((done) => setTimeout(done, 500))")
    assert browser.js("return heard.length") == len(early)


@pytest.mark.slow
def test_a_page_of_another_origin_shows_the_component(browser, model, tmp_path, talk):
    with (
        files_of(FOLDER) as page,
        serving(model, tmp_path, origins=(page,)) as service,
        live_session(service, talk) as session,
    ):
        server = service.url.removeprefix("http://")
        browser.open(f"{page}/timeline.html?server={server}&session={session}")
        browser.until(f"{INSIDE}?.querySelector('.panel h2')?.innerText === 'Ada'")
        browser.until("document.querySelector('#last').textContent !== 'none'")
        assert browser.errors() == []
