"""A server of many sessions: its settings, its routes, its start and its end."""

from livemood.server.serve.serving import Service
from livemood.server.serve.settings import ServeSettings

__all__ = ["ServeSettings", "Service"]
