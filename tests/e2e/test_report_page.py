"""The report in real Chromium: on a screen, on paper, and by the page's button."""

import base64
import io
import re
import unicodedata

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from selenium.webdriver.support.ui import WebDriverWait

from livemood.report import make_report
from livemood.server import ServerThread
from livemood.timeline import Timeline

pytestmark = pytest.mark.e2e


A4 = {"paperWidth": 8.27, "paperHeight": 11.69, "preferCSSPageSize": True}


PLAIN_ROWS = """
for (const row of document.querySelectorAll("svg.row")) {
    const text = row.querySelector("text").cloneNode();
    text.textContent = "ROW";
    row.replaceChildren(text);
}
"""
"""Drawings keep their room and say no more than that they are there: quick to print and read."""

FIRST = {
    "Timeline": "ROW",
    "Ada": "ROW",
    "Brook": "ROW",
    "Transitions": "imes",
    "Longestsegments": "onfidence",
    "Markers": "asksforarefund",
    "Gapsanddataquality": "Latency,medianand95thpercentile",
    "Gaps": "lostontheway",
    "Themodelanditslimits": "webrtc",
}
"""What is printed on the page of each heading; without blanks, nor capitals that stand apart."""


def printed(browser, path):
    """The text of each page of what is printed of a report, without its blanks."""
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    browser.open(path.as_uri())
    browser.js(PLAIN_ROWS)
    pdf = base64.b64decode(browser.driver.execute_cdp_cmd("Page.printToPDF", A4)["data"])
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return [[*map(joined, page.extract_text().splitlines())] for page in pages]


def joined(line):
    return "".join(unicodedata.normalize("NFKC", line).split())  # letters may be set as one


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [900, 1300])
def test_on_paper_no_heading_ends_a_page_and_no_short_table_is_split(
    browser, synthetic, tmp_path, seconds
):
    path = tmp_path / "report.html"
    path.write_text(make_report(Timeline(synthetic(seconds))))
    pages = printed(browser, path)
    assert len(pages) > 2
    for heading, first in FIRST.items():
        # A name is a heading of a card and of rows: the last is that of the transitions.
        lines = ((n, i, x) for n, page in enumerate(pages) for i, x in enumerate(page))
        places = [(n, i) for n, i, line in lines if line == heading]
        assert places, heading
        n, i = places[1] if heading in ("Ada", "Brook") else places[0]
        assert first in "".join(pages[n][i + 1 :]), heading
    # A table that goes on has its head again.
    for head in ("onfidence", "Windowsread"):
        assert sum(head in "".join(page) for page in pages) == 1, head


@pytest.mark.slow
def test_the_report_of_an_hour_is_small_and_prints_on_a4(browser, synthetic, tmp_path, axe):
    path = tmp_path / "report.html"
    path.write_text(make_report(Timeline(synthetic(3600))), "utf-8")
    assert path.stat().st_size < 8_000_000
    browser.open(path.as_uri())
    assert browser.js("return document.querySelectorAll('svg.row').length") >= 8
    assert browser.js("return document.documentElement.scrollWidth <= innerWidth") is True
    assert axe(browser) == []
    pdf = base64.b64decode(browser.driver.execute_cdp_cmd("Page.printToPDF", A4)["data"])
    pages = pdf.count(b"/Type /Page\n") or len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 2 <= pages <= 8


BROKEN_WORDS = """
const broken = [];
for (const head of document.querySelectorAll("thead th")) {
    const text = head.firstChild;
    for (const { 0: word, index } of (text?.data ?? "").matchAll(/\\S+/g)) {
        const range = document.createRange();
        range.setStart(text, index);
        range.setEnd(text, index + word.length);
        const lines = new Set([...range.getClientRects()].map((r) => Math.round(r.top)));
        // A first letter is a box of its own, on the same line.
        if (lines.size > 1) broken.push(word);
    }
}
return [broken, document.querySelectorAll("thead th").length];
"""


@pytest.mark.parametrize("language", ["en", pytest.param("zh", marks=pytest.mark.slow)])
def test_on_a_phone_heads_of_tables_stay_whole_and_only_its_own_style_holds(
    browser, synthetic, tmp_path, language
):
    path = tmp_path / "report.html"
    path.write_text(make_report(Timeline(synthetic(300)), language), "utf-8")
    cdp = browser.driver.execute_cdp_cmd
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    cdp("Emulation.setDeviceMetricsOverride", phone)
    try:
        browser.open(path.as_uri())
        broken, heads = browser.js(BROKEN_WORDS)
        assert heads > 10
        assert broken == []
        assert browser.js("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        cdp("Emulation.clearDeviceMetricsOverride", {})
    assert browser.errors() == []
    assert browser.js("return getComputedStyle(document.querySelector('.unseen')).position") == (
        "absolute"
    )
    browser.js(
        "const s = document.createElement('style'); s.textContent = 'body { color: red }';"
        "document.body.append(s);"
    )
    assert browser.js("return getComputedStyle(document.body).color") == "rgb(22, 33, 43)"


@pytest.mark.slow
def test_the_button_opens_the_report(browser, demo_events):
    with ServerThread(0) as server:
        for event in demo_events:
            server.publish(event)
        press_the_button(browser, server.page)


def press_the_button(browser, page):
    browser.open(page)
    browser.until("document.querySelector('#report:not([hidden])')")
    here = browser.driver.current_window_handle
    browser.find("#report").click()
    wait = WebDriverWait(browser.driver, 20)
    (there,) = wait.until(lambda driver: set(driver.window_handles) - {here})
    browser.driver.switch_to.window(there)
    browser.until("document.querySelector('h2')")
    assert "demo.opus" in browser.text("body")
    assert browser.js("return location.pathname") == "/v1/report"
    browser.driver.close()
    browser.driver.switch_to.window(here)
