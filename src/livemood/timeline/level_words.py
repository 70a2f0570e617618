"""What is wrong with the level, in words for a person."""

from collections.abc import Iterable, Mapping
from typing import Final

from livemood.timeline.events import LevelProblem

WORDS: Final[Mapping[LevelProblem, str]] = {
    "quiet": "too quiet: speech is hardly above the noise",
    "clipped": "clipped: the sound is too loud for its microphone",
    "dead": "no sound at all comes from it",
    "cancelled": "two channels cancel each other: the louder one is heard",
}


def level_line(problems: Iterable[LevelProblem]) -> str:
    """One plain line; that all is well if there are none."""
    return "; ".join(WORDS[problem] for problem in problems) or "the level is good again"
