"""The main database that the settings want."""

import ipaddress
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from livemood.errors import LivemoodError, UsageError
from livemood.server.storage.database import Database
from livemood.server.storage.folder import private_folder

if TYPE_CHECKING:
    from livemood.server.storage.postgresql.database import PostgresDatabase

SCHEMES = ("postgresql", "postgres")


def check_url(url: str) -> None:
    """Raise `UsageError` unless it is a PostgreSQL address without a password."""
    try:
        parts = urlsplit(url)
        password = parts.password is not None or "password=" in parts.query
    except ValueError:
        parts, password = urlsplit(""), False
    if parts.scheme not in SCHEMES:  # it is not repeated: it may hold a password
        raise UsageError("--database: give postgresql://USER@HOST/DATABASE")
    if password:
        raise UsageError(
            "--database: leave the password out, where others could read it: give it as "
            "PGPASSWORD, or in ~/.pgpass"
        )
    if parts.hostname and not is_loopback(parts.hostname) and "sslmode=" not in parts.query:
        raise UsageError(
            f"--database: others could read what is kept on its way to {parts.hostname}: add "
            "?sslmode=verify-full, or ?sslmode=prefer in a network that only your servers reach"
        )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def node_of(folder: Path) -> str:
    """The name of the server with this data folder, among those that share a database.

    It is made when it is first asked for. Raises `LivemoodError`.
    """
    path = folder / "node"
    try:
        private_folder(folder)
        if not path.exists():
            fresh = folder / f"node.{os.getpid()}"
            fresh.write_text(secrets.token_hex(6))
            try:
                os.link(fresh, path)  # of several processes the first one names it
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        name = path.read_text().strip()
    except OSError as error:
        raise LivemoodError(f"cannot keep data in {folder}: {error.strerror or error}") from None
    if not (name.isascii() and name.isalnum()):
        raise LivemoodError(f"{path} is damaged: delete it")
    return name


def open_database(folder: Path, url: str | None) -> "Database | PostgresDatabase":
    """SQLite in the folder, or PostgreSQL at `url`. Raises `LivemoodError`."""
    if url is None:
        return Database(folder)
    check_url(url)
    node = node_of(folder)
    try:
        from livemood.server.storage.postgresql.database import PostgresDatabase
    except ImportError:
        raise UsageError("--database needs psycopg: pip install 'livemood[postgresql]'") from None
    return PostgresDatabase(url, node)
