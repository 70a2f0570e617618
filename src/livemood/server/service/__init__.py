"""Many sessions at once: registry, storage, access. What inputs and pages build on."""

from livemood.server.service.archive import Archive
from livemood.server.service.live import LiveSession, OpenSession
from livemood.server.service.policy import Policy, load_policy
from livemood.server.service.principal import LOCAL, Principal
from livemood.server.service.refused import Refused
from livemood.server.service.serving import Service
from livemood.server.service.sessions import Sessions
from livemood.server.service.settings import Limits, ServeSettings
from livemood.server.service.spec import SessionRecord, SessionSpec

__all__ = [
    "LOCAL",
    "Archive",
    "Limits",
    "LiveSession",
    "OpenSession",
    "Policy",
    "Principal",
    "Refused",
    "ServeSettings",
    "Service",
    "SessionRecord",
    "SessionSpec",
    "Sessions",
    "load_policy",
]
