"""The routes by which sound comes in."""

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.routing import BaseRoute

from livemood.server.access.access import Access
from livemood.server.access.connections import Connections
from livemood.server.inputs.recordings import recording_routes
from livemood.server.inputs.stream import stream_routes
from livemood.server.inputs.twilio import twilio_routes
from livemood.server.inputs.whip import Publishers, whip_routes
from livemood.server.inputs.whip import installed as whip_installed
from livemood.server.sessions.recordings import Recordings
from livemood.server.sessions.sessions import Sessions

__all__ = ["Inputs", "inputs", "whip_installed"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What takes sound in by HTTP and by WebSockets."""

    publishers: Publishers
    """Who publishes by WebRTC."""
    recordings: Recordings
    """What was uploaded."""
    routers: list[APIRouter]
    routes: list[BaseRoute]
    """Of WebSockets."""

    async def close(self) -> None:
        """Part with everybody, and wait until nothing is read any more."""
        await self.publishers.close()
        await self.recordings.close()


def inputs(sessions: Sessions, access: Access, connections: Connections, model: str) -> Inputs:
    """The inputs; `model` names what sessions are read with."""
    limits = sessions.limits
    publishers = Publishers(sessions, limits.publishers)
    recordings = Recordings(sessions, limits, model)
    routers = [
        whip_routes(publishers, sessions, access),
        recording_routes(recordings, sessions, access),
    ]
    routes = [
        *stream_routes(sessions, connections, limits),
        *twilio_routes(sessions, access, connections, limits),
    ]
    return Inputs(publishers, recordings, routers, routes)
