"""The example of a page of one's own, served from another origin, in real Chromium."""

import contextlib
import functools
import http.server
import threading
from pathlib import Path

import pytest
from services import live_session, serving

pytestmark = pytest.mark.e2e

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "dashboard"


@contextlib.contextmanager
def files_of(folder):
    """`python -m http.server --directory FOLDER`, and its address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_page_of_another_origin_shows_who_sounds_how(browser, model, tmp_path, talk):
    with (
        files_of(FOLDER) as page,
        serving(model, tmp_path, origins=(page,)) as service,
        live_session(service, talk) as session,
    ):
        browser.open(f"{page}/?server={service.url.removeprefix('http://')}&session={session}")
        browser.until("document.querySelector('.mood')")
        assert browser.text("#moods").partition(":")[0] in ("Ada", "Brook")
        assert browser.errors() == []
