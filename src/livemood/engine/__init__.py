"""The flow: sound in, events out, within a latency budget."""

from livemood.engine.background import BackgroundSession
from livemood.engine.budget import LatencyBudget
from livemood.engine.hub import Busy, Hub, Session
from livemood.engine.monitor import About, Monitor
from livemood.engine.run import analyze_file, run
from livemood.engine.settings import MonitorSettings

__all__ = [
    "About",
    "BackgroundSession",
    "Busy",
    "Hub",
    "LatencyBudget",
    "Monitor",
    "MonitorSettings",
    "Session",
    "analyze_file",
    "run",
]
