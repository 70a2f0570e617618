"""The list of sessions while somebody works with it, in real Chromium."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
import httpx
from relay import Relay
from services import ended_session, live_session, row, serving

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def service(model, tmp_path_factory):
    with serving(model, tmp_path_factory.mktemp("list")) as running:
        yield running


def look_again(browser):
    """The list asks at once when the page is looked at again."""
    browser.js("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.mark.slow
def test_rows_of_live_sessions_stay_while_they_change(browser, service, talk):
    with live_session(service, talk) as live:
        browser.open(service.url)
        browser.until(f"document.querySelector(\"{row(live)} [data-state='live']\")")
        browser.js(
            "const row = document.querySelector(arguments[0]);"
            "const parts = [...row.querySelectorAll('*')];"
            # What it sounds like is made anew when that changes.
            "window.kept = [row, ...parts.filter((part) => !part.closest('.sound'))];"
            "row.querySelector('.delete').focus();"
            "getSelection().selectAllChildren(row.querySelector('.open'));",
            row(live),
        )
        before = browser.text(f"{row(live)} .duration")
        browser.until(f'document.querySelector("{row(live)} .duration").innerText !== "{before}"')
        assert browser.js("return kept.every((element) => element.isConnected)")
        assert browser.js("return document.activeElement.className") == "delete"
        assert browser.js("return getSelection().toString()") == "Ada, Brook"
        # The question says which session it is about, and that it is live.
        browser.find(f"{row(live)} .delete").click()
        browser.until("document.querySelector('#delete-dialog').open")
        question = browser.text("#delete-dialog")
        browser.find("#delete-dialog [value=no]").click()
    started = browser.text(f"{row(live)} .started")
    assert "Ada, Brook" in question
    assert f"Begun {started}." in question
    assert "It is live" in question
    browser.until(f"document.querySelector(\"{row(live)} [data-state='ended']\")")
    browser.find(f"{row(live)} .delete").click()
    assert "It is live" not in browser.text("#delete-dialog")


@pytest.mark.slow
def test_a_session_is_deleted_from_its_own_page(browser, service, talk):
    kept, gone = (ended_session(service, talk) for _ in range(2))
    browser.open(f"{service.url}/sessions/{gone}")
    browser.until("globalThis.livemoodPage?.store.ended")
    browser.find("#delete").click()
    browser.until("document.querySelector('#delete-dialog').open")
    assert "Ada, Brook" in browser.text("#delete-dialog")
    browser.find("#delete-dialog [value=yes]").click()
    browser.until(f'document.querySelector("{row(kept)}")')
    assert browser.js("return location.pathname") == "/"
    assert not browser.js(f'return document.querySelector("{row(gone)}")')
    assert gone not in [record.id for _, record in service.storage.sessions.find(limit=99)]
    assert browser.errors() == []


def test_states_ends_and_purposes_are_words(browser, service, talk):
    for q in range(2):
        about = {"kind": "stream", "purpose": "customer-care", "informed": True}
        made = httpx.post(f"{service.url}/v1/sessions", json=about).json()["id"]
        if q == 0:
            httpx.post(f"{service.url}/v1/sessions/{made}/end")
            unused = made
    browser.open(service.url)
    browser.until(f'document.querySelector("{row(made)}")')
    assert browser.text(f"{row(made)} .purpose") == "customer care"
    assert browser.text(f"{row(made)} .state").strip() == "waiting for sound"
    assert browser.text(f"{row(made)} th") == "Sound over the network"
    assert "no sound came" in browser.text(f"{row(unused)} .state")
    browser.choose("#language", "zh")
    browser.until(f'document.querySelector("{row(made)} .purpose").innerText === "客户服务"')
    options = "[...document.querySelectorAll('[name=purpose] option')].map((o) => o.text)"
    assert "客户服务" in browser.js(f"return {options}")
    assert "没有收到声音" in browser.text(f"{row(unused)} .state")
    browser.choose("[name=state]", "waiting")
    browser.until("document.querySelectorAll('[data-session]').length === 1")


def test_what_is_typed_is_searched_for_when_typing_pauses(browser, service, talk):
    ended_session(service, talk)
    browser.open(service.url)
    browser.until("document.querySelector('[data-session]')")
    browser.requests()
    browser.js(
        "const field = document.querySelector('[name=q]');"
        "for (const letter of 'nobody') {"
        "  field.value += letter;"
        "  field.dispatchEvent(new Event('input', { bubbles: true }));"
        "}"
    )
    browser.until("document.querySelector('#empty').innerText === 'No session matches.'")
    asked = [url.split("q=")[1] for url in browser.requests() if "q=" in url]
    assert set(asked) == {"nobody"}


ALERTS = """
window.alerts = [];
new MutationObserver((all) => { for (const each of all) alerts.push(each.type); })
    .observe(document.querySelector("#notice"),
             { childList: true, characterData: true, subtree: true, attributes: true });
window.answers = 0;
const asked = window.fetch;
window.fetch = (...about) => asked(...about).finally(() => { answers += 1; });
"""


@pytest.mark.slow
def test_a_server_that_is_away_is_told_once(browser, service, talk):
    with Relay(service.port) as network:
        browser.open(f"http://127.0.0.1:{network.port}/")
        browser.until("document.querySelector('#version').innerText !== ''")
        network.new = "bar"
        network.cut()
        look_again(browser)
        browser.until("document.querySelector('#notice').innerText.includes('be reached')")
        browser.js(ALERTS)
        for count in (1, 2, 3):
            look_again(browser)
            browser.until(f"window.answers >= {count}")
        assert browser.js("return alerts") == []
        network.new = "flow"
        browser.until("document.querySelector('#notice').hidden")


@pytest.mark.slow
def test_after_a_refused_token_the_list_goes_on_asking(browser, model, tmp_path, talk):
    with serving(model, tmp_path / "data") as service, Relay(service.port) as network:
        browser.open(f"http://127.0.0.1:{network.port}/")
        browser.until("!document.querySelector('#empty').hidden")
        assert not browser.js("return document.querySelector('#token-dialog').open")
        network.new = "bar"
        network.cut()
        browser.until("document.querySelector('#notice').innerText.includes('be reached')")
        # Meanwhile the server has come to ask for tokens.
        token = service.storage.tokens.create(("manage", "watch", "ingest"), "page")
        session = ended_session(service, talk, token=token)
        network.new = "flow"
        browser.until("document.querySelector('#token-dialog').open")
        browser.find("#token-dialog .cancel").click()
        assert "asks for a token" in browser.text("#notice")
        assert not browser.js("return document.querySelector('#token-button').hidden")
        # Said in another tab, perhaps; nothing is pressed here.
        browser.js("localStorage.setItem('livemood.token', arguments[0])", token)
        browser.until(f'document.querySelector("{row(session)}")')
        browser.until("document.querySelector('#notice').hidden")
        assert not browser.js("return document.querySelector('#token-dialog').open")


def test_only_the_page_that_one_speaks_into_may_have_the_microphone(service):
    def policy(path):
        return httpx.get(service.url + path).headers["Permissions-Policy"]

    assert "microphone=(self)" in policy("/speak")
    for path in ("/", "/sessions/x", "/static/live.js"):
        assert "microphone=()" in policy(path)


class Desk(BaseHTTPRequestHandler):
    """A receiver of alerts that takes everything."""

    def do_POST(self):
        self.server.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_alerts_are_tried_from_the_page(browser, model, tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Desk) as desk:
        desk.bodies = []
        threading.Thread(target=desk.serve_forever, daemon=True).start()
        rules = tmp_path / "alerts.toml"
        webhook = '[[webhooks]]\nname = "{}"\nurl = "http://127.0.0.1:{}/"\n'
        webhook += f'secret = {{{{file = "{tmp_path}/secret"}}}}\n'
        (tmp_path / "secret").write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # taken, and nobody listens
            nobody = closed.getsockname()[1]
            rules.write_text(
                webhook.format("desk", desk.server_port) + webhook.format("away", nobody)
            )
            with serving(model, tmp_path / "data", alerts=rules) as watched:
                browser.open(watched.url)
                browser.until("!document.querySelector('#alerts-test').hidden")
                browser.find("#alerts-test").click()
                browser.until(
                    "document.querySelector('#alerts-tested').textContent.includes('away')"
                )
                said = browser.text("#alerts-tested")
        desk.shutdown()
    assert said.startswith("desk: the test message arrived.")
    assert "away: " in said
    assert len(desk.bodies) == 1
