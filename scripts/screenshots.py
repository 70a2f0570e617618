"""Pictures of every page: 390, 1280 and 1920 pixels, light and dark, English and Chinese.

Writes PNG files into a folder, `screenshots` by default; `--docs` instead the two pictures of the
README, into `docs/images`. Needs chromium and chromedriver. What is shown never happened: a
synthetic session, and the bundled conversation of synthetic voices.
"""

import argparse
import json
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path

import soundfile as sf
import soxr
from selenium import webdriver
from synthetic_session import behind, synthetic
from websockets.sync.client import connect

from livemood.engine import MonitorSettings
from livemood.model import load_model
from livemood.report import make_report
from livemood.server import ServerThread
from livemood.server.serve import Service
from livemood.server.serve.settings import ServeSettings
from livemood.timeline import Timeline
from livemood.timeline.events import Alert, AlertFound, Fused, SpeechEnded, Words

ROOT = Path(__file__).resolve().parent.parent
SIZES = {390: 844, 1280: 800, 1920: 1080}
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars")
NAMES = ("Ada", "Brook")
CALLS = (
    ("customer-care", ("Ada", "Brook"), 0),
    ("research", ("Participant 7", "Interviewer"), 8),
    ("demonstration", (), 16),
    ("safety", ("Caller", "Dispatch"), 26),
    ("personal", ("Chen Wei", "Dana"), 32),
)


@contextmanager
def chromium():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or "chromium"
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.ChromeService(executable_path=shutil.which("chromedriver"))
        browser = webdriver.Chrome(options=options, service=driver)
        try:
            yield browser
        finally:
            browser.quit()


def until(browser, condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not browser.execute_script(f"return Boolean({condition})"):
        if time.monotonic() > deadline:
            raise SystemExit(f"never true in the page: {condition}")
        time.sleep(0.05)


def take(browser, url, path, width, theme, ready, language="en", height=None):
    """One picture, of the window or as high as `height`."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {
            "width": width,
            "height": height or SIZES[width],
            "deviceScaleFactor": 1,
            "mobile": False,
        },
    )
    scheme = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    browser.get(url)
    if not url.startswith("file:"):
        browser.execute_script("localStorage.setItem('livemood.language', arguments[0])", language)
        browser.get(url)
    until(browser, ready)
    time.sleep(0.6)  # the page draws one chart a frame
    path.parent.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(path))


@contextmanager
def monitor(channels=2):
    """A monitor in the middle of a synthetic session, a little behind."""
    events = list(synthetic(400, seed=5))
    shown = [e for e in events[:-1] if e.end_ms <= 175_000 and (e.channel or 0) < channels]
    shown[0] = shown[0].model_copy(update={"channels": channels, "participants": NAMES[:channels]})
    with ServerThread(0) as server:
        beside = list(words_of(shown))
        numbered = [e.model_copy(update={"seq": n}) for n, e in enumerate([*shown, *beside], 1)]
        for event in [*numbered, behind(numbered)]:
            server.publish(event)
        yield server


def words_of(shown):
    """What words say of the last turn of the first voice, and an alert about that voice."""
    ended = [e for e in shown if isinstance(e, SpeechEnded) and e.channel == 0][-1]
    of = {"session": ended.session, "channel": 0, "seq": 0, "time": shown[-1].time}
    span = {"start_ms": ended.start_ms, "end_ms": ended.end_ms}
    likely = {"label": "angry", "confidence": 0.78, "probabilities": {"angry": 0.78}}
    yield Words(**of, **span, **likely)
    sources = ("voice", "words")
    yield Fused(**of, **span, **likely, valence=-0.41, arousal=0.36, sources=sources)
    found = AlertFound(label="angry", share=0.6, within_s=30)
    about = {"rule": "angry", "state": "raised", "number": 1, "reason": found.words()}
    yield Alert(**of, **span, **about, found=found)


@contextmanager
def service():
    """A server with some sessions, two of them live."""
    sound, rate = sf.read(ROOT / "src" / "livemood" / "assets" / "demo.opus", dtype="float32")
    voices = (32767 * soxr.resample(sound, rate, 16000)).astype("int16")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        settings = ServeSettings(port=0, data=Path(folder))
        model = load_model()
        running = stack.enter_context(Service(settings, model, MonitorSettings(budget_s=60)))
        for number, (purpose, names, at) in enumerate(CALLS):
            socket = stack.enter_context(
                connect(
                    running.url.replace("http", "ws", 1) + "/v1/stream",
                    max_size=None,
                    ping_interval=None,
                )
            )
            start = {"type": "start", "rate": 16000, "encoding": "s16le", "channels": 2}
            start |= {"purpose": purpose, "consent": "form 12", "participants": names}
            socket.send(json.dumps(start))
            for step in range(at * 16000, (at + 6) * 16000, 3200):
                socket.send(voices[step : step + 3200].tobytes())
                time.sleep(0.05)
            if number < len(CALLS) - 2:
                socket.send('{"type": "end"}')
                for _ in socket:
                    pass
        yield running


def report_file(folder, language):
    path = Path(folder) / f"report-{language}.html"
    timeline = Timeline(synthetic(900, seed=5))
    path.write_text(make_report(timeline, language, retention_days=30), "utf-8")
    return path.as_uri()


def everything(browser, out, only):
    drawn = "globalThis.livemoodPage?.store.taken > 100 && document.querySelector('.panel .label')"
    listed = "document.querySelectorAll('[data-session]').length === 5"
    drawn_ended = "globalThis.livemoodPage?.store.ended && document.querySelector('.panel .label')"
    asked = "document.querySelectorAll('#speak-form option').length > 3"
    with (
        monitor() as live,
        monitor(1) as one,
        service() as served,
        tempfile.TemporaryDirectory() as folder,
    ):
        (_, record), *_ = served.storage.sessions.find(limit=9, state="ended")
        session = f"{served.url}/sessions/{record.id}"
        pages = {
            "live": (live.page, drawn),
            "one": (one.page, drawn),
            "sessions": (f"{served.url}/", listed),
            "session": (session, drawn_ended),
            "speak": (f"{served.url}/speak", asked),
            "report": (
                {language: report_file(folder, language) for language in ("en", "zh")},
                "document.querySelector('.card')",
            ),
        }
        chosen = {name: page for name, page in pages.items() if name.startswith(only)}
        for name, (url, ready) in chosen.items():
            for width, theme, language in product(SIZES, ("light", "dark"), ("en", "zh")):
                path = out / f"{name}-{width}-{theme}-{language}.png"
                page = url[language] if isinstance(url, dict) else url
                take(browser, page, path, width, theme, ready, language)


def for_the_readme(browser, out):
    drawn = "globalThis.livemoodPage?.store.taken > 100 && document.querySelector('.panel .label')"
    with monitor() as live, tempfile.TemporaryDirectory() as folder:
        take(browser, live.page, out / "page.png", 1280, "dark", drawn, height=880)
        url = report_file(folder, "en")
        take(browser, url, out / "report.png", 940, "light", "true", height=1150)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "screenshots")
    parser.add_argument("--only", help="the pages whose names begin so")
    parser.add_argument("--docs", action="store_true", help="the README's two, nothing else")
    args = parser.parse_args()
    with chromium() as browser:
        if args.docs:
            for_the_readme(browser, ROOT / "docs" / "images")
        else:
            everything(browser, args.out, args.only or "")


if __name__ == "__main__":
    main()
