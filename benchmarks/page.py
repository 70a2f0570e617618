"""The live page over two hours, in Chromium: its memory, and what a frame costs.

Synthetic events of two channels that both speak all the time, 4 a second each, go through a real
server to the real page, a minute's worth at once. After each minute the page draws. Heap: what
JavaScript holds after a forced collection, after ten minutes' worth and in the end. Frames: live,
at the pace of a session, in a window of 1920 by 1080 without a limit to frames a second; the time
from the begin of a frame in which a chart was drawn to the begin of the next, so that scripts,
layout, painting and rasterising count. At two minutes' worth, and at the end, with two minutes and
the whole session in view. Beside it, in the same browser: the same timeline by plotly.js, from the
installed package, redrawn as often; and what the page's Content-Security-Policy says to that.
And the report of an hour of two people: its size, and the median time until it is open.

Aim: the heap grows by less than 20 MB after the first ten minutes' worth; the median frame takes
less than 16 ms; the report opens in 2 s and is under 8 MB. Exits with 1 if one is missed.
"""

import itertools
import shutil
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded

sys.path.insert(0, str(common.REPO / "scripts"))
from synthetic_session import synthetic

GROWTH_MB, FRAME_MS = 20.0, 16.0
REPORT_MS, REPORT_MB = 2000, 8.0
HERE = Path(__file__).resolve().parent
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu-vsync",
    "--disable-frame-rate-limit",
    "--run-all-compositor-stages-before-draw",
    "--window-size=1920,1080",
)
WATCH_FRAMES = """
window.frames_ = [];
let begun = null;
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...args) {
    begun ??= document.timeline.currentTime;
    return clear.apply(this, args);
};
const watch = (now) => {
    if (begun !== null && now > begun) {
        window.frames_.push(now - begun);
        begun = null;
    }
    requestAnimationFrame(watch);
};
requestAnimationFrame(watch);
"""
"""From the begin of a frame in which a chart was drawn to the begin of the next."""
LOADED = "performance.getEntriesByType('navigation')[0]"


@contextmanager
def chromium():
    from selenium import webdriver

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (program and driver):
        print("no chromium and chromedriver: apt install chromium chromium-driver", file=sys.stderr)
        raise SystemExit(2)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = program
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(
            options=options, service=webdriver.ChromeService(executable_path=driver)
        )
        try:
            yield browser
        finally:
            browser.quit()


def until(browser, condition, seconds=60.0):
    """Wait until an expression is true in the page."""
    deadline = time.monotonic() + seconds
    while not browser.execute_script(f"return Boolean({condition})"):
        if time.monotonic() > deadline:
            raise SystemExit(f"never true in the page: {condition}")
        time.sleep(0.01)


def heap_mb(browser):
    """What the page's JavaScript holds, after a collection."""
    for _ in range(3):
        browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    used = browser.execute_cdp_cmd("Runtime.getHeapUsage", {})
    return (used["usedSize"] + used.get("backingStorageSize", 0)) / 1e6


class Feeder:
    """Hands the events of a session to a server, and knows where the page is."""

    def __init__(self, server, browser, events):
        self._server, self._browser, self._events = server, browser, iter(events)

    def minutes(self, count):
        """So many minutes' worth at once, each drawn before the next."""
        for _ in range(count):
            batch = list(itertools.islice(self._events, 2 * 4 * 60))
            for event in batch:
                self._server.publish(event)
            until(self._browser, f"globalThis.livemoodPage?.store.seq === {batch[-1].seq}")
            self._browser.execute_async_script("requestAnimationFrame(arguments[0])")

    def live(self, seconds):
        """Frames while events come at the pace of a session; their times in ms."""
        self._browser.execute_script("window.frames_.length = 0")
        began = time.perf_counter()
        for n, event in enumerate(itertools.islice(self._events, round(8 * seconds))):
            time.sleep(max(0.0, began + n / 8 - time.perf_counter()))
            self._server.publish(event)
        return self._browser.execute_script("return window.frames_")


def measure_page(browser, minutes, seconds, seed):
    from livemood.server import ServerThread

    with ServerThread(0, queue_limit=100_000) as server:
        feeder = Feeder(server, browser, synthetic(60.0 * (minutes + 20), seed, both=True))
        browser.get(server.page)
        feeder.minutes(2)
        browser.execute_script(WATCH_FRAMES)
        early = feeder.live(seconds)
        feeder.minutes(8)
        after_ten = heap_mb(browser)
        feeder.minutes(minutes - 10)
        in_the_end = heap_mb(browser)
        late = feeder.live(seconds)
        browser.execute_script("document.querySelectorAll('input[name=range]')[4].click()")
        whole = feeder.live(seconds)
        taken = browser.execute_script("return livemoodPage.store.taken")
    return {
        "events": taken,
        "heap_mb_after_ten_minutes": round(after_ten, 2),
        "heap_mb_in_the_end": round(in_the_end, 2),
        "growth_mb": round(in_the_end - after_ten, 2),
        "frame_ms_early": common.quantiles(early, 50, 95, 99),
        "frame_ms_late": common.quantiles(late, 50, 95, 99),
        "frame_ms_whole_session": common.quantiles(whole, 50, 95, 99),
        "frames": len(early) + len(late) + len(whole),
    }


@contextmanager
def folder_server(folder, policy):
    """Serves the plotly page and script, with a Content-Security-Policy if one is given."""

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self):
            if policy:
                self.send_header("Content-Security-Policy", policy)
            super().end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def measure_plotly(browser, seconds):
    """The same timeline of two minutes and two channels by plotly.js."""
    from livemood.server.monitor.page import CONTENT_SECURITY

    spec = find_spec("plotly")
    if spec is None:
        return {"skipped": "plotly is not installed"}
    script = Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
    with tempfile.TemporaryDirectory() as folder:
        for path in (script, HERE / "plotly_page.html", HERE / "plotly_page.js"):
            shutil.copy(path, folder)
        with folder_server(folder, None) as url:
            browser.get(f"{url}plotly_page.html")
            until(browser, "window.ready_")
            loading = browser.execute_script("return window.loading_")
            browser.execute_script(f"window.play_({seconds})")
            until(browser, "window.done_", seconds + 60)
            frames = browser.execute_script("return window.frames_")
        with folder_server(folder, CONTENT_SECURITY) as url:
            browser.get(f"{url}plotly_page.html")
            time.sleep(3.0)
            violations = browser.execute_script("return [...new Set(window.violations_)]")
    return {
        "script_mb": round(script.stat().st_size / 1e6, 2),
        "script_ready_ms": round(loading),
        "frame_ms": common.quantiles(frames, 50, 95, 99),
        "violates": violations,
    }


def measure_report(browser, times, seed):
    """The report of an hour: from the navigation to the end of its load event."""
    from livemood.report import make_report
    from livemood.timeline import Timeline

    opened = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        path.write_text(make_report(Timeline(synthetic(3600.0, seed))), "utf-8")
        for _ in range(times):
            browser.get(path.as_uri())
            until(browser, f"{LOADED}.loadEventEnd > 0")
            opened.append(browser.execute_script(f"return {LOADED}.loadEventEnd"))
            browser.get("about:blank")
        size = path.stat().st_size
    return {"report_mb": round(size / 1e6, 2), "report_opens_ms": common.quantiles(opened, 50, 100)}


def failures(result, quick):
    """What missed its aim, in words."""
    # A quick run tells the order of magnitude, on whatever else the machine does.
    slack = 10 if quick else 1
    failed = []
    if result["growth_mb"] >= GROWTH_MB:
        failed.append(f"the heap grew by {result['growth_mb']} MB")
    for name in ("early", "late", "whole_session"):
        if result[f"frame_ms_{name}"]["p50"] >= slack * FRAME_MS:
            failed.append(f"the median frame takes {result[f'frame_ms_{name}']['p50']} ms ({name})")
    if result["report_opens_ms"]["p50"] >= slack * REPORT_MS:
        failed.append(f"the report of an hour opens in {result['report_opens_ms']['p50']} ms")
    if result["report_mb"] >= REPORT_MB:
        failed.append(f"the report of an hour has {result['report_mb']} MB")
    return failed


def main():
    args = common.arguments(__doc__).parse_args()
    around = common.surroundings()
    minutes, seconds = (14, 4.0) if args.quick else (120, 20.0)
    with chromium() as browser:
        result = measure_page(browser, minutes, seconds, args.seed)
        result |= measure_report(browser, 2 if args.quick else 5, args.seed)
        result["plotly"] = measure_plotly(browser, seconds)
        version = browser.capabilities["browserVersion"]
    failed = failures(result, args.quick)
    result |= {"minutes": minutes, "chromium": version, "failed": failed}
    common.report("page", {**result, **around}, quick=args.quick)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
