"""Archives of the tests, and sessions in them."""

import secrets

from livemood.server.spec import SessionRecord
from livemood.server.storage.archive import Archive
from livemood.server.storage.postgresql.opening import open_database


def opened(folder, url):
    return Archive(folder, "test", database=open_database(folder, url))


def record(**fields):
    defaults = {
        "id": secrets.token_hex(8),
        "kind": "stream",
        "state": "waiting",
        "source": None,
        "created": "2030-01-01T00:00:00.000Z",
        "purpose": "research",
        "retention_days": 30,
        "created_by": "local",
    }
    return SessionRecord(**defaults | fields)


def ended(archive, **fields):
    """A session that has ended, kept."""
    made = record(**fields)
    archive.sessions.add(made)
    archive.sessions.update(made.model_copy(update={"state": "ended"}))
    return made


def bytes_of(folder):
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
