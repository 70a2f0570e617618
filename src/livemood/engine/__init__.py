"""The flow: sound in, events out, within a latency budget."""

from livemood.engine.background import BackgroundSession
from livemood.engine.budget import LatencyBudget
from livemood.engine.monitor import Monitor
from livemood.engine.run import analyze_file, run
from livemood.engine.settings import MonitorSettings

__all__ = [
    "BackgroundSession",
    "LatencyBudget",
    "Monitor",
    "MonitorSettings",
    "analyze_file",
    "run",
]
