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
from livemood.speech.level import LevelChange, LevelJudge
from livemood.speech.vad import DetectorFactory, VoiceActivityDetector, open_detector, vad_name
from livemood.speech.windows import Windower, WindowSettings

__all__ = [
    "DetectorFactory",
    "GateEvent",
    "GateSettings",
    "LevelChange",
    "LevelJudge",
    "SpeechEnded",
    "SpeechGate",
    "SpeechPaused",
    "SpeechResumed",
    "SpeechStarted",
    "VoiceActivityDetector",
    "WindowSettings",
    "Windower",
    "open_detector",
    "vad_name",
]
