"""Keys and pointers on the live page, wherever the focus is; in real Chromium."""

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from test_page_view import DRAWN, hour, show, until_ms

pytestmark = pytest.mark.e2e
__all__ = ["hour"]

SPAN = "livemoodPage.view.spanMs"


@pytest.mark.parametrize(
    "focus",
    [
        "body",
        *(
            pytest.param(other, marks=pytest.mark.slow)
            for other in ("#report", "input[name=range]", "#main", "#home")
        ),
    ],
)
def test_keys_zoom_wherever_the_focus_is(browser, server, hour, focus):
    show(browser, server, until_ms(hour, 60_000))
    browser.js("document.querySelector(arguments[0]).focus()", focus)
    browser.press("-")
    browser.until(f"{SPAN} === 600_000")
    browser.press("+", "+")
    browser.until(f"{SPAN} === 60_000")


@pytest.mark.parametrize(
    "focus",
    [
        "body",
        *(
            pytest.param(other, marks=pytest.mark.slow)
            for other in ("input[name=range]", "#pause", "#main")
        ),
    ],
)
def test_space_pauses_wherever_the_focus_is(browser, server, hour, focus):
    show(browser, server, until_ms(hour, 60_000))
    browser.js("document.querySelector(arguments[0]).focus()", focus)
    browser.press(Keys.SPACE)
    browser.until("!livemoodPage.view.live && !document.querySelector('#paused').hidden")
    browser.press(Keys.SPACE)
    browser.until("livemoodPage.view.live")


def test_who_types_or_presses_a_button_moves_nothing(browser, server, hour):
    show(browser, server, until_ms(hour, 60_000))
    browser.js(
        "const form = document.querySelector('#marker-form');"
        "form.hidden = false;"
        "Object.defineProperty(form, 'hidden', { set() {}, get: () => false });"
    )
    field = browser.find("#marker-form input")
    field.send_keys("a - b + c")
    assert browser.js("return arguments[0].value", field) == "a - b + c"
    browser.find("#probabilities summary").send_keys(Keys.SPACE)
    browser.until("document.querySelector('#probabilities').open")
    assert browser.js(f"return [livemoodPage.view.live, {SPAN}]") == [True, 120_000]


@pytest.mark.slow
def test_keys_may_be_turned_off_everywhere_but_on_the_timeline(browser, server, hour):
    show(browser, server, until_ms(hour, 60_000))
    browser.find("#keys").send_keys(Keys.SPACE)
    browser.js("document.querySelector('#main').focus()")
    browser.press("-", Keys.SPACE)
    assert browser.js(f"return [livemoodPage.view.live, {SPAN}]") == [True, 120_000]
    browser.js("livemoodPage.stage.canvas.focus()")
    browser.press("-", Keys.SPACE)
    browser.until(f"!livemoodPage.view.live && {SPAN} === 600_000")
    browser.driver.refresh()
    browser.until("globalThis.livemoodPage && !document.querySelector('#keys').checked")


def test_the_cursor_snaps_to_a_reading_and_one_box_says_all(browser, server, hour):
    show(browser, server, until_ms(hour, 110_000))
    browser.find("#pause").click()
    browser.later(DRAWN)
    reading = [e for e in hour if e["type"] == "emotion" and 30_000 < e["end_ms"] < 60_000][20]
    x, width = browser.js(
        "const { timeline } = livemoodPage.stage;"
        + "return [timeline.x(arguments[0]), timeline.width]",
        reading["end_ms"],
    )
    canvas = browser.find("#timeline")
    browser.js("arguments[0].scrollIntoView({ block: 'center' })", canvas)
    for shift in (-1, 0, 1):
        move = ActionChains(browser.driver)
        move.move_to_element_with_offset(canvas, round(x - width / 2) + shift, 0).perform()
        browser.until("!document.querySelector('#tip').hidden")
        at = browser.js("return livemoodPage.view.cursorMs")
        assert at in {e["end_ms"] for e in hour if e["type"] == "emotion"}
        assert abs(at - reading["end_ms"]) <= 500
    lines = browser.text("#tip").split("\n")
    assert [line.split(":")[0] for line in lines[-2:]] == ["Ada", "Brook"]
    name = ("Ada", "Brook")[reading["channel"]]
    line = next(line for line in lines if line.startswith(name))
    near = [e for e in hour if e["type"] == "emotion" and e["end_ms"] == at]
    assert near[0]["label"] in line
    assert f"{near[0]['confidence']:.0%}" in line
    assert len(browser.driver.find_elements("css selector", ".tip:not([hidden])")) == 1
