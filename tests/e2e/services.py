"""A server of many sessions, and sessions of it, for tests of its pages."""

import json
from contextlib import contextmanager

from websockets.sync.client import connect as open_socket

from livemood.engine import MonitorSettings
from livemood.server.serve import Service
from livemood.server.serve.settings import ServeSettings

START = {"type": "start", "rate": 16000, "encoding": "s16le", "channels": 2, "informed": True}


@contextmanager
def serving(model, folder, port=0, **settings):
    chosen = ServeSettings(port=port, data=folder, **settings)
    with Service(chosen, model, MonitorSettings(budget_s=60.0)) as service:
        service.sessions.load = lambda: 0.0  # what else the machine does keeps nobody out
        yield service


@contextmanager
def live_session(service, talk, token=None, purpose="demonstration", names=("Ada", "Brook")):
    """A session that has had four seconds of sound, and its id; it ends in the end."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = service.url.replace("http", "ws", 1) + "/v1/stream"
    with open_socket(url, additional_headers=headers, max_size=None) as socket:
        socket.send(json.dumps({**START, "purpose": purpose, "participants": names}))
        for at in range(0, len(talk), 12_800):
            socket.send(talk[at : at + 12_800])
        yield json.loads(socket.recv())["session"]
        socket.send('{"type": "end"}')
        for _ in socket:
            pass


def ended_session(service, talk, **about):
    with live_session(service, talk, **about) as session:
        pass
    return session


def row(session):
    return f"[data-session='{session}']"
