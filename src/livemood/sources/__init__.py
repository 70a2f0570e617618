"""Where sound comes from: a microphone, a file."""

from livemood.sources.base import BlockSource
from livemood.sources.container import RawFormat
from livemood.sources.devices import open_devices
from livemood.sources.file import FileSource
from livemood.sources.microphone import Microphone, input_devices

__all__ = [
    "BlockSource",
    "FileSource",
    "Microphone",
    "RawFormat",
    "input_devices",
    "open_devices",
]
