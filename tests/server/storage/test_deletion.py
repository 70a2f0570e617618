"""What is left of what was deleted, and when it is deleted."""

import random
import secrets
import sqlite3
from contextlib import closing

import pytest
from archives import bytes_of, ended, record

from livemood.server.refused import Refused
from livemood.server.storage.database import Database, check


def passed(archive, seconds):
    """Both clocks of the archive have gone on."""
    wall, monotonic = archive._wall(), archive._monotonic()
    archive._wall = lambda: wall + seconds
    archive._monotonic = lambda: monotonic + seconds


def test_deleted_text_is_in_no_file(in_files, tmp_path):
    """Many sessions with text of many lengths, so that SQLite moves rows about; then, one by one,
    each is deleted, and nothing of it may be left anywhere, while the others stay whole.
    """
    chance = random.Random(7)
    texts = {}
    for number in range(40):
        word = f"Name{number:03}of{secrets.token_hex(8)}"
        filler = "x" * chance.randrange(0, 1500)
        made = ended(
            in_files, participants=(word + filler,), consent=f"consent {word}", source=word
        )
        for seq in range(1, chance.randrange(2, 300)):
            in_files.writer.put(made.id, seq, f'{{"note": "{word} {seq} {filler[:300]}"}}')
        in_files.sound.path(made.id).write_bytes(b"OggS" + word.encode())
        texts[made.id] = word.encode()
    assert in_files.writer.flush()
    for session in texts:
        in_files.events.close(session)
    order = list(texts)
    chance.shuffle(order)
    assert all(texts[session] in bytes_of(tmp_path) for session in order)
    for place, session in enumerate(order):
        in_files.delete([session], "test", "delete")
        # To look at every file each time would take long, and late ones are as good as early ones.
        if place % 8 == 7 or place == len(order) - 1:
            left = bytes_of(tmp_path)
            gone = [texts[s] for s in order[: place + 1] if texts[s] in left]
            assert gone == []
            assert all(texts[s] in left for s in order[place + 1 :])
    assert in_files.sessions.find() == []
    assert check(in_files.database.path) == "ok"


def test_secure_delete_alone_would_leave_traces(tmp_path):
    """Why the main file is written anew: SQLite's copies of moved rows outlive their deletion."""
    left_by_delete, left_by_scrub = 0, 0
    for seed in range(6):
        chance = random.Random(seed)
        database = Database(tmp_path / str(seed))
        words = {}
        with database.transaction() as db:
            for number in range(60):
                words[number] = f"Word{seed}x{number:03}x{secrets.token_hex(6)}"
                text = words[number] + "y" * chance.randrange(900)
                db.execute(
                    "INSERT INTO sessions (id, state, purpose, words, record) "
                    "VALUES (?, 'ended', 'p', '', ?)",
                    (str(number), text),
                )
        for number in chance.sample(range(60), 50):
            with database.transaction() as db:
                db.execute("DELETE FROM sessions WHERE id = ?", (str(number),))
            del words[number]
        database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        gone = bytes_of(tmp_path / str(seed)).count(f"Word{seed}x".encode())
        left_by_delete += gone - len(words)
        database.scrub()
        left_by_scrub += bytes_of(tmp_path / str(seed)).count(f"Word{seed}x".encode()) - len(words)
        database.close()
    assert left_by_scrub == 0
    assert left_by_delete > 0


def test_what_another_process_deletes_while_this_one_scrubs_is_still_owed(tmp_path):
    here, there = Database(tmp_path), Database(tmp_path)
    with here.transaction():
        here.owe_scrub()

    def meanwhile(statement):
        if "wal_checkpoint" in statement:  # the file is written anew by now
            here._connection.set_trace_callback(None)
            with there.transaction():
                there.owe_scrub()

    here._connection.set_trace_callback(meanwhile)
    here.scrub()
    assert there.owes_scrub
    there.scrub()
    assert not here.owes_scrub
    here.close()
    there.close()


def test_retention_deletes_what_is_due_and_nothing_else(archive):
    old = ended(archive, retention_days=1.0, participants=("Old",))
    young = ended(archive, retention_days=3.0, participants=("Young",))
    live = record(state="live", retention_days=0.001)
    archive.sessions.add(live)
    assert archive.retain() == 0
    passed(archive, 2 * 86_400)
    assert archive.retain() == 1
    assert archive.sessions.get(old.id) is None
    assert archive.sessions.get(young.id).participants == ("Young",)
    assert archive.sessions.get(live.id) is not None
    assert archive.audit.lines()[0]["action"] == "expire"
    assert archive.audit.lines()[0]["session"] == old.id


def test_a_deletion_that_meets_a_reader_is_completed_later(in_files, tmp_path):
    word = "Name" + secrets.token_hex(8)
    made = ended(in_files, participants=(word,))
    in_files.database._connection.execute("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(in_files.database.path)) as backup:
        backup.execute("BEGIN")
        backup.execute("SELECT count(*) FROM sessions").fetchone()
        with pytest.raises(Refused, match="another program reads") as refused:
            in_files.delete([made.id], "test", "delete")
        assert refused.value.code == "erasing"
        assert word.encode() in bytes_of(tmp_path)
    lines = in_files.database.rows("SELECT who, action FROM audit WHERE session = ?", (made.id,))
    assert lines == [("test", "delete")]
    in_files.retain()  # as at start, and every minute
    assert in_files.sessions.get(made.id) is None
    assert word.encode() not in bytes_of(tmp_path)


def test_a_session_that_cannot_be_erased_holds_up_no_other(archive):
    stuck, other = ended(archive), ended(archive)
    archive.sound.path(stuck.id).mkdir()
    passed(archive, 31 * 86_400)
    assert archive.retain() == 1
    assert archive.sessions.get(other.id) is None
    assert archive.sessions.get(stuck.id) is not None
