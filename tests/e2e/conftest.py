"""One real Chromium for all tests that ask for it."""

import pytest
from chromium import chromium


@pytest.fixture(scope="session")
def one_browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(one_browser):
    """The browser, on an empty page, with nothing remembered of other tests."""
    one_browser.open("about:blank")
    one_browser.driver.execute_cdp_cmd(
        "Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"}
    )
    one_browser.driver.set_window_size(1280, 900)
    one_browser.requests()
    one_browser.errors()
    yield one_browser
    one_browser.open("about:blank")  # a live page would go on drawing beside all later tests


@pytest.fixture(scope="session")
def axe():
    """A function from a browser to the violations that axe-core finds in its page."""
    from importlib.util import find_spec
    from pathlib import Path

    spec = find_spec("axe_playwright_python")
    if spec is None:
        pytest.skip("no axe-core: pip install axe-playwright-python")
    script = (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text("utf-8")

    def violations(browser):
        browser.js(script)
        # What axe would load by itself is for one rule that is off, and breaks the page's policy.
        found = browser.later(
            """
            const { violations } = await axe.run({ preload: false });
            return violations.map((v) => [v.id, v.nodes.map((n) => n.html.slice(0, 160))]);
            """
        )
        return [tuple(violation) for violation in found]

    return violations


@pytest.fixture
def server():
    """A monitor's server and its page; no session yet."""
    from livemood.server import ServerThread

    with ServerThread(0) as running:
        yield running


@pytest.fixture(scope="session")
def demo_events(model, demo_file):
    """The events of the demo conversation."""
    from livemood.engine import analyze_file

    timeline, failure = analyze_file(demo_file, model)
    assert failure is None
    return timeline.events


@pytest.fixture(scope="session")
def talk(demo_file):
    """Four seconds of the demo conversation: both channels, 16 bits, 16 kHz."""
    import soundfile as sf
    import soxr

    sound, rate = sf.read(demo_file, dtype="float32", start=48_000 * 32, frames=48_000 * 4)
    return (32767 * soxr.resample(sound, rate, 16000)).astype("int16").tobytes()
