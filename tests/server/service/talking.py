"""Ways to talk to a running server."""

import asyncio
import json
from contextlib import suppress

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from livemood.timeline.events import parse_event

START = {"type": "start", "rate": 16000, "encoding": "s16le", "purpose": "personal"}
START |= {"informed": True}


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


async def received(ws):
    """Every event until the server closes."""
    events = []
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
