"""Whatever the page and the report may have to say has words, in every language."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

import livemood.report
import livemood.server
from livemood.report.words import languages
from livemood.server.access.policy import load_policy
from livemood.server.monitor.page import ASSETS, STATIC
from livemood.server.spec import State
from livemood.timeline.events import SessionEnded

WORDS = json.loads((ASSETS / "strings.json").read_text("utf-8"))
SCRIPTS = {path.name: path.read_text("utf-8") for path in STATIC.glob("*.js")}


def keys(words, prefix=""):
    for key, value in words.items():
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")
        else:
            assert value.strip(), prefix + key
            yield prefix + key


def test_every_language_has_the_same_words():
    english, *others = (sorted(keys(WORDS[language])) for language in languages())
    assert others
    assert all(other == english for other in others)


def test_places_for_values_are_the_same_in_every_language():
    def places(language):
        return re.findall(r'"(\w+)": "|\{(\w+)\}', json.dumps(WORDS[language]))

    english, *others = (places(language) for language in languages())
    for other in others:
        assert sorted(other) == sorted(english)


def test_chinese_has_full_width_punctuation():
    def texts(words):
        for value in words.values():
            yield from texts(value) if isinstance(value, dict) else [value]

    for text in texts(WORDS["zh"]):
        assert not re.search(r"[,:;?!()]", text), text


@pytest.mark.parametrize("language", languages())
def test_no_state_end_or_purpose_lacks_words(language):
    words = WORDS[language]
    reasons = get_args(SessionEnded.model_fields["reason"].annotation)
    assert {*reasons, "unused"} == words["ended_why"].keys()
    assert load_policy(None).purposes.keys() == words["purposes"].keys()
    assert set(get_args(State)) == words["session_states"].keys()
    typedef = re.search(r"@typedef \{(.+)\} FeedState", SCRIPTS["livemood.js"])[1]
    states = set(re.findall(r'"(\w+)"', typedef))
    states |= set(re.findall(r'becomes\("(\w+)"', "".join(SCRIPTS.values())))
    assert {"closed", "ready", "ending"} <= states
    assert states == words["states"].keys()
    kinds = re.search(r"@property \{((?:\"\w+\"\|?)+)", SCRIPTS["speak.js"])[1]
    assert set(re.findall(r'"(\w+)"', kinds)) == {"stopped", *words["speak_ends"]}


@pytest.mark.parametrize("language", languages())
def test_every_word_that_is_asked_for_is_there(language):
    asked = set(re.findall(r'\bt\("([\w.]+)"', "".join(SCRIPTS.values())))
    for page in STATIC.glob("*.html"):
        asked |= set(re.findall(r'data-t(?:-[\w-]+)?="([\w.]+)"', page.read_text("utf-8")))
    assert len(asked) > 50
    assert asked - set(keys(WORDS[language])) == set()


def test_no_word_is_there_in_vain():
    pages = [path.read_text("utf-8") for path in STATIC.glob("*.html")]
    folder = Path(livemood.report.__file__).parent
    report = [path.read_text("utf-8") for path in folder.glob("*.py")]
    asked = set(re.findall(r"""["'`.](\w+)""", " ".join([*SCRIPTS.values(), *pages, *report])))
    assert WORDS["en"].keys() - asked == {"noscript"}


@pytest.mark.parametrize("language", languages())
def test_what_is_said_without_scripts_is_in_every_language(language):
    for page in STATIC.glob("*.html"):
        without = re.search(r"<noscript>(.+)</noscript>", page.read_text("utf-8"))[1]
        assert WORDS[language]["noscript"] in without


def test_words_for_refusals_are_for_codes_that_the_server_has():
    folder = Path(livemood.server.__file__).parent
    source = "".join(path.read_text("utf-8") for path in folder.rglob("*.py"))
    codes = set(re.findall(r'"(\w+)"', source))
    refusals = WORDS["en"]["refusals"].keys()
    assert len(refusals) > 10
    assert refusals - codes == set()
    # What a page meets whoever operates the server; others are told in the server's words.
    assert {"bad_token", "not_found", "missing_scope", "busy", "storage_failed"} <= refusals
