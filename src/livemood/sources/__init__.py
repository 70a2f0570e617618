"""Where sound comes from: a microphone, a file."""

from livemood.sources.base import BlockSource
from livemood.sources.file import FileSource
from livemood.sources.microphone import Microphone, input_devices

__all__ = ["BlockSource", "FileSource", "Microphone", "input_devices"]
