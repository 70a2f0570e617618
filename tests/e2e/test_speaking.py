"""The microphone of the page, in real Chromium, which hears the demo conversation."""

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
import soundfile as sf
from chromium import chromium
from relay import Relay
from selenium.webdriver.common.keys import Keys
from services import serving

pytestmark = pytest.mark.e2e

SPEAKER = "livemoodPage.speaking.speaker"


@pytest.fixture(scope="module")
def service(model, tmp_path_factory):
    with serving(model, tmp_path_factory.mktemp("speaking")) as running:
        yield running


@pytest.fixture(scope="module")
def network(service):
    """What lies between the browser and the server."""
    with Relay(service.port) as relay:
        yield relay


@pytest.fixture(scope="module")
def one_speaking_browser(tmp_path_factory, demo_file):
    folder = tmp_path_factory.mktemp("voice")
    sound, rate = sf.read(demo_file, dtype="float32")
    sf.write(folder / "voice.wav", sound[:, 0], rate, subtype="PCM_16")
    flags = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={folder / 'voice.wav'}",
    )
    with chromium(folder / "profile", *flags) as browser:
        yield browser


@pytest.fixture
def browser(one_speaking_browser, network):
    """The browser on the page that one speaks into."""
    browser = one_speaking_browser
    browser.open(f"http://127.0.0.1:{network.port}/speak")
    browser.until("document.querySelectorAll('#speak-form option').length > 3")
    browser.errors()
    yield browser
    network.new = "flow"


def agree_and_start(browser):
    for box in ("consent", "all"):
        browser.find(f"[name={box}]").click()
    browser.find("#speak-form button").click()


def state(browser, name):
    browser.until(f"document.documentElement.dataset.state === '{name}'")


def hidden(browser, selector):
    return browser.js("return document.querySelector(arguments[0]).hidden", selector)


def stands(browser, name):
    """Wait until the page says that this is the state: it draws at the next frame."""
    browser.until(f"document.querySelector('#state').innerText === '{name}'")


def records(service):
    return [record for _, record in service.storage.sessions.find(limit=99)]


def ended(service):
    """The newest session, once it is written that it has ended."""
    opened = service.sessions.open(records(service)[0].id)
    assert opened is None or opened.settled.wait(30)
    return records(service)[0]


@pytest.mark.slow
def test_speaking_into_the_page_makes_a_timeline(browser, service, axe):
    browser.open(service.url)
    browser.until("document.querySelector('#speak:not([hidden])')")
    browser.find("#speak").click()
    browser.until("document.querySelectorAll('#speak-form option').length > 3")
    stands(browser, "not started")
    browser.find("#speak-form button").click()
    # Without consent nothing happens.
    assert hidden(browser, "#recording")
    browser.choose("[name=purpose]", "demonstration")
    browser.find("[name=name]").send_keys("Ada")
    agree_and_start(browser)
    browser.until("!document.querySelector('#recording').hidden")
    browser.until("livemoodPage.store.channels[0]?.emotion", 60)
    assert browser.text("[data-channel='0'] h2") == "Ada"
    assert axe(browser) == []
    sent = """
    const { socket } = livemoodPage.speaking.speaker;
    const send = socket.send.bind(socket);
    window.sent = [];
    socket.send = (data) => { sent.push(typeof data === "string" ? data : "sound"); send(data); };
    """
    browser.js(sent)
    browser.until("window.sent.length > 2")
    browser.find("#stop").click()
    assert hidden(browser, "#recording")
    state(browser, "ended")
    # The end is said once, and no sound after it.
    assert browser.js("return sent.filter((x) => x !== 'sound')") == ['{"type":"end"}']
    assert browser.js("return sent.at(-1)") == '{"type":"end"}'
    record = ended(service)
    assert (record.state, record.purpose, record.participants) == (
        "ended",
        "demonstration",
        ("Ada",),
    )
    assert "I agree" in record.consent
    assert record.keep_sound is False
    assert record.duration_ms > 1000
    assert browser.errors() == []
    # What is left is the way to the session, and to another one.
    assert hidden(browser, "#notice")
    assert axe(browser) == []
    assert browser.find("#spoken").get_attribute("href") == f"{service.url}/sessions/{record.id}"
    browser.find("#again").click()
    assert not hidden(browser, "#speak-form")
    assert browser.js("return document.querySelector('[name=consent]').checked") is False
    stands(browser, "not started")


@pytest.mark.slow
def test_the_sign_is_there_as_soon_as_the_microphone_is_on(browser, network, service):
    before = len(records(service))
    network.new = "hold"
    agree_and_start(browser)
    browser.until("!document.querySelector('#recording').hidden")
    assert hidden(browser, "#speak-form")
    state(browser, "connecting")
    browser.until(f"{SPEAKER}.socket?.readyState === 0")
    browser.find("#stop").click()
    state(browser, "ready")
    assert hidden(browser, "#recording")
    assert hidden(browser, "#notice")
    assert browser.js(f"return {SPEAKER}.stream.getTracks()[0].readyState") == "ended"
    assert not hidden(browser, "#speak-form")
    # The same, when nobody presses Stop.
    browser.later("(await import('/static/speak.js')).Speaker.patienceMs = 300")
    browser.find("#speak-form button").click()
    browser.until("document.querySelector('#notice').innerText.includes('does not answer')")
    state(browser, "ready")
    assert hidden(browser, "#recording")
    assert not hidden(browser, "#speak-form")
    assert len(records(service)) == before


@pytest.mark.slow
def test_a_broken_connection_is_told_in_words_and_one_can_start_again(browser, network, service):
    agree_and_start(browser)
    state(browser, "live")
    network.cut()
    state(browser, "ended")
    browser.until("document.querySelector('#notice').innerText.includes('connection')")
    assert "1006" not in browser.text("#notice")
    assert hidden(browser, "#recording")
    assert browser.js("return document.activeElement.id") == "again"
    (first,) = (r.id for r in records(service)[:1])
    assert browser.find("#spoken").get_attribute("href").endswith(f"/sessions/{first}")
    browser.find("#again").click()
    assert hidden(browser, "#notice")
    network.new = "bar"
    agree_and_start(browser)
    browser.until("document.querySelector('#notice').innerText.includes('cannot be reached')")
    state(browser, "ready")
    network.new = "flow"
    browser.find("#speak-form button").click()
    state(browser, "live")
    assert hidden(browser, "#notice")
    browser.find("#stop").click()
    state(browser, "ended")
    second = records(service)[0].id
    assert second != first
    assert browser.find("#spoken").get_attribute("href").endswith(f"/sessions/{second}")


@pytest.mark.slow
def test_who_leaves_the_page_has_stopped(browser, service):
    agree_and_start(browser)
    state(browser, "live")
    session = browser.js("return livemoodPage.store.session")
    browser.open(f"{service.url}/sessions/{session}")
    state(browser, "ended")
    assert ended(service).id == session
    assert ended(service).reason == "end"


@pytest.mark.slow
def test_a_network_that_is_too_slow_is_said_to_be(browser, service):
    agree_and_start(browser)
    state(browser, "live")
    browser.later("(await import('/static/speak.js')).Speaker.mostWaiting = -1")
    state(browser, "ended")
    assert "too slow" in browser.text("#notice")
    assert hidden(browser, "#recording")
    assert ended(service).reason == "end"


@pytest.mark.slow
def test_a_microphone_that_gives_nothing_is_said_to(browser):
    agree_and_start(browser)
    state(browser, "live")
    browser.js(f"{SPEAKER}.context.suspend()")
    browser.until("document.querySelector('#notice').innerText.includes('has paused')")
    browser.press(Keys.SHIFT)
    browser.until("document.querySelector('#notice').hidden")
    browser.js(f"{SPEAKER}.stream.getTracks()[0].dispatchEvent(new Event('mute'))")
    assert "is muted" in browser.text("#notice")
    browser.js(f"{SPEAKER}.stream.getTracks()[0].dispatchEvent(new Event('unmute'))")
    assert hidden(browser, "#notice")
    browser.js(f"{SPEAKER}.stream.getTracks()[0].dispatchEvent(new Event('ended'))")
    state(browser, "ended")
    assert "went away" in browser.text("#notice")
    assert browser.errors() == []


@pytest.mark.slow
def test_a_refusal_is_said_in_the_language_of_the_page_and_nobody_else_is_asked(
    browser, network, service, monkeypatch
):
    monkeypatch.setattr(service.sessions, "stopping", True)
    browser.requests()
    browser.driver.refresh()
    browser.until("document.querySelectorAll('#speak-form option').length > 3")
    agree_and_start(browser)
    browser.until("document.querySelector('#notice').innerText.includes('refuses')")
    assert browser.text("#notice") == "The server refuses: The server is being stopped."
    browser.choose("#language", "zh")
    assert browser.text("#notice") == "服务器拒绝：服务器正在停止。"
    state(browser, "ready")
    hosts = {url.split("/")[2] for url in browser.requests()}
    assert hosts == {f"127.0.0.1:{network.port}"}
    browser.choose("#language", "en")


def test_a_token_that_may_not_send_sound_is_said_not_to(browser, service):
    token = service.storage.tokens.create(("watch",), "watcher")
    browser.js("localStorage.setItem('livemood.token', arguments[0])", token)
    agree_and_start(browser)
    browser.until("document.querySelector('#notice').innerText.includes('may not send sound')")
    state(browser, "ready")
    browser.js("localStorage.setItem('livemood.token', 'wrong')")
    browser.find("#speak-form button").click()
    browser.until("document.querySelector('#token-dialog').open")
    assert hidden(browser, "#recording")
