"""The pages of a server of many sessions, in real Chromium."""

import re
from contextlib import suppress

import httpx
import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from relay import Relay
from services import ended_session, live_session, row, serving
from test_page_view import DRAWN
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.e2e

NASTY = '<img src=x onerror="window.hacked=1">'


@pytest.fixture
def service(model, tmp_path):
    with serving(model, tmp_path / "data") as running:
        yield running


def test_the_list_shows_sessions_as_they_are_and_filters_them(browser, service, talk):
    browser.open(service.url)
    browser.until("!document.querySelector('#empty').hidden")
    ended = ended_session(service, talk, purpose="personal", names=(NASTY, "x"))
    with live_session(service, talk) as live:
        browser.until(f"document.querySelector(\"{row(live)} [data-state='live']\")")
        browser.until(f"document.querySelector(\"{row(ended)} [data-state='ended']\")")
        assert NASTY in browser.text(f"{row(ended)} th")
        assert browser.js("return window.hacked ?? null") is None
        browser.choose("[name=state]", "live")
        browser.until("document.querySelectorAll('[data-session]').length === 1")
        assert browser.text(f"{row(live)} .purpose") == "demonstration"
        browser.choose("[name=state]", "")
        browser.find("[name=q]").send_keys("Brook")
        browser.until("document.querySelectorAll('[data-session]').length === 1")
        browser.find("[name=q]").send_keys("nobody")
        browser.until("document.querySelector('#empty').innerText === 'No session matches.'")
        browser.choose("[name=q]", "")
        browser.choose("[name=purpose]", "personal")
        browser.until(f'document.querySelector("{row(ended)}")')
    assert browser.errors() == []


@pytest.mark.slow
def test_a_session_is_deleted_after_a_question(browser, service, talk):
    kept, gone = (ended_session(service, talk) for _ in range(2))
    browser.open(service.url)
    browser.until("document.querySelectorAll('[data-session]').length === 2")
    browser.find(f"{row(gone)} .delete").click()
    browser.until("document.querySelector('#delete-dialog').open")
    browser.find("#delete-dialog [value=no]").click()
    assert len(service.storage.sessions.find(limit=9)) == 2
    browser.find(f"{row(gone)} .delete").click()
    browser.find("#delete-dialog [value=yes]").click()
    browser.until("document.querySelectorAll('[data-session]').length === 1")
    assert [record.id for _, record in service.storage.sessions.find(limit=9)] == [kept]


@pytest.mark.slow
def test_a_session_has_its_page_also_when_it_has_ended(browser, service, talk):
    with live_session(service, talk) as session:
        browser.open(f"{service.url}/sessions/{session}")
        browser.until("globalThis.livemoodPage?.store.channels[0]?.emotion")
        browser.until("document.querySelector(\"[data-channel='0'] h2\")?.innerText === 'Ada'")
        browser.until("document.documentElement.dataset.state === 'live'")
        browser.find("#marker-form input").send_keys("a note <b>of mine</b>")
        browser.find("#marker-form button").click()
        browser.until("livemoodPage.store.markers.length === 1")
    browser.until("document.documentElement.dataset.state === 'ended'")
    browser.driver.refresh()
    browser.until("globalThis.livemoodPage?.store.ended")
    assert browser.js("return livemoodPage.store.markers[0].note") == "a note <b>of mine</b>"
    assert browser.js("return livemoodPage.feed.missed") == 0
    browser.open(f"{service.url}/v1/sessions/{session}/report?language=zh")
    assert "Ada" in browser.text("body")
    assert "a note <b>of mine</b>" in browser.text("body")
    assert "愤怒" in browser.text("body")


@pytest.mark.slow
def test_its_page_survives_a_restart_of_the_server(browser, model, tmp_path, talk):
    with serving(model, tmp_path / "data") as service:
        session = ended_session(service, talk)
        browser.open(f"{service.url}/sessions/{session}")
        browser.until("globalThis.livemoodPage?.store.ended")
        port = service.port
        browser.open(f"{service.url}/")
        browser.until(f'document.querySelector("{row(session)}")')
    browser.until("!document.querySelector('#notice').hidden")
    with serving(model, tmp_path / "data", port) as again:
        browser.until("document.querySelector('#notice').hidden")
        with live_session(again, talk) as live:
            browser.until(f"document.querySelector(\"{row(live)} [data-state='live']\")")
            count = "document.querySelectorAll('[data-session]').length"
            assert browser.js(f"return {count}") == 2


@pytest.mark.slow
def test_a_token_is_asked_for_and_kept_out_of_addresses(browser, service, talk):
    token = service.storage.tokens.create(("manage", "watch", "ingest"), "page")
    session = ended_session(service, talk, token=token)
    browser.open(service.url)
    browser.until("document.querySelector('#token-dialog').open")
    # What no header can carry is refused at once, and does no harm where it was kept.
    browser.find("[name=token]").send_keys("“pasted”")
    browser.find("[value=use]").click()
    browser.until("document.querySelector('.why')?.innerText.includes('does not accept')")
    browser.js("localStorage.setItem('livemood.token', 'a/b= “c”')")
    browser.driver.refresh()
    browser.until("document.querySelector('#token-dialog').open")
    browser.find("[name=token]").send_keys("wrong")
    browser.find("[value=use]").click()
    browser.until("document.querySelector('.why')?.innerText.includes('does not accept')")
    browser.find("[name=token]").clear()
    browser.find("[name=token]").send_keys(token)
    browser.find("[value=use]").click()
    browser.until(f'document.querySelector("{row(session)}")')
    browser.requests()
    browser.find(f"{row(session)} a").click()
    browser.until("globalThis.livemoodPage?.store.ended")
    asked = browser.requests()
    assert any(url.startswith("ws:") for url in asked)
    assert not any(token in url for url in asked)
    assert {re.sub(r"^\w+://([^/]+)/.*$", r"\1", url) for url in asked} == {
        f"127.0.0.1:{service.port}"
    }
    browser.js("sessionStorage.clear()")
    browser.driver.refresh()
    browser.until("document.querySelector('#token-dialog').open")


@pytest.mark.slow
def test_a_session_that_is_gone_is_said_to_be_gone(browser, service):
    browser.open(f"{service.url}/sessions/0123456789abcdef")
    browser.until("document.querySelector('#notice').innerText.includes('no such session')")
    browser.open(f"{service.url}/sessions/%E0%A4%A")
    browser.until("document.querySelector('#notice').innerText.includes('no such session')")


@pytest.mark.slow
def test_what_is_said_is_said_in_the_language_that_is_chosen(browser, service):
    browser.open(f"{service.url}/sessions/0123456789abcdef")
    browser.until("document.querySelector('#notice').innerText.includes('no such session')")
    browser.choose("#language", "zh")
    assert browser.text("#notice") == "该会话已不存在。"
    for code, words in (("idle", "长时间没有声音，会话已结束。"), ("unheard_of", "as it is")):
        browser.later(
            "livemoodPage.take({ type: 'error', seq: null, code: args[0], message: 'as it is' })",
            code,
        )
        browser.until(f"document.querySelector('#notices').innerText.endsWith('{words}')")


@pytest.mark.slow
def test_a_report_of_a_server_that_is_away_or_of_a_session_that_was_deleted(browser, service, talk):
    session = ended_session(service, talk)
    with Relay(service.port) as relay:
        browser.open(f"http://127.0.0.1:{relay.port}/sessions/{session}")
        browser.until("globalThis.livemoodPage?.store.ended")
        browser.until("!document.querySelector('#report').hidden")
        relay.new = "bar"
        relay.cut()
        browser.find("#report").click()
        browser.until("!document.querySelector('#notice').hidden")
        assert browser.text("#notice") == "The server cannot be reached."
        relay.new = "flow"
        httpx.delete(f"{service.url}/v1/sessions/{session}").raise_for_status()
        tabs = len(browser.driver.window_handles)
        # By script: a page that has just looked the session up hides the button, and says the same.
        browser.js("document.querySelector('#report').click()")
        browser.until("document.querySelector('#notice').innerText.includes('no such session')")
        assert len(browser.driver.window_handles) == tabs


@pytest.mark.slow
def test_a_session_that_somebody_else_deletes_is_gone_from_its_page(browser, service, talk):
    with suppress(ConnectionClosed), live_session(service, talk) as session:
        browser.open(f"{service.url}/sessions/{session}")
        browser.until("document.documentElement.dataset.state === 'live'")
        browser.until("!document.querySelector('#report').hidden")
        httpx.delete(f"{service.url}/v1/sessions/{session}").raise_for_status()
        browser.until("document.querySelector('#notice').innerText.includes('no such session')")
        browser.until("document.querySelector('#report').hidden")
        assert browser.js("return document.querySelector('#delete').hidden")


@pytest.mark.slow
def test_the_list_has_its_title_in_both_languages_and_a_way_past_its_head(browser, service):
    browser.open(service.url)
    browser.until("document.title === 'Sessions · livemood'")
    browser.choose("#language", "zh")
    assert browser.js("return document.title") == "会话 · livemood"
    assert browser.text(".skip") == "跳到会话列表"
    browser.js("document.querySelector('.skip').click()")
    browser.until("document.activeElement === document.querySelector('#main')")


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_no_violation(browser, service, talk, axe, theme):
    session = ended_session(service, talk)
    for path in ("/", f"/sessions/{session}", "/speak", "report"):
        if path == "report":
            browser.open(f"{service.url}/v1/sessions/{session}/report")
            assert axe(browser) == []
            continue
        browser.open(service.url + path)
        browser.until("typeof document.querySelector('#theme')?.onchange === 'function'")
        browser.choose("#theme", theme)
        if path == "/":
            browser.until("document.querySelector('[data-session]')")
        else:
            if path != "/speak":
                browser.until("document.querySelector('.panel')")
            browser.until("!!globalThis.livemoodPage")
            browser.later(DRAWN)
        assert axe(browser) == [], path
        for dialog in ("#token-dialog", "#delete-dialog" if path == "/" else "#token-dialog"):
            browser.js("document.querySelector(arguments[0]).showModal()", dialog)
            assert axe(browser) == [], (path, dialog)
            browser.js("document.querySelector(arguments[0]).close()", dialog)
