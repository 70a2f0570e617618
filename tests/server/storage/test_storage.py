"""What is kept, and what is not."""

import os
import sqlite3
import threading
from contextlib import closing

import pytest
import soundfile as sf
from archives import bytes_of, ended, opened, record
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.audio import AudioBlock
from livemood.errors import LivemoodError, UsageError
from livemood.server.access.principal import Principal
from livemood.server.storage.archive import Archive
from livemood.server.storage.database import StorageError
from livemood.server.storage.postgresql.opening import open_database
from livemood.server.storage.store import Store
from livemood.server.storage.tokens import Tokens
from livemood.timeline.events import parse_event
from livemood.timeline.recover import interrupted_end


def test_a_cut_timeline_gets_an_end_that_sums_up_what_was_heard(demo_timeline):
    timeline = demo_timeline
    assert interrupted_end([]) is None
    end = interrupted_end(timeline.events[:-1])
    assert end.seq == timeline.ended.seq
    assert end.reason == "interrupted"
    for ours, theirs in zip(end.summary, timeline.ended.summary, strict=True):
        assert ours.session.shares == theirs.session.shares
        assert ours.session.transitions == theirs.session.transitions
        assert ours.session.mean_probabilities == pytest.approx(
            theirs.session.mean_probabilities, abs=1e-3
        )
        assert (ours.windows, ours.speech_ms) == (theirs.windows, theirs.speech_ms)
    for cut in range(1, len(timeline.events), 17):
        part = interrupted_end(timeline.events[:cut])
        assert part.seq == cut + 1


def test_a_killed_server_leaves_sessions_that_are_ended_at_the_next_start(
    tmp_path, demo_timeline, url
):
    timeline = demo_timeline
    session = timeline.events[0].session
    first = opened(tmp_path, url)
    first.sessions.add(record(id=session))
    first.sessions.add(never := record())
    for event in timeline.events[:60]:
        first.writer.put(session, event.seq, event.model_dump_json())
    assert first.writer.flush()
    first.database.close()  # and no more: nothing is ended
    first._unlock()
    again = opened(tmp_path, url)
    assert again.recover() == 2
    assert again.recover() == 0
    kept = again.sessions.get(session)
    assert (kept.state, kept.reason, kept.channels) == ("ended", "interrupted", 2)
    assert again.sessions.get(never.id).reason == "unused"
    events = [parse_event(text) for _, text in again.read(session)]
    assert events[:60] == timeline.events[:60]
    assert events[60].type == "session.ended"
    assert len(events) == 61
    again.close()


def test_what_cannot_be_written_is_written_later(archive, monkeypatch):
    append, full = archive.events.append, [True]

    def failing(session, rows):
        if full[0]:
            raise StorageError("database or disk is full")
        append(session, rows)

    monkeypatch.setattr(archive.events, "append", failing)
    archive.writer.put("a", 1, "one")
    assert archive.writer.flush()
    assert "full" in archive.writer.failing
    archive.writer.put("a", 2, "two")
    full[0] = False
    assert archive.writer.flush()
    assert archive.writer.failing is None
    assert archive.read("a") == [(1, "one"), (2, "two")]


def test_one_server_a_folder(archive, tmp_path):
    with pytest.raises(LivemoodError, match="another livemood serve"):
        Archive(tmp_path / "data")


def test_files_are_for_the_server_alone(in_files, tmp_path):
    made = ended(in_files)
    in_files.writer.put(made.id, 1, "text")
    in_files.writer.flush()
    if os.name == "posix":
        modes = {p.name: p.stat().st_mode & 0o077 for p in (tmp_path / "data").rglob("*.db*")}
        assert set(modes.values()) == {0}, modes


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(LivemoodError, match="cannot keep data"):
        Archive(blocked)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "livemood.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(LivemoodError, match="cannot keep data"):
        Archive(tmp_path / "bad")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(request, tmp_path_factory):
    shared = request.param == "postgresql"
    url = request.getfixturevalue("postgresql").new() if shared else None
    database = open_database(tmp_path_factory.mktemp("sql"), url)
    yield Store(database)
    database.close()


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(TEXT, TEXT, TEXT)
def test_text_of_any_kind_is_found_again_and_never_understood_as_sql(store, name, consent, asked):
    made = record(participants=(name,), consent=consent)
    store.add(made)
    assert store.get(made.id) == made
    assert made.id in [r.id for _, r in store.find(text=made.id)]
    assert made.id in [r.id for _, r in store.find(text=name, limit=1000)]
    store.find(text=asked, purpose=asked)
    assert [r.id for _, r in store.find(session=made.id, purpose="research")] == [made.id]
    assert store.find(session=asked) == []


def test_tokens_are_kept_as_hashes_and_can_be_revoked(tmp_path, url):
    database = open_database(tmp_path, url)
    tokens = Tokens(database)
    assert not tokens.any
    token = tokens.create(("watch", "ingest"), "the lobby", session="abc")
    assert tokens.any
    holder = tokens.find(token)
    assert holder.scopes == ("ingest", "watch")
    assert holder.session == "abc"
    assert Principal.of(holder).name == "token:1 the lobby"
    assert tokens.find(token[:-1]) is None
    assert tokens.find("\udcff") is None
    brief = tokens.create(("manage",), lifetime_s=1000)
    assert tokens.find(brief)
    with database.transaction() as db:
        db.execute("UPDATE tokens SET expires = 1 WHERE n = 2")
    assert tokens.find(brief) is None
    assert tokens.revoke(1)
    assert not tokens.revoke(9)
    assert tokens.find(token) is None
    assert not tokens.holds(holder.number)
    assert [t.state for t in tokens.all()] == ["revoked", "expired"]
    assert token.removeprefix("lm_").encode() not in bytes_of(tmp_path)
    for wrong in ((), ("admin",)):
        with pytest.raises(UsageError, match="scopes"):
            tokens.create(wrong)
    database.close()


def test_sound_is_kept_in_opus_with_its_gaps(in_files, clip):
    samples, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32", always_2d=True)
    recording = in_files.sound.open("abc", rate, 1)
    for at in range(0, len(samples), 320):
        shift = 16000 if at > 32000 else 0
        recording.push(AudioBlock(at + shift, samples[at : at + 320], 0.0))
    recording.finish()
    in_files.sound.close()
    info = sf.info(str(in_files.sound.path("abc")))
    assert (info.subtype, info.samplerate, info.channels) == ("OPUS", 16000, 1)
    assert info.frames == pytest.approx(len(samples) + 16000, abs=640)
    in_files.sound.erase("abc")
    assert not in_files.sound.path("abc").exists()


def test_reading_waits_for_no_writer(in_files):
    made = ended(in_files)
    with closing(sqlite3.connect(in_files.database.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")  # another program writes
        writing = threading.Thread(target=in_files.audit.note, args=("test", "note"))
        writing.start()
        assert in_files.sessions.get(made.id) is not None
        assert not in_files.tokens.any
        assert writing.is_alive()
        other.execute("ROLLBACK")
        writing.join(30)
    assert in_files.database.rows("SELECT action FROM audit") == [("note",)]
