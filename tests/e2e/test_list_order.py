"""The list of sessions: who sounds how, worst first; exports and uploads; in real Chromium."""

import json

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.common.keys import Keys
from services import ended_session, live_session, row, serving

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def service(model, tmp_path_factory):
    with serving(model, tmp_path_factory.mktemp("order")) as running:
        yield running


def test_the_one_who_sounds_worst_comes_first_and_rows_stay_while_somebody_is_there(
    browser, service
):
    browser.open(service.url)
    found = browser.later(
        """
        const { ordered } = await import("/static/order.js");
        const mood = (valence) => ({ label: "x", valence });
        const live = (id, ...values) => ({ id, state: "live", moods: values.map(mood) });
        const sessions = [
            { id: "old", state: "ended" }, live("fine", 0.4, 0.1), live("none"),
            { ...live("half"), moods: [null, mood(-0.2)] }, live("worst", 0.9, -0.6),
        ];
        const ids = (...about) => ordered(sessions, ...about).map(({ id }) => id);
        return [ids("worst"), ids("newest"), ids("worst", ["none", "old"])];
        """
    )
    assert found == [
        ["worst", "half", "fine", "none", "old"],
        ["old", "fine", "none", "half", "worst"],
        ["none", "old", "worst", "half", "fine"],
    ]


def test_a_live_session_says_who_sounds_how_and_for_how_long(browser, service, talk):
    with live_session(service, talk) as live:
        browser.open(service.url)
        sounds = f'document.querySelector("{row(live)} .sounds")?.textContent'
        browser.until(f"/(Ada|Brook) (\\w+ for \\d+ s|silent; last \\w+)/.test({sounds})")
        # Nothing comes any more: speech does not stay open, and no label looks current.
        browser.until(f"{sounds}.includes('silent; last') && !{sounds}.includes(' for ')")
    browser.until(f"document.querySelector(\"{row(live)} [data-state='ended']\")")


SAVED = """
window.saved = [];
URL.createObjectURL = (blob) => { saved.push(blob); return "#"; };
HTMLAnchorElement.prototype.click = function () { saved.push(this.download); };
"""


@pytest.mark.slow
def test_the_exports_menu_saves_each_form(browser, service, talk):
    session = ended_session(service, talk)
    browser.open(service.url)
    browser.until(f'document.querySelector("{row(session)} .exports")')
    browser.js(SAVED)
    browser.find(f"{row(session)} .exports summary").send_keys(Keys.ENTER)
    buttons = f"document.querySelectorAll('{row(session).replace(chr(39), chr(34))} .menu button')"
    assert browser.js(f"return {buttons}.length") == 6
    for n, form in enumerate(("json", "jsonl", "csv", "vtt", "emotionml"), 1):
        browser.js(f"saved.length = 0; {buttons}[{n}].click()")
        browser.until("saved.length === 2")
        text = browser.later("return await saved[0].text()")
        assert browser.js("return saved[1]") == f"{session}.{form}"
        assert len(text) > 100
        if form == "json":
            assert json.loads(text)
    browser.press(Keys.ESCAPE)
    browser.until(f'!document.querySelector("{row(session)} .exports").open')
    assert browser.errors() == []


@pytest.mark.slow
def test_a_recording_is_uploaded(browser, service, demo_file, axe):
    browser.open(service.url)
    browser.until("!document.querySelector('#upload-open').hidden")
    browser.find("#upload-open").click()
    browser.until("document.querySelectorAll('#upload [name=purpose] option').length > 3")
    assert browser.errors() == []
    assert axe(browser) == []  # which itself breaks the policy, and is told so
    browser.find("#upload [name=file]").send_keys(str(demo_file))
    browser.find("#upload [name=names]").send_keys("Clinic, Caller")
    browser.choose("#upload [name=purpose]", "demonstration")
    browser.find("#upload [name=informed]").send_keys(Keys.SPACE)
    browser.find("#upload .primary").send_keys(Keys.ENTER)
    named = "[...document.querySelectorAll('[data-session]')]"
    named += ".find((row) => row.querySelector('.open').innerText === 'Clinic, Caller')"
    browser.until(named)
    browser.until("document.querySelector('#upload').hidden")


@pytest.mark.slow
def test_what_is_no_recording_is_refused_in_words(browser, service, tmp_path):
    path = tmp_path / "notes.wav"
    path.write_bytes(b"no sound at all" * 99)
    browser.open(service.url)
    browser.until("!document.querySelector('#upload-open').hidden")
    browser.find("#upload-open").click()
    browser.find("#upload [name=file]").send_keys(str(path))
    browser.until("document.querySelectorAll('#upload [name=purpose] option').length > 3")
    browser.choose("#upload [name=purpose]", "demonstration")
    browser.find("#upload [name=informed]").send_keys(Keys.SPACE)
    browser.find("#upload .primary").send_keys(Keys.ENTER)
    browser.until("!document.querySelector('#notice').hidden")
    assert browser.text("#notice")
    assert not browser.js("return document.querySelector('#upload').hidden")
