"""`livemood serve`, in a process of its own."""

import os
import subprocess
from contextlib import contextmanager

from started import command
from websockets.asyncio.client import connect

STREAM = {"type": "start", "rate": 16000, "encoding": "s16le"}


class Process:
    """A running server."""

    def __init__(self, process, url):
        self.process, self.url = process, url

    def websocket(self, path, **options):
        return connect(self.url.replace("http", "ws", 1) + path, max_size=None, **options)


@contextmanager
def served(data, *args, env=None):
    """`livemood serve` on a free port; killed at the end if it still runs."""
    process = subprocess.Popen(
        [*command(), "serve", "--data", str(data), "--port", "0", *map(str, args)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | (env or {}),
    )
    try:
        line = process.stderr.readline()
        while line and "serving at" not in line:
            line = process.stderr.readline()
        assert line, "the server did not start"
        yield Process(process, line.split()[-1])
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
