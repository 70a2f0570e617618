"""Words and colours of the report: in every language, for every eye."""

import itertools
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from livemood.report import LANGUAGES
from livemood.report.words import Words, _strings
from livemood.speech.voice_change import Word
from livemood.timeline.events import LevelProblem
from livemood.timeline.level_words import WORDS
from livemood.timeline.look import looks


def keys(part, prefix=""):
    for key, value in part.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")


def placeholders(text):
    return sorted(re.findall(r"\{\w+\}", text)) if isinstance(text, str) else None


def test_every_language_has_every_word():
    strings = _strings()
    for language in LANGUAGES:
        assert set(keys(strings[language])) == set(keys(strings["en"]))
        for key, text in strings["en"].items():
            assert placeholders(strings[language][key]) == placeholders(text), key
    assert Words("zh").label("angry") == "愤怒"


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_black_letters_are_legible_on_every_colour_and_no_two_labels_look_alike():
    """WCAG 2.2 AA: 4.5 to 1. Letter and texture differ as well, for whoever sees no colours."""
    shown = {label: look for label, look in looks().items() if label != "calm"}
    for look in shown.values():
        assert (luminance(look["colour"]) + 0.05) / 0.05 >= 4.5
    for part in ("letter", "colour", "pattern"):
        assert len({look[part] for look in shown.values()}) == len(shown)


# Machado, Oliveira & Fernandes (2009), "A Physiologically-based Model for Simulation of Color
# Vision Deficiency", severity 1.0; of linear RGB.
SEEN_BY = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
                   (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                     (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602),
                   (0.004733, 0.691367, 0.303900)),
}  # fmt: skip


TO_XYZ = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))


def lab(colour, seen):
    """CIELAB of a colour as somebody sees it."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    xyz = np.array(TO_XYZ) @ np.clip(np.array(seen) @ linear, 0, 1) / (0.9505, 1, 1.089)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("seen", SEEN_BY.values(), ids=SEEN_BY)
def test_colour_blind_people_can_tell_the_colours_apart(seen):
    """A difference (CIE76) of 10 is plain to see side by side."""
    shown = [lab(look["colour"], seen) for label, look in looks().items() if label != "calm"]
    for one, other in itertools.combinations(shown, 2):
        assert np.linalg.norm(one - other) > 10


def test_every_word_about_a_voice_has_words_in_every_language():
    for language in _strings().values():
        assert set(get_args(Word)) == set(language["voice_words"])


def test_every_problem_with_the_level_has_words():
    for language in _strings().values():
        assert set(get_args(LevelProblem)) <= set(language["level_problems"])
    assert set(get_args(LevelProblem)) == set(WORDS)


def test_every_cause_of_a_gap_has_words():
    source = Path(__file__).parents[2] / "src" / "livemood"
    text = "".join(path.read_text("utf-8") for path in source.rglob("*.py"))
    causes = set(re.findall(r'cause\w* = "(\w+)"|cause="(\w+)"|_fill\([^()]*"(\w+)"\)', text))
    found = {cause for groups in causes for cause in groups if cause}
    assert {"no_packets", "not_finite", "absent"} <= found
    assert found <= set(_strings()["en"]["gap_causes"])
