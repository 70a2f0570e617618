"""What the benchmarks of `livemood serve` share: the server as a process, and its load."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import httpx
import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

PURPOSE = {"purpose": "demonstration", "informed": True}
BLOCK_S = {"rtp": 0.02, "stream": 0.05}
"""How much sound a packet, or a message, holds."""
TICK_S = 0.005


class Server:
    """A running `livemood serve`."""

    def __init__(self, process: subprocess.Popen, url: str) -> None:
        self.process, self.url = process, url

    def websocket(self, path: str):
        """A WebSocket to `path`."""
        url = self.url.replace("http", "ws", 1) + path
        return connect(url, max_size=None, compression=None, open_timeout=30, close_timeout=2)


@contextmanager
def serve(data: Path, *args: str, core: int | None = None) -> Iterator[Server]:
    """`livemood serve` on a free port, on one core if that is said; killed at the end."""

    def settle() -> None:
        if core is not None:
            os.sched_setaffinity(0, {core})

    command = [sys.executable, "-m", "livemood", "serve", "--data", str(data), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--provider", "cpu", *args],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=settle,
    )
    try:
        for line in process.stderr:
            if "serving at" in line:
                break
        else:
            raise SystemExit("the server did not start")
        yield Server(process, line.split()[-1])
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


class Stream:
    """One session: its sound as it is sent, its events as they come back."""

    def __init__(self, kind: str, sound: "Sound", offset_s: float) -> None:
        self.kind, self._sound, self._offset = kind, sound, offset_s
        self.session: str | None = None
        self.refused: str | None = None
        self.events: list[dict] = []
        self.stop = asyncio.Event()

    async def run(self, server: Server, http: httpx.AsyncClient, sender: "Sender") -> None:
        """Create the session and send until `stop` is set; a refusal is noted."""
        if self.kind == "rtp":
            await self._call(http, sender)
        else:
            await self._socket(server)

    async def _call(self, http: httpx.AsyncClient, sender: "Sender") -> None:
        answer = await http.post("/v1/sessions", json={"kind": "rtp", **PURPOSE})
        made = answer.json()
        if answer.status_code != 201:
            self.refused = made["error"]["code"]
            return
        self.session = made["id"]
        place = (made["rtp"]["host"], made["rtp"]["ports"][0])
        sender.add(self, place, self._sound.coded, self._offset)
        await self.stop.wait()
        sender.remove(self)
        with suppress(httpx.HTTPError):
            await http.post(f"/v1/sessions/{self.session}/end")

    async def _socket(self, server: Server) -> None:
        start = {"type": "start", "rate": common.RATE, "encoding": "s16le", **PURPOSE}
        try:
            async with server.websocket("/v1/stream") as ws:
                await ws.send(json.dumps(start))
                self._take(await ws.recv())
                if self.refused:
                    return
                reading = asyncio.create_task(self._read(ws))
                await self._send(ws)
                await ws.send('{"type": "end"}')
                await asyncio.wait_for(reading, 20)
        except (OSError, WebSocketException, TimeoutError) as error:
            self.refused = self.refused or f"{type(error).__name__}"

    def _take(self, message: str) -> None:
        event = json.loads(message)
        event["received"] = time.time()
        self.events.append(event)
        self.session = event["session"] or self.session
        if event["type"] == "error" and event["fatal"] and self.session is None:
            self.refused = event["code"]

    async def _read(self, ws) -> None:
        with suppress(WebSocketException):
            while True:
                self._take(await ws.recv())

    async def _send(self, ws) -> None:
        size = 2 * round(BLOCK_S["stream"] * common.RATE)
        sound, began, number = self._sound.plain, time.monotonic(), 0
        at = round(self._offset * common.RATE) * 2
        with suppress(WebSocketException):
            while not self.stop.is_set():
                number += 1
                due = began + number * BLOCK_S["stream"]
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                place = at % (len(sound) - size)
                await ws.send(sound[place : place + size])
                at += size


class Sound:
    """One side of a conversation, as it is sent."""

    def __init__(self, seconds: float, seed: int) -> None:
        samples = common.one_side(seconds, seed)
        self.plain = np.clip(samples * 32767, -32768, 32767).astype("<i2").tobytes()
        self.coded = common.mu_law(samples)


class Sender:
    """Sends the packets of all calls, 20 ms each, in one task."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._calls: dict[Stream, list] = {}
        self.late = 0.0
        """By how much the latest packet was late, in seconds."""

    def add(self, stream: Stream, place: tuple[str, int], coded: bytes, offset_s: float) -> None:
        """Send `coded` for a stream from now on."""
        ssrc = len(self._calls) + 1
        self._calls[stream] = [time.monotonic(), 0, place, coded, round(8000 * offset_s), ssrc]

    def remove(self, stream: Stream) -> None:
        """Send no more for it."""
        self._calls.pop(stream, None)

    async def run(self) -> None:
        """For ever."""
        size = 160
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            for call in list(self._calls.values()):
                began, number, place, coded, at, ssrc = call
                while (due := began + (number + 1) * 0.02) <= now:
                    start = (at + number * size) % (len(coded) - size)
                    head = struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * size, ssrc)
                    self._socket.sendto(head + coded[start : start + size], place)
                    number += 1
                    self.late = max(self.late, now - due)
                call[1] = number


def made_at(event: dict) -> float:
    """When an event was made, Unix time."""
    return datetime.fromisoformat(event["time"]).timestamp()
