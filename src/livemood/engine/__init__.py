"""The flow: sound in, events out, within a latency budget."""

from livemood.engine.background import BackgroundSession
from livemood.engine.hub import Busy, Hub, Session
from livemood.engine.latency_budget import LatencyBudget
from livemood.engine.session import About, Monitor
from livemood.engine.settings import MonitorSettings
from livemood.engine.threads import analyze_file, run

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
