"""That the page shows what words say beside the voice, and both together; in real Chromium."""

import pytest

pytest.importorskip("selenium", reason="selenium is not installed")
from test_page_view import DRAWN, hour, show, until_ms

pytestmark = pytest.mark.e2e
__all__ = ["hour"]


@pytest.mark.parametrize(
    ("language", "voice", "words", "happy", "angry"),
    [("en", "voice", "words", "happy", "angry"), ("zh", "声音", "话语", "高兴", "愤怒")],
)
def test_what_words_say_stands_apart_from_the_voice_and_joined_with_it(
    browser, server, hour, language, voice, words, happy, angry
):
    show(browser, server, until_ms(hour, 20_000))
    before = browser.text("[data-channel='0'] .label")
    last = browser.js("return livemoodPage.store.seq")
    of = {"session": hour[0]["session"], "channel": 0, "time": hour[0]["time"]}
    of |= {"start_ms": 2000, "end_ms": 4000, "probabilities": {}}
    told = [
        of | {"type": "words", "label": "happy", "confidence": 0.81, "text": "<b>great</b>"},
        of | {"type": "fused", "label": "angry", "confidence": 0.93, "valence": -0.5,
              "arousal": 0.4, "sources": ["voice", "words"]},
    ]  # fmt: skip
    told = [event | {"seq": last + n} for n, event in enumerate(told, 1)]
    browser.choose("#language", language)
    assert not browser.find("[data-channel='0'] .beside").is_displayed()
    browser.later("for (const event of args[0]) livemoodPage.take(event);" + DRAWN, told)
    colon = {"en": ": ", "zh": "："}[language]
    comma = {"en": ", ", "zh": "，"}[language]
    read = f"{words}{colon}{happy}{comma}81%"
    joined = f"{voice} + {words}{colon}{angry}{comma}93%"
    assert browser.text("[data-channel='0'] .beside") == f"0:02 – 0:04 · {read} · {joined}"
    assert not browser.find("[data-channel='1'] .beside").is_displayed()
    # The panel's own label is still the voice's.
    if language == "en":
        assert browser.text("[data-channel='0'] .label") == before
    browser.later("livemoodPage.view.cursorMs = 3000; livemoodPage.stage.pointing.pointed = true;")
    browser.later("livemoodPage.stage.draw(livemoodPage.now(), true);" + DRAWN)
    assert f"{read} · {joined}" in browser.text("#tip")
    browser.js("document.querySelector('#table-details').open = true")
    browser.until("document.querySelectorAll('#table tbody tr').length > 0")
    rows = browser.js(
        "return [...document.querySelectorAll('#table tbody tr')]"
        ".map((row) => [...row.cells].slice(1).map((cell) => cell.innerText))"
    )
    assert ["0:02.0", "0:04.0", f"{words}{colon}{happy} (<b>great</b>)", "81%", "", ""] in rows
    valence = ["93%", "−0.50", "+0.40"]
    assert ["0:02.0", "0:04.0", f"{voice} + {words}{colon}{angry}", *valence] in rows
