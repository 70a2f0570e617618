"""Words and observations of sessions, read beside the sound and joined with it."""

from livemood.engine.words.fuser import Stretch, WordFuser
from livemood.engine.words.thread import WordsThread

__all__ = ["Stretch", "WordFuser", "WordsThread"]
