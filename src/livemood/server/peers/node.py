"""A node's settings, and where its secrets come from."""

import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from livemood.errors import UsageError, reason
from livemood.server.storage.postgresql.opening import is_loopback

SECRET: Final = "LIVEMOOD_CLUSTER_SECRET"  # noqa: S105 - a variable's name
SCHEMES: Final = ("nats", "tls")
HIGHEST_PORT: Final = 65_535


class NodeSettings(BaseModel):
    """One node among others of a cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """Address to listen on for other nodes."""
    port: int = Field(0, ge=0, le=HIGHEST_PORT)
    """Port to listen on for other nodes; 0 is any. Of several workers each takes the next."""
    address: str | None = None
    """Host name or address by which other nodes reach this one; `host` unless it is set."""
    url: str | None = None
    """Where clients reach this node, for redirects: https://HOST:PORT."""
    secret_file: Path | None = None
    """A file with the cluster's secret; or set LIVEMOOD_CLUSTER_SECRET."""
    ca: Path | None = None
    """Certificates, PEM, by which other nodes and NATS are known; the system's unless it is set."""
    trusted_network: bool = False
    """Nobody else is in the network between nodes and NATS: do without TLS there."""

    def port_of(self, worker: int) -> int:
        """Where one worker of several listens. Raises `UsageError`."""
        port = self.port + worker if self.port else 0
        if port > HIGHEST_PORT:
            raise UsageError(f"node.port {self.port}: there are no {worker + 1} ports from it on")
        return port

    def secret(self) -> str:
        """The cluster's secret. Raises `UsageError`."""
        if self.secret_file is not None:
            return _read(self.secret_file)
        if found := os.environ.get(SECRET, "").strip():
            return found
        raise UsageError(
            f"--cluster needs a secret that all nodes share: node.secret_file or {SECRET}"
        )

    def credentials(self) -> dict[str, str]:
        """What lets this node in at NATS: by the environment."""
        names = {"token": "NATS_TOKEN", "user": "NATS_USER", "password": "NATS_PASSWORD"}
        return {name: os.environ[value] for name, value in names.items() if os.environ.get(value)}

    def check(self, nats: str, *, tls: bool) -> None:
        """Raise `UsageError` for what could give something away; `tls`: there is a certificate."""
        parts = urlsplit(nats)
        if parts.scheme not in SCHEMES or not parts.hostname:  # it may hold a password
            raise UsageError("--cluster: give nats://HOST:4222, or tls://HOST:4222")
        if parts.username or parts.password:
            raise UsageError(
                "--cluster: leave user and password out, where others could read them: set "
                "NATS_TOKEN, or NATS_USER and NATS_PASSWORD"
            )
        if self.trusted_network:
            return
        if parts.scheme != "tls" and not is_loopback(parts.hostname):
            raise UsageError(
                f"--cluster: others could change what nodes tell each other on the way to "
                f"{parts.hostname}: give tls://, or set node.trusted_network"
            )
        if not tls and not is_loopback(self.host):
            raise UsageError(
                f"others could listen in between nodes at {self.host}: give --cert and --key, or "
                "set node.trusted_network"
            )


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the cluster's secret in {path}: {reason(error)}") from None
