"""`livemood serve`, in a process of its own."""

import os
import subprocess
from contextlib import contextmanager

from started import command
from websockets.asyncio.client import connect

BUSY = ("--set", "busiest=1.0")
"""However much else the machine does, it takes sessions."""
STREAM = {"type": "start", "rate": 16000, "encoding": "s16le"}


class Process:
    """A running server."""

    def __init__(self, process, url, said):
        self.process, self.url, self.said = process, url, said

    def websocket(self, path, **options):
        return connect(self.url.replace("http", "ws", 1) + path, max_size=None, **options)


@contextmanager
def served(data, *args, env=None, cwd=None):
    """`livemood serve` on a free port; killed at the end if it still runs."""
    process = subprocess.Popen(
        [*command(), "serve", *BUSY, "--data", str(data), "--port", "0", *map(str, args)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (env or {}),
        cwd=cwd,
    )
    try:
        said = [process.stderr.readline()]
        while said[-1] and "serving at" not in said[-1]:
            said.append(process.stderr.readline())
        assert said[-1], "the server did not start"
        yield Process(process, said[-1].split()[-1], said)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
