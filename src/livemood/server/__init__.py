"""The doors: HTTP and WebSocket."""

from livemood.server.log import EventLog
from livemood.server.serving import ServerThread

__all__ = ["EventLog", "ServerThread"]
