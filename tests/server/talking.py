"""Ways to talk to a running server."""

import asyncio
import json
import time
from contextlib import suppress
from inspect import isawaitable

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from livemood.timeline.events import parse_event

START = {"type": "start", "rate": 16000, "encoding": "s16le", "purpose": "personal"}
START |= {"informed": True}
SPEC = {"kind": "stream", "purpose": "personal", "informed": True}
ROUTES = [
    ("POST", "/v1/sessions"),
    ("GET", "/v1/sessions"),
    ("GET", "/v1/sessions/{}"),
    ("GET", "/v1/sessions/{}/timeline"),
    ("GET", "/v1/sessions/{}/report"),
    ("GET", "/v1/sessions/{}/sound"),
    ("POST", "/v1/sessions/{}/markers"),
    ("POST", "/v1/sessions/{}/transcript"),
    ("POST", "/v1/sessions/{}/end"),
    ("DELETE", "/v1/sessions/{}"),
    ("GET", "/v1/baselines"),
    ("DELETE", "/v1/baselines/1"),
    ("GET", "/v1/alerts"),
    ("DELETE", "/v1/alerts/x"),
    ("GET", "/v1/audit"),
    ("GET", "/metrics"),
]


def client(service, token=None, **options):
    """An HTTP client of `service`."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=service.url, headers=headers, timeout=20, **options)


def socket(service, path, token=None, **options):
    """A WebSocket to `service`."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = service.url.replace("http", "ws", 1) + path
    options = {"max_size": None, "additional_headers": headers} | options
    return connect(url, **options)


async def send_all(ws, samples, start=START, end=True, block=3200):
    """Send a clip, faster than real time but within what is allowed."""
    await ws.send(json.dumps(start))
    with suppress(ConnectionClosed):  # the server has its reasons, which it says
        for at in range(0, len(samples), block):
            await ws.send(samples[at : at + block].tobytes())
            await asyncio.sleep(0)
        if end:
            await ws.send('{"type": "end"}')


async def received(ws, events=None):
    """Every event until the server closes; also added to `events` as they come."""
    events = [] if events is None else events
    with suppress(ConnectionClosed):
        while True:
            events.append(parse_event(await ws.recv()))
    return events


async def stream(service, samples, start=START, token=None, path="/v1/stream"):
    """Stream a clip and return its events."""
    async with socket(service, path, token) as ws:
        sending = asyncio.create_task(send_all(ws, samples, start))
        events = await received(ws)
        await sending
        return events


async def until(true):
    """Wait until `true()`, a function or a coroutine function, holds. At most half a minute.

    For what the server says to nobody.
    """
    async with asyncio.timeout(30):
        while not (await found if isawaitable(found := true()) else found):
            await asyncio.sleep(0.01)


def wait_for(true):
    """The same in a test that has no event loop."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "never true"
        time.sleep(0.01)


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


async def refusal(service, path, token=None, **options):
    """Status and code with which a WebSocket is refused before its handshake."""
    with pytest.raises(InvalidStatus) as refused:
        await socket(service, path, token, **options)
    answer = refused.value.response
    return answer.status_code, json.loads(answer.body)["error"]["code"]


async def alive(service, speech, token=None):
    """The service still hears, and answers within a moment."""
    began = time.monotonic()
    with client(service, token) as http:
        answer = await asyncio.to_thread(http.get, "/healthz")
    events = await stream(service, speech, token=token)
    assert answer.status_code == 200
    assert events[-1].type == "session.ended"
    assert events[-1].reason == "end"
    return time.monotonic() - began
