"""Is somebody speaking: voice activity detectors, the speech gate, sliding windows."""

from livemood.speech.gate import (
    GateEvent,
    GateSettings,
    SpeechEnded,
    SpeechGate,
    SpeechPaused,
    SpeechResumed,
    SpeechStarted,
)
from livemood.speech.vad import VoiceActivityDetector, open_detector
from livemood.speech.windows import Windower, WindowSettings

__all__ = [
    "GateEvent",
    "GateSettings",
    "SpeechEnded",
    "SpeechGate",
    "SpeechPaused",
    "SpeechResumed",
    "SpeechStarted",
    "VoiceActivityDetector",
    "WindowSettings",
    "Windower",
    "open_detector",
]
