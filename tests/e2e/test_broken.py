"""Servers and networks that break under those who watch: the page, and the client in Python."""

import asyncio
import json
import shutil
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from chromium import before_each_page
from relay import Relay
from services import START, ended_session, serving
from typer.testing import CliRunner
from websockets.sync.client import connect as open_socket

from livemood.cli.main import app
from livemood.client import connect
from livemood.server import ServerThread
from livemood.server.storage.interface import StorageError
from livemood.timeline.events import parse_event

pytestmark = pytest.mark.e2e

IMPATIENT = """
const later = window.setTimeout;
window.setTimeout = (task, ms, ...about) => later(task, ms === 15000 ? 500 : ms, ...about);
"""
"""After half a second, not fifteen, the page asks whether a silent server is there."""


@contextmanager
def killed(model, tmp_path, unwritten):
    """A server, killed when so many events of a session had been handed out and not yet written.

    Gives the session's id, what lies between it and those who watch, and a function that kills the
    server, runs it anew on what was left on disk, and is a context.
    """
    with ExitStack() as stack:
        service = stack.enter_context(serving(model, tmp_path / "data"))
        relay = stack.enter_context(Relay(service.port))
        url = service.url.replace("http", "ws", 1) + "/v1/stream"
        socket = stack.enter_context(open_socket(url))
        socket.send(json.dumps({**START, "purpose": "demonstration"}))
        session = parse_event(socket.recv()).session
        note(socket, 2)
        assert service.storage.writer.flush()
        service.storage.writer.put = lambda *_: None  # what follows is still to be written
        note(socket, unwritten)

        @contextmanager
        def again():
            relay.new = "bar"
            relay.cut()
            shutil.copytree(service.storage.database.path.parent, tmp_path / "left")
            socket.close()
            service.__exit__()
            with serving(model, tmp_path / "left", service.port) as new:
                relay.new = "flow"
                yield new

        yield session, relay, again


def note(socket, count):
    for n in range(count):
        socket.send(json.dumps({"type": "marker", "note": f"note {n}"}))
        assert parse_event(socket.recv()).type == "marker"


@pytest.mark.parametrize("unwritten", [0, 1, 2])
def test_the_client_survives_a_server_that_was_killed_before_it_wrote(model, tmp_path, unwritten):
    async def follow(url, had, enough):
        async for event in connect(url):
            had.append(event)
            if len(had) == 3 + unwritten:
                enough.set()

    async def story():
        had, enough = [], asyncio.Event()
        with killed(model, tmp_path, unwritten) as (session, relay, again):
            url = f"ws://127.0.0.1:{relay.port}?session={session}"
            following = asyncio.create_task(follow(url, had, enough))
            await asyncio.wait_for(enough.wait(), 30)
            with again():
                await asyncio.wait_for(following, 30)
        return had

    had = asyncio.run(story())
    numbered = [event.seq for event in had if event.seq is not None]
    assert numbered == [*range(1, 4 + unwritten), 4]
    assert had[-1].type == "session.ended"
    lost = [(event.code, event.count) for event in had if event.seq is None]
    assert lost == ([("rewound", unwritten)] if unwritten else [])


@pytest.mark.slow
@pytest.mark.parametrize("unwritten", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_page_survives_a_server_that_was_killed_before_it_wrote(
    browser, model, tmp_path, unwritten
):
    with killed(model, tmp_path, unwritten) as (session, relay, again):
        browser.open(f"http://127.0.0.1:{relay.port}/sessions/{session}")
        browser.until(f"globalThis.livemoodPage?.store.taken === {3 + unwritten}")
        with again() as service:
            browser.until("livemoodPage.store.ended && livemoodPage.feed.state === 'ended'")
            browser.until("document.querySelector('#notices li')")
            assert f"newest {unwritten} events" in browser.text("#notices")
            assert browser.js("return [livemoodPage.feed.seq, livemoodPage.feed.missed]") == [4, 0]
            kept = service.storage.read(session)
            assert [seq for seq, _ in kept] == [1, 2, 3, 4]
            assert browser.js("return document.querySelector('#notice').hidden")


def sockets(browser):
    return [url for url in browser.requests() if url.startswith("ws:")]


def pass_by(browser, ms):
    browser.later("await new Promise((over) => setTimeout(over, args[0]))", ms)


@pytest.mark.slow
def test_a_session_to_which_no_sound_came_has_ended_too(browser, model, tmp_path):
    with serving(model, tmp_path) as service, httpx.Client(base_url=service.url) as http:
        wish = {"kind": "stream", "purpose": "personal", "informed": True}
        session = http.post("/v1/sessions", json=wish).json()["id"]
        browser.open(f"{service.url}/sessions/{session}")
        browser.until("globalThis.livemoodPage?.feed.state === 'live'")
        http.post(f"/v1/sessions/{session}/end").raise_for_status()
        browser.until("livemoodPage.feed.state === 'ended'")
        assert browser.text("#notice") == "The session ended. No sound came."
        sockets(browser)
        pass_by(browser, 1000)
        assert sockets(browser) == []

        async def client():
            url = f"{service.url.replace('http', 'ws', 1)}?session={session}"
            return [event async for event in connect(url)]

        assert asyncio.run(asyncio.wait_for(client(), 10)) == []
        url = f"{service.url.replace('http', 'ws', 1)}?session={session}"
        watched = CliRunner().invoke(app, ["watch", url, "--json"])
        assert (watched.exit_code, watched.stdout) == (0, "")
        assert watched.stderr == "the session has ended; nothing came\n"


def test_a_server_that_cannot_now_is_asked_again(browser, model, tmp_path, talk, monkeypatch):
    with serving(model, tmp_path) as service:
        session = ended_session(service, talk)
        kept, asked = service.storage.events, []
        read = kept.read

        def failing(*about):
            asked.append(about)
            if len(asked) < 3:
                raise StorageError("the timeline cannot be read")
            return read(*about)

        monkeypatch.setattr(kept, "read", failing)
        browser.open(f"{service.url}/sessions/{session}")
        browser.until("globalThis.livemoodPage?.feed.state === 'ended'")
        assert browser.js("return livemoodPage.store.ended.reason") == "end"
        assert len(asked) == 3


@pytest.mark.slow
def test_who_takes_connections_and_drops_them_is_asked_less_and_less(browser, demo_events):
    with ServerThread(0) as server, Relay(server.port) as relay:
        server.publish(demo_events[0])
        browser.open(f"http://127.0.0.1:{relay.port}/")
        browser.until("globalThis.livemoodPage?.store.taken === 1")
        sockets(browser)
        relay.new = "drop"
        relay.cut()
        pass_by(browser, 3000)
        assert 2 <= len(sockets(browser)) <= 5
        relay.new = "flow"
        server.publish(demo_events[1])
        browser.until("livemoodPage.store.taken === 2")
        browser.until("livemoodPage.feed.state === 'live'")


@pytest.mark.slow
def test_a_connection_that_died_without_a_word_is_made_anew(browser, demo_events):
    with ServerThread(0) as server, Relay(server.port) as relay:
        for event in demo_events[:20]:
            server.publish(event)
        with before_each_page(browser, IMPATIENT):
            browser.open(f"http://127.0.0.1:{relay.port}/")
            browser.until("globalThis.livemoodPage?.store.taken === 20")
            browser.requests()
            pass_by(browser, 2000)
            asked = browser.requests()
            assert any(url.endswith("/healthz") for url in asked)
            assert not [url for url in asked if url.startswith("ws:")], "silence is no fault"
            relay.new, relay.swallows = "hold", True
            for event in demo_events[20:40]:
                server.publish(event)
            browser.until("document.documentElement.dataset.state === 'waiting'")
            assert browser.js("return livemoodPage.store.taken") == 20
            relay.new, relay.swallows = "flow", False
            browser.until("livemoodPage.store.taken === 40")
            browser.until("document.documentElement.dataset.state === 'live'")
            assert browser.js("return livemoodPage.feed.missed") == 0
