"""HTTP and WebSocket. `monitor` serves one session, `serve` many."""

from livemood.server.monitor.demo import Demo
from livemood.server.monitor.log import EventLog
from livemood.server.monitor.serving import ServerThread

__all__ = ["Demo", "EventLog", "ServerThread"]
