"""A running `livemood serve --workers N`, and who of its workers serves what."""

import os
import subprocess
import sys
from contextlib import AsyncExitStack, contextmanager

import httpx
import psutil
from talking import socket

from livemood.server.storage.database import Database
from livemood.server.storage.tokens import Tokens

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

    async def websocket(self, stack, path, at=None, but=None, token=None):
        """A WebSocket that a certain worker serves, or any but one.

        Others are tried for as long as it takes, and kept open until `stack` is closed: who
        accepted them leaves the next to others.
        """
        for _ in range(100):
            ws = await stack.enter_async_context(socket(self, path, token or self.token))
            served = self.of(ws)
            if served in (at, None) or (at is None and served != but):
                return ws
        raise AssertionError("that worker accepts nothing")

    def ask(self, worker, method, path, token=None, **options):
        """A request that a certain worker answers."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        kept = []
        try:
            for _ in range(100):
                http = httpx.Client(base_url=self.url, headers=headers, timeout=30)
                kept.append(http)
                with http.stream("GET", "/healthz") as answer:  # keeps its connection
                    answer.read()
                    stream = answer.extensions["network_stream"]
                    served = self.server_of(stream.get_extra_info("client_addr")[1])
                if served == worker:
                    return http.request(method, path, **options)
            raise AssertionError("that worker accepts nothing")
        finally:
            for http in kept:
                http.close()


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
