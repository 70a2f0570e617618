"""What the page's parts do where a session does not show it, in real Chromium."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from chromium import before_each_page
from selenium.webdriver.common.action_chains import ActionChains

from livemood.server.monitor.page import ASSETS, STATIC

pytestmark = pytest.mark.e2e


class Doorkeeper(BaseHTTPRequestHandler):
    """A reverse proxy that lets the files through, and nobody else; at first it is out of order."""

    asked = 0
    types = MappingProxyType({".html": "text/html", ".js": "text/javascript", ".css": "text/css"})

    def do_GET(self):
        name = self.path.rpartition("/")[2] or "sessions.html"
        found = [folder / name for folder in (STATIC, ASSETS) if (folder / name).is_file()]
        Doorkeeper.asked += self.path.startswith("/v1")
        self.send_response(200 if found else 502 if Doorkeeper.asked == 1 else 403)
        body = found[0].read_bytes() if found else b"{}"
        kind = self.types.get(found[0].suffix if found else "", "application/json")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


WATCH_TIMERS = """
window.timers = 0;
const later = window.setTimeout;
window.setTimeout = (...about) => { timers += 1; return later(...about); };
"""


def test_what_a_server_refuses_is_not_asked_again_and_a_token_can_be_given(browser):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Doorkeeper)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with before_each_page(browser, WATCH_TIMERS):
        browser.open(f"http://127.0.0.1:{server.server_port}/")
        browser.until("document.querySelector('#notice').innerText === 'Bad Gateway'")
        assert browser.js("return timers") == 1
        browser.until("document.querySelector('#notice').innerText.includes('may not do that')")
        browser.until("!document.querySelector('#token-button').hidden")
        assert browser.js("return timers") == 1
        browser.find("#token-button").click()
        assert browser.js("return document.querySelector('#token-dialog').open")
        assert Doorkeeper.asked == 2
    server.shutdown()
    server.server_close()


def test_labels_are_learnt_from_the_first_reading(browser, server, demo_events):
    events = [e for e in demo_events if e.channel is not None]
    assert events[0].type == "speech.started"
    browser.open(server.page)
    found = browser.later(
        """
        const { Store } = await import("/static/store.js");
        const store = new Store();
        for (const event of args[0]) store.take(event, 0);
        const said = (c) => c.raw.map((reading) => c.labels[reading.label] ?? "uncertain");
        return store.channels.map((c) => [c.labels, said(c), c.speech.length]);
        """,
        [e.model_dump(mode="json") for e in events],
    )
    assert len(found) == 2
    for channel, (labels, said, speech) in enumerate(found):
        assert set(labels) == set(demo_events[0].model.labels)
        own = [e for e in events if e.channel == channel]
        assert said == [e.label for e in own if e.type == "emotion"]
        assert speech == sum(e.type == "speech.started" for e in own)


def listeners(browser, selector):
    """How many event listeners there are on an element."""
    cdp = browser.driver.execute_cdp_cmd
    found = cdp("Runtime.evaluate", {"expression": f"document.querySelector({selector!r})"})
    about = {"objectId": found["result"]["objectId"]}
    return len(cdp("DOMDebugger.getEventListeners", about)["listeners"])


@pytest.mark.slow
def test_dragging_leaves_no_listeners(browser, server, synthetic):
    for event in list(synthetic(240))[:-1]:
        server.publish(event)
    browser.open(server.page)
    browser.until("globalThis.livemoodPage?.now() > 200000")
    browser.until("Boolean(livemoodPage.stage.timeline)")
    before = listeners(browser, "#timeline")
    assert before > 3
    canvas = browser.find("#timeline")
    for _ in range(3):
        ActionChains(browser.driver).drag_and_drop_by_offset(canvas, 60, 0).perform()
    browser.until("!livemoodPage.view.live")
    assert listeners(browser, "#timeline") == before


WATCH_OBSERVERS = """
window.observed = new Set();
window.ResizeObserver = class extends ResizeObserver {
    observe(target) { observed.add(target); super.observe(target); }
    unobserve(target) { observed.delete(target); super.unobserve(target); }
    disconnect() { observed.clear(); super.disconnect(); }
};
"""


@pytest.mark.slow
def test_charts_of_an_earlier_session_are_let_go(browser, server, demo_events):
    with before_each_page(browser, WATCH_OBSERVERS):
        for event in demo_events[:40]:
            server.publish(event)
        browser.open(server.page)
        browser.until("observed.size === 3")
        browser.later(
            """
            for (const session of ["second", "third"]) {
                for (const event of args[0]) livemoodPage.take({ ...event, session });
                await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
            }
            """,
            [e.model_dump(mode="json") for e in demo_events[:40]],
        )
        browser.until("livemoodPage.stage.panels[0].channel === livemoodPage.store.channels[0]")
        assert browser.js("return observed.size") == 3
        assert browser.js("return [...observed].every((canvas) => canvas.isConnected)")
