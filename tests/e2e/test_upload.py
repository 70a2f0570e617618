"""A finished recording, given to the server on its page: read to its end, and shown."""

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from services import row, serving

import livemood

pytestmark = pytest.mark.e2e


def give(browser, path, names=""):
    """Fill the form in as a person does, and send it."""
    if browser.js("return document.querySelector('#upload').hidden"):
        browser.find("#upload-open").click()
    browser.find("#upload [name=file]").send_keys(str(path))
    browser.find("#upload [name=names]").send_keys(names)
    browser.choose("#upload [name=purpose]", "personal")
    if not browser.js("return document.querySelector('#upload [name=informed]').checked"):
        browser.find("#upload [name=informed]").click()
    browser.find("#upload .primary").click()


@pytest.mark.slow
def test_a_recording_is_read_to_its_end_and_shown(browser, model, tmp_path, demo_file, axe):
    with serving(model, tmp_path / "data") as service:
        browser.open(service.url)
        browser.until("!document.querySelector('#upload-open').hidden")
        browser.find("#upload-open").click()
        browser.until("document.activeElement.name === 'file'")
        assert axe(browser) == []
        # What is no sound is refused in words, and the form stays for another try.
        notes = tmp_path / "notes.wav"
        notes.write_text("no sound at all")
        give(browser, notes)
        browser.until("!document.querySelector('#notice').hidden")
        assert "notes.wav is not sound that can be read" in browser.text("#notice")
        assert not browser.js("return document.querySelector('#upload').hidden")
        give(browser, demo_file, "Clinic, Caller")
        browser.until("document.querySelector('#upload').hidden")
        records = [record for _, record in service.storage.sessions.find(limit=9)]
        (record,) = (record for record in records if record.source or record.state != "ended")
        browser.until(f"document.querySelector(\"{row(record.id)} [data-state='ended']\")", 60)
        assert browser.text(f"{row(record.id)} th") == "Clinic, Caller"
        assert browser.text(f"{row(record.id)} .duration") == "0:44"
        assert browser.text(f"{row(record.id)} .source") == "demo.opus"
        browser.find(f"{row(record.id)} .open").click()
        browser.until("globalThis.livemoodPage?.store.ended && document.querySelector('.panel')")
        summary = livemood.analyze(demo_file).ended.summary
        for channel, name in enumerate(("Clinic", "Caller")):
            panel = f"[data-channel='{channel}']"
            dominant = summary[channel].session.dominant
            browser.until(f"document.querySelector(\"{panel}\")?.dataset.label === '{dominant}'")
            assert browser.text(f"{panel} h2") == name
        assert browser.text("#duration") == "0:44"
