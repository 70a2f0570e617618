"""The demo is heard and read on its page: a reading can be checked by ear; in real Chromium."""

import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from livemood.server import Demo, ServerThread

pytestmark = pytest.mark.e2e


@pytest.fixture
def demo_server():
    with ServerThread(0, demo=Demo(real_time=False)) as running:
        yield running


@pytest.fixture(scope="module")
def words():
    return json.loads(Demo(True).words.read_text("utf-8"))


def publish(server, events):
    for event in events:
        server.publish(event)


@pytest.mark.slow
def test_while_it_is_live_the_sound_is_heard_at_the_time_of_the_session(browser, words):
    command = [sys.executable, "-m", "livemood", "demo", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        try:
            line = next(line for line in demo.stdout if line.startswith("page at"))
            browser.open(line.split()[-1])
            browser.until("document.querySelector('.panel') && !livemoodPage.player.button.hidden")
            browser.find("#play").click()
            at = browser.until(
                "(({ player, now }) => player.playing && player.ms > 1000 &&"
                " Math.abs(player.ms - now()) < 500 &&"
                " document.querySelector('#words').innerText && player.ms)(livemoodPage)"
            )
            spoken = [f"{('Clinic', 'Caller')[w['channel']]}: “{w['text']}”" for w in words]
            assert browser.text("#words") in spoken
            assert words[0]["start_ms"] < at < words[-1]["end_ms"]
            assert "Stop" in browser.text("#play")
            # Pausing pauses: the picture stands still, so what is heard does.
            browser.find("#pause").click()
            browser.until("!livemoodPage.player.playing")
        finally:
            demo.kill()


@pytest.mark.slow
def test_afterwards_the_sound_moves_the_cursor_and_its_words_are_those_of_the_moment(
    browser, demo_server, demo_events, words
):
    publish(demo_server, demo_events[:-1])
    browser.open(demo_server.page)
    browser.until("document.querySelector('.panel') && livemoodPage.player.spoken.length")
    # Read faster than it was spoken it cannot be heard along.
    assert browser.js("return document.querySelector('#play').hidden")
    publish(demo_server, demo_events[-1:])
    browser.until("!document.querySelector('#play').hidden")
    assert "point at the timeline" in browser.text("#words")
    line = next(w for w in words if "third time" in w["text"])
    # It begins where the timeline is pressed, though the pointer then goes to the button.
    x = browser.js("return livemoodPage.stage.timeline.x(arguments[0])", line["start_ms"] + 500)
    canvas = browser.find("#timeline")
    offset = round(x - canvas.size["width"] / 2)
    ActionChains(browser.driver).move_to_element_with_offset(canvas, offset, 0).click().perform()
    browser.find("#play").click()
    browser.until(f"livemoodPage.player.playing && livemoodPage.player.ms > {line['start_ms']}")
    browser.until("document.querySelector('#words').innerText.includes('third time')")
    assert browser.text("#words") == f"Channel 2: “{line['text']}”"
    # The cursor moves by itself, and the box says how both sounded there.
    before = browser.js("return livemoodPage.view.cursorMs")
    browser.until(f"livemoodPage.view.cursorMs > {before + 100}")
    browser.until("!document.querySelector('#tip').hidden")
    assert "Channel 2: " in browser.text("#tip")
    # A key moves the sound.
    browser.js("document.querySelector('#timeline').focus()")
    browser.press(Keys.HOME)
    browser.until(f"livemoodPage.player.playing && livemoodPage.player.ms < {line['start_ms']}")
    browser.find("#play").click()
    browser.until("!livemoodPage.player.playing")
    assert browser.errors() == []


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation_beside_the_sound(browser, demo_server, demo_events, axe, theme):
    publish(demo_server, demo_events)
    browser.open(demo_server.page)
    browser.choose("#theme", theme)
    browser.until("!document.querySelector('#play').hidden")
    assert axe(browser) == []


def test_no_other_monitor_has_sound(server, demo_server):
    def get(running, path, **headers):
        request = urllib.request.Request(f"http://127.0.0.1:{running.port}{path}", headers=headers)
        return urllib.request.urlopen(request, timeout=20)

    with get(demo_server, "/demo/sound", Range="bytes=100-199") as part:
        assert (part.status, len(part.read())) == (206, 100)
    with get(demo_server, "/") as page:
        assert "media-src 'self'" in page.headers["Content-Security-Policy"]
    with get(server, "/") as page:
        assert "media-src" not in page.headers["Content-Security-Policy"]
    for path in ("/demo/sound", "/demo/words", "/static/demo.opus"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(server, path)
