"""A running `livemood serve --workers N`, and who of its workers serves what."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager, suppress

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
        self._turns = {}

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

    @contextmanager
    def stopped(self, at, but):
        """All workers but one are stopped, or that one alone: who is stopped accepts nothing.

        One that carries more than another leaves connections to that one, for a quarter of a
        second: so no worker can be had by trying.
        """
        idle = psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE
        pids = [worker.pid for worker in self.workers if worker.status() not in idle]
        waiting = [pid for pid in pids if (at is not None and pid != at) or pid == but]
        assert len(waiting) < len(pids), "that worker has gone"
        for pid in waiting:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in waiting:
                with suppress(ProcessLookupError):  # killed by whoever asks
                    os.kill(pid, signal.SIGCONT)

    def taken(self):
        """Connections that workers have accepted: the ports they came from."""
        found = set()
        for worker in self.workers:
            with suppress(psutil.NoSuchProcess):  # one that was killed just now
                there = worker.net_connections(kind="tcp")
                found |= {each.raddr.port for each in there if each.raddr}
        return found

    async def websocket(self, stack, path, at=None, but=None, token=None):
        """A WebSocket that a certain worker serves, or any but one."""
        turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with turn:  # another one may want the worker that would be stopped
            ws = await self._connected(path, at, but, token or self.token)
        stack.push_async_callback(ws.close)
        return ws

    async def _connected(self, path, at, but, token):
        with self.stopped(at, but):
            before = self.taken()
            coming = asyncio.ensure_future(socket(self, path, token))
            while not coming.done() and self.taken() <= before:
                await asyncio.sleep(0.01)
        return await coming

    def ask(self, worker, method, path, token=None, **options):
        """A request that a certain worker answers."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        with (
            httpx.Client(base_url=self.url, headers=headers, timeout=30) as http,
            ThreadPoolExecutor(1) as thread,
        ):
            with self.stopped(worker, None):
                before = self.taken()
                coming = thread.submit(http.get, "/healthz")  # its connection is kept
                while not coming.done() and self.taken() <= before:
                    time.sleep(0.01)
            coming.result()
            return http.request(method, path, **options)


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
