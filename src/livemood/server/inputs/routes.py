"""The routes by which sound comes in."""

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

__all__ = ["inputs", "whip_installed"]


def inputs(
    sessions: Sessions, access: Access, connections: Connections, recordings: Recordings
) -> tuple[Publishers, list[APIRouter], list[BaseRoute]]:
    """Who publishes by WebRTC, to be closed at the end; routers of HTTP; routes of WebSockets."""
    limits = sessions.limits
    publishers = Publishers(sessions, limits.publishers)
    routers = [
        whip_routes(publishers, sessions, access),
        recording_routes(recordings, sessions, access),
    ]
    routes = [
        *stream_routes(sessions, connections, limits),
        *twilio_routes(sessions, access, connections, limits),
    ]
    return publishers, routers, routes
