"""The data folder: private, damaged, removed, another user's."""

import logging
import os
import secrets
import shutil
import subprocess
import sys

import pytest

from livemood.errors import LivemoodError
from livemood.server.spec import SessionRecord
from livemood.server.storage.archive import Archive

posix = pytest.mark.skipif(os.name != "posix", reason="modes and owners of POSIX")


def waiting(name):
    return SessionRecord(
        id=name,
        kind="stream",
        state="live",
        source=None,
        created="",
        purpose="personal",
        retention_days=1,
        created_by="local",
    )


@posix
def test_a_folder_that_was_there_becomes_private_and_so_does_its_lock(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    (folder / "timelines").mkdir(mode=0o755)
    (folder / "lock").touch(mode=0o666)
    before = os.umask(0)
    try:
        archive = Archive(folder)
    finally:
        os.umask(before)
    modes = {p.name: p.stat().st_mode & 0o077 for p in (folder, *folder.rglob("*"))}
    archive.close()
    assert set(modes.values()) == {0}, modes


@posix
@pytest.mark.skipif(os.name == "posix" and os.getuid() != 0, reason="only root may change owners")
def test_a_lock_that_another_user_left_in_our_folder_is_replaced(tmp_path):
    """As an ordinary user, in a folder of theirs with a lock of root."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "lock").touch(mode=0o600)
    os.chown(folder, 65534, 65534)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.getuid() and str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o711)
    program = (
        "import os, sys; os.setgid(65534); os.setuid(65534)\n"
        "from livemood.server.storage.folder import lock\n"
        "from pathlib import Path\n"
        "lock(Path(sys.argv[1]))()\nprint('locked')"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import livemood.server.storage.archive\n" + program, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "locked\n", done.stderr


@pytest.mark.parametrize("seed", range(4))
def test_damaged_timelines_are_put_aside_and_the_server_goes_on(tmp_path, caplog, seed):
    names = [secrets.token_hex(8) for _ in range(4)]
    first = Archive(tmp_path)
    for name in names:
        first.sessions.add(waiting(name))
        first.writer.put(name, 1, '{"type": "no event"}')
    first.writer.flush()
    first.close()
    path = tmp_path / "timelines" / f"{names[0]}.db"
    content = path.read_bytes()
    damaged = [b"garbage", content[:700], bytes(len(content)), content[:4096] + b"x" * 5000]
    path.write_bytes(damaged[seed])
    (tmp_path / "timelines" / "x.db.erasing").mkdir()
    with first_database(tmp_path) as db:
        db.execute("UPDATE sessions SET record = '{' WHERE id = ?", (names[1],))
    with caplog.at_level(logging.INFO):
        again = Archive(tmp_path)
        again.recover()
        assert names[1] not in [record.id for _, record in again.sessions.find()]
        assert again.sessions.get(names[2]).state == "ended"
        again.delete([names[0]], "test", "delete")
        again.close()
    assert not [p for p in (tmp_path / "timelines").iterdir() if names[0] in p.name]
    assert "Traceback" not in caplog.text
    assert not any(name in caplog.text for name in names), "the log names no session"
    assert "\n" not in caplog.records[0].getMessage()


def first_database(folder):
    import sqlite3

    return sqlite3.connect(folder / "livemood.db")


@pytest.mark.parametrize(
    ("name", "content"),
    [("livemood.db", b"garbage" * 1000), ("timelines", b"a file"), ("sound", b"a file")],
)
def test_what_cannot_be_put_aside_is_said_in_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LivemoodError) as refused:
        Archive(tmp_path)
    assert "\n" not in str(refused.value)
    assert str(tmp_path) in str(refused.value)


def test_a_folder_that_is_removed_shows(tmp_path):
    folder = tmp_path / "data"
    archive = Archive(folder)
    assert archive.failing is None
    shutil.rmtree(folder)
    assert "removed" in archive.failing
    archive.close()
