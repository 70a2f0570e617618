"""The flow: sound in, events out, within a latency budget."""

from livemood.engine.channel.latency_budget import LatencyBudget
from livemood.engine.extensions import AnyModel, EmotionModel, StreamingEmotionModel
from livemood.engine.hub import Hub, HubSession, Reason
from livemood.engine.session import About, SessionCore
from livemood.engine.settings import MonitorSettings
from livemood.engine.threads import BackgroundSession, analyze_file, run
from livemood.engine.words import Stretch, WordsThread
from livemood.errors import Busy

__all__ = [
    "About",
    "AnyModel",
    "BackgroundSession",
    "Busy",
    "EmotionModel",
    "Hub",
    "HubSession",
    "LatencyBudget",
    "MonitorSettings",
    "Reason",
    "SessionCore",
    "StreamingEmotionModel",
    "Stretch",
    "WordsThread",
    "analyze_file",
    "run",
]
