"""What you can bring to a session: models, sources and sinks of your own."""

from livemood.engine.extensions.fusion import Evidence, Fusion, Recogniser
from livemood.engine.extensions.sinks import Sink, SinkThreads
from livemood.engine.extensions.user_model import (
    AnyModel,
    EmotionModel,
    StreamingEmotionModel,
    open_model,
    reader_of,
)
from livemood.engine.extensions.user_source import Source, block_source, check_format

__all__ = [
    "AnyModel",
    "EmotionModel",
    "Evidence",
    "Fusion",
    "Recogniser",
    "Sink",
    "SinkThreads",
    "Source",
    "StreamingEmotionModel",
    "block_source",
    "check_format",
    "open_model",
    "reader_of",
]
