"""Nodes of a cluster as processes of their own, with a real NATS and a real PostgreSQL."""

import os
import subprocess
import sys
from contextlib import contextmanager
from secrets import token_hex

import httpx

from livemood.server.storage.postgresql.database import PostgresDatabase
from livemood.server.storage.postgresql.tokens import RememberedTokens

SECRET = "a secret of the tests, long enough"
PORTS = 33000


class Node:
    """A running `livemood serve --cluster`."""

    def __init__(self, process, url, data, token):
        self.process, self.url, self.data, self.token = process, url, data, token

    def http(self, **options):
        """A client."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, **options)

    def get(self, path):
        """The answer to one request."""
        with self.http() as http:
            return http.get(path)

    def post(self, path, **options):
        """The same, with a body."""
        with self.http() as http:
            return http.post(path, **options)

    def kill(self):
        """End it without a word."""
        self.process.kill()
        self.process.wait()


class Cluster:
    """NATS, a database, and nodes that are started one by one. Use as a context manager."""

    def __init__(self, folder, nats, database):
        self.folder, self.nats, self.database = folder, nats, database
        self.nodes, self.secret = [], SECRET + token_hex()  # one NATS serves many of them
        self.token = self.new_token("ingest", "watch", "manage")

    def new_token(self, *scopes):
        """A token that all nodes know."""
        tables = PostgresDatabase(self.database, "test")
        token = RememberedTokens(tables).create(scopes)
        tables.close()
        return token

    def __enter__(self):
        return self

    def command(self, name, *args):
        """What starts a node."""
        first = PORTS + 100 * len(self.nodes)
        sets = (f"rtp.first_port={first}", f"rtp.last_port={first + 99}", "monitor.budget_s=60")
        command = [sys.executable, "-m", "livemood", "serve", "--port", "0", "--model", "small"]
        command += ["--data", str(self.folder / name), "--database", self.database]
        command += ["--cluster", self.nats.url, *(w for s in sets for w in ("--set", s))]
        return [*command, *map(str, args)]

    @property
    def environment(self):
        """What lets a node in."""
        own = {"NATS_TOKEN": self.nats.token, "LIVEMOOD_CLUSTER_SECRET": self.secret}
        return os.environ | own

    def begin(self, name, *args):
        """Start a node, without waiting for it."""
        return subprocess.Popen(
            self.command(name, *args), stderr=subprocess.PIPE, text=True, env=self.environment
        )

    def started(self, name, process):
        """The node once it serves."""
        lines = []
        while (line := process.stderr.readline()) and "serving at" not in line:
            lines.append(line)
        assert line, lines
        node = Node(process, line.split()[-1], self.folder / name, self.token)
        self.nodes.append(node)
        return node

    def node(self, name, *args):
        """A node that serves."""
        return self.started(name, self.begin(name, *args))

    def __exit__(self, *_):
        for node in self.nodes:
            if node.process.poll() is None:
                node.kill()
            node.process.stderr.close()


@contextmanager
def cluster(folder, nats, postgresql, *names):
    """A cluster with some nodes, which start together."""
    with Cluster(folder, nats, postgresql.new()) as made:
        begun = [(name, made.begin(name)) for name in names]
        for name, process in begun:
            made.started(name, process)
        yield made
