"""livemood: a real-time streaming emotion monitor.

It estimates how speech sounds while it is spoken, not what a person feels.
"""

import os

from livemood.version import __version__

TYPE_CHECKING = False  # `typing` itself takes longer to import than all of this module
if TYPE_CHECKING:
    from livemood.api import analyze, listen
    from livemood.audio import AudioBlock
    from livemood.client import connect
    from livemood.engine.extensions import (
        EmotionModel,
        Evidence,
        Fusion,
        Sink,
        Source,
        StreamingEmotionModel,
    )
    from livemood.engine.push import Session
    from livemood.engine.settings import MonitorSettings
    from livemood.errors import (
        Busy,
        ConnectError,
        DeviceError,
        FileError,
        LivemoodError,
        ModelError,
        PluginError,
        ProtocolError,
        SourceError,
        UsageError,
    )
    from livemood.model import Model, Prediction, load_model
    from livemood.producer import Producer
    from livemood.speech import GateSettings, VoiceActivityDetector, WindowSettings
    from livemood.text.fusion import LateFusion
    from livemood.timeline import SmootherSettings, Timeline, parse_event
    from livemood.timeline.events import (
        AnyEvent,
        ChannelSummary,
        Emotion,
        ErrorEvent,
        Event,
        Fused,
        Gap,
        Level,
        Load,
        Marker,
        Observation,
        Segment,
        SessionEnded,
        SessionStarted,
        SpeechEnded,
        SpeechStarted,
        Summary,
        Words,
    )

__all__ = [
    "AnyEvent",
    "AudioBlock",
    "Busy",
    "ChannelSummary",
    "ConnectError",
    "DeviceError",
    "Emotion",
    "EmotionModel",
    "ErrorEvent",
    "Event",
    "Evidence",
    "FileError",
    "Fused",
    "Fusion",
    "Gap",
    "GateSettings",
    "LateFusion",
    "Level",
    "LivemoodError",
    "Load",
    "Marker",
    "Model",
    "ModelError",
    "MonitorSettings",
    "Observation",
    "PluginError",
    "Prediction",
    "Producer",
    "ProtocolError",
    "Segment",
    "Session",
    "SessionEnded",
    "SessionStarted",
    "Sink",
    "SmootherSettings",
    "Source",
    "SourceError",
    "SpeechEnded",
    "SpeechStarted",
    "StreamingEmotionModel",
    "Summary",
    "Timeline",
    "UsageError",
    "VoiceActivityDetector",
    "WindowSettings",
    "Words",
    "__version__",
    "analyze",
    "connect",
    "listen",
    "load_model",
    "parse_event",
]

# ONNX Runtime from 1.32 on writes telemetry into the user's cache folder and uploads it, from its
# import on. livemood sends nothing anywhere. Set the variable to 0 if you want it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Resolved on first use, so that `import livemood` itself costs next to nothing.
_HOMES = {
    "AnyEvent": "livemood.timeline.events",
    "AudioBlock": "livemood.audio",
    "Busy": "livemood.errors",
    "ChannelSummary": "livemood.timeline.events",
    "ConnectError": "livemood.errors",
    "DeviceError": "livemood.errors",
    "Emotion": "livemood.timeline.events",
    "EmotionModel": "livemood.engine.extensions",
    "ErrorEvent": "livemood.timeline.events",
    "Event": "livemood.timeline.events",
    "FileError": "livemood.errors",
    "Fused": "livemood.timeline.events",
    "Evidence": "livemood.engine.extensions",
    "Fusion": "livemood.engine.extensions",
    "Gap": "livemood.timeline.events",
    "GateSettings": "livemood.speech",
    "LateFusion": "livemood.text.fusion",
    "Level": "livemood.timeline.events",
    "LivemoodError": "livemood.errors",
    "Load": "livemood.timeline.events",
    "Marker": "livemood.timeline.events",
    "Model": "livemood.model",
    "ModelError": "livemood.errors",
    "MonitorSettings": "livemood.engine.settings",
    "Observation": "livemood.timeline.events",
    "PluginError": "livemood.errors",
    "Prediction": "livemood.model",
    "Producer": "livemood.producer",
    "ProtocolError": "livemood.errors",
    "Segment": "livemood.timeline.events",
    "Session": "livemood.engine.push",
    "SessionEnded": "livemood.timeline.events",
    "SessionStarted": "livemood.timeline.events",
    "Sink": "livemood.engine.extensions",
    "SmootherSettings": "livemood.timeline",
    "Source": "livemood.engine.extensions",
    "SourceError": "livemood.errors",
    "SpeechEnded": "livemood.timeline.events",
    "SpeechStarted": "livemood.timeline.events",
    "StreamingEmotionModel": "livemood.engine.extensions",
    "Summary": "livemood.timeline.events",
    "Timeline": "livemood.timeline",
    "UsageError": "livemood.errors",
    "VoiceActivityDetector": "livemood.speech",
    "WindowSettings": "livemood.speech",
    "Words": "livemood.timeline.events",
    "analyze": "livemood.api",
    "connect": "livemood.client",
    "listen": "livemood.api",
    "load_model": "livemood.model",
    "parse_event": "livemood.timeline",
}

if not TYPE_CHECKING:  # who checks types is to be told of a name that does not exist

    def __getattr__(name):  # noqa: ANN001, ANN202
        if name not in _HOMES:
            raise AttributeError(f"module 'livemood' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
