"""The audit log keeps who did what, and no more."""

import json

import pytest

from livemood.server.storage import audit as audit_module
from livemood.server.storage.audit import Audit
from livemood.server.storage.database import Database


@pytest.fixture
def database(tmp_path):
    opened = Database(tmp_path)
    yield opened
    opened.close()


def test_a_page_is_read_without_a_scan(database):
    audit = Audit(database, "test")
    for n in range(50):
        audit.note("who", "read", f"s{n}")
    seen = []
    before = None
    while page := audit.lines(before, 7):
        seen += [line["session"] for line in page]
        before = page[-1]["n"]
    assert seen == [f"s{n}" for n in reversed(range(50))]
    plan = database.rows(
        "EXPLAIN QUERY PLAN SELECT n FROM audit WHERE n < ? ORDER BY n DESC LIMIT 7", (20,)
    )
    assert "SEARCH" in plan[0][-1]
    traced = []
    database._reader.set_trace_callback(traced.append)
    audit.lines(20, 7)
    assert all("IS NULL" not in query for query in traced), "it would walk the whole table"


def test_it_is_bounded_and_a_flood_pushes_out_no_deletion(database, monkeypatch):
    monkeypatch.setattr(audit_module, "ROUTINE_LINES", 100)
    monkeypatch.setattr(audit_module, "MOST_LINES", 2000)
    audit = Audit(database, "test")
    audit.note("who", "delete", "kept")
    for n in range(1500):
        audit.note("who", "read", str(n))
        if n % 50 == 0:
            audit.prune()
    audit.prune()
    lines = audit.lines(limit=10_000)
    assert len(lines) <= 100 + 52
    assert lines[-1]["session"] == "kept"
    for n in range(1500):
        audit.note("who", "create", str(n))
    audit.prune()
    assert len(audit.lines(limit=10_000)) <= 2000


def test_of_a_deleted_session_who_created_it_is_left_and_not_what_for(database):
    audit = Audit(database, "test")
    audit.note("who", "create", "gone", purpose="research")
    audit.note("who", "create", "other", purpose="research")
    with database.transaction() as db:
        audit.forget_within(db, ["gone"])
    details = {line["session"]: line["detail"] for line in audit.lines()}
    assert details == {"gone": {}, "other": {"purpose": "research"}}
    assert json.dumps(details)
