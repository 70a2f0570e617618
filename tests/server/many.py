"""A running `livemood serve --workers N`, and who of its workers serves what."""

import asyncio
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack, ExitStack, contextmanager
from socket import create_connection

import httpx
import psutil
from talking import socket

from livemood.server.storage.database import Database
from livemood.server.storage.tokens import Tokens

CROWD, TRIES, PATIENCE_S = 40, 12, 30.0
PORTS = "rtp.first_port=34000", "rtp.last_port=34999"


class Many:
    """A running server."""

    def __init__(self, process, url, data, token):
        self.process, self.url, self.data, self.token = process, url, data, token

    @property
    def workers(self):
        """The processes of its workers; not what these start."""
        children = psutil.Process(self.process.pid).children()
        return sorted(children, key=lambda child: child.pid)

    def server_of(self, port):
        """The worker that has accepted the connection from a local port."""
        for worker in self.workers:
            for connection in worker.net_connections(kind="tcp"):
                if connection.raddr and connection.raddr.port == port:
                    return worker.pid
        return None

    def of(self, ws):
        """The worker that serves a WebSocket."""
        return self.server_of(ws.transport.get_extra_info("sockname")[1])

    def crowd(self, stack):
        """Many come at once and say nothing, so that a worker that carries more has its turn."""
        place = httpx.URL(self.url)
        for _ in range(CROWD):
            stack.callback(create_connection((place.host, place.port)).close)

    async def websocket(self, stack, path, at=None, but=None, token=None):
        """A WebSocket that a certain worker serves, or any but one.

        Others are tried for as long as it takes: a worker that carries more than another leaves
        connections to that one.
        """
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            async with AsyncExitStack() as kept:
                for attempt in range(TRIES):
                    ws = await socket(self, path, token or self.token)
                    served = self.of(ws)
                    if served in (at, None) or (at is None and served != but):
                        stack.push_async_callback(ws.close)
                        return ws
                    kept.push_async_callback(ws.close)
                    if attempt % 4 == 3:
                        self.crowd(kept)
            await asyncio.sleep(0.1)
        raise AssertionError("that worker accepts nothing")

    def ask(self, worker, method, path, token=None, **options):
        """A request that a certain worker answers."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with ExitStack() as kept:
                for attempt in range(TRIES):
                    http = httpx.Client(base_url=self.url, headers=headers, timeout=30)
                    kept.callback(http.close)
                    with http.stream("GET", "/healthz") as answer:  # keeps its connection
                        answer.read()
                        stream = answer.extensions["network_stream"]
                        served = self.server_of(stream.get_extra_info("client_addr")[1])
                    if served == worker:
                        return http.request(method, path, **options)
                    if attempt % 4 == 3:
                        self.crowd(kept)
            time.sleep(0.1)
        raise AssertionError("that worker accepts nothing")


@contextmanager
def many(data, *args, workers=2, env=None):
    """A server whose data is in a folder, with a token for everything."""
    database = Database(data)
    token = Tokens(database).create(("ingest", "watch", "manage"))
    database.close()
    sets = [word for value in PORTS for word in ("--set", value)]
    command = ["-m", "livemood", "serve", "--data", str(data), "--port", "0", "--model", "small"]
    command += ["--workers", str(workers), *sets, *map(str, args)]
    command += ["--set", "monitor.budget_s=60"]
    process = subprocess.Popen(
        [sys.executable, *command], stderr=subprocess.PIPE, text=True, env=os.environ | (env or {})
    )
    try:
        while (line := process.stderr.readline()) and "serving at" not in line:
            pass
        assert line, "the server did not start"
        yield Many(process, line.split()[-1], data, token)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


__all__ = ["AsyncExitStack", "Many", "many"]


def http(two, token=None):
    """A client of the server's address: whichever worker answers."""
    headers = {"Authorization": f"Bearer {token or two.token}"}
    return httpx.Client(base_url=two.url, headers=headers, timeout=30)
