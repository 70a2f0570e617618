"""PostgreSQL and NATS, real ones, started for tests in folders of their own."""

import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def pg_ctl():
    """The program that starts PostgreSQL; none if it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    return str(found[-1]) if found else shutil.which("pg_ctl")


class Postgres:
    """A PostgreSQL server that is reached by a socket in its folder. Use as a context manager."""

    def __init__(self):
        self._user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        self._folder = tempfile.mkdtemp(prefix="pg")
        self._numbers = itertools.count()
        if self._user:
            shutil.chown(self._folder, **self._user)

    def _ctl(self, *args):
        command = [pg_ctl(), "-D", f"{self._folder}/data", "-s", "-w", *args]
        quiet = {"cwd": self._folder, "stdout": subprocess.DEVNULL, "check": True}
        subprocess.run(command, **quiet, **self._user)

    def __enter__(self):
        self._ctl("initdb", "-o", "-A trust -U tester --no-sync")
        self.start()
        Path(self._folder).chmod(0o711)
        return self

    def start(self):
        """Have it answer."""
        options = f"-k {self._folder} -c listen_addresses= -c fsync=off"
        self._ctl("-l", f"{self._folder}/log", "-o", options, "start")

    def stop(self):
        """Have it answer no more."""
        self._ctl("-m", "immediate", "stop")

    def url(self, name="postgres"):
        """The address of one of its databases."""
        return f"postgresql://tester@/{name}?host={self._folder}"

    def new(self):
        """The address of a new, empty database."""
        import psycopg

        name = f"t{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def __exit__(self, *_):
        with suppress(subprocess.CalledProcessError):  # a test may have stopped it
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def nats_server():
    """Where the server is: a package brings it, into the environment's own folder of programs."""
    beside = shutil.which("nats-server", path=Path(sys.executable).parent)
    return beside or shutil.which("nats-server")


class Nats:
    """A NATS server with JetStream, kept on disk. Use as a context manager."""

    def __init__(self, token, certificate=None):
        """`certificate` is a pair of files: then it speaks TLS alone."""
        self.token, self.port, self._certificate = token, free_port(), certificate
        self._folder = tempfile.mkdtemp(prefix="nats")
        self._process = None

    @property
    def url(self):
        """Its address, without what lets one in."""
        scheme = "tls" if self._certificate else "nats"
        return f"{scheme}://127.0.0.1:{self.port}"

    def __enter__(self):
        self.start()
        return self

    def start(self):
        """Have it answer."""
        config = Path(self._folder) / "nats.conf"
        config.write_text(
            f'listen: "127.0.0.1:{self.port}"\n'
            f'authorization {{ token: "{self.token}" }}\n'
            f'jetstream {{ store_dir: "{self._folder}/js" }}\n'
            + ('tls {{ cert_file: "{}", key_file: "{}" }}\n'.format(*self._certificate or ("", "")))
            * bool(self._certificate)
        )
        log = (Path(self._folder) / "log").open("a")
        program = nats_server()
        assert program is not None, "no nats-server is installed"
        self._process = subprocess.Popen([program, "-c", config], stderr=log, stdout=log)
        log.close()
        while True:
            assert self._process.poll() is None, (Path(self._folder) / "log").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.01)

    def stop(self):
        """Have it answer no more."""
        self._process.terminate()
        self._process.wait()

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
