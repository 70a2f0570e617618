"""Retention goes by more than one reading of one clock."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemood.server.spec import SessionRecord
from livemood.server.storage.archive import Archive
from livemood.server.storage.clock import GRACE_S, PLAUSIBLE_S, Seen, TrustedClock

DAY = 86_400.0
NOW = 1_800_000_000.0


class Clocks:
    """A machine's two clocks."""

    def __init__(self):
        self.wall, self.monotonic = NOW, 50.0

    def pass_(self, seconds):
        self.wall += seconds
        self.monotonic += seconds

    def archive(self, folder):
        return Archive(folder, "test", lambda: self.wall, lambda: self.monotonic)


def keep(archive, days, name="a"):
    made = SessionRecord(
        id=name,
        kind="stream",
        state="waiting",
        source=None,
        created="",
        purpose="personal",
        retention_days=days,
        created_by="local",
    )
    archive.sessions.add(made)
    archive.sessions.update(made.model_copy(update={"state": "ended"}))


def test_a_start_with_the_clock_a_year_ahead_deletes_nothing(tmp_path, caplog):
    clocks = Clocks()
    first = clocks.archive(tmp_path)
    keep(first, 30)
    assert first.retain() == 0
    first.close()
    clocks.wall += 365 * DAY
    clocks.monotonic = 7.0
    with caplog.at_level(logging.WARNING):
        second = clocks.archive(tmp_path)
    assert "nothing is deleted" in caplog.text
    for _ in range(3):
        clocks.pass_(60)
        assert second.retain() == 0
    second.close()
    clocks.wall -= 365 * DAY
    clocks.monotonic = 3.0
    third = clocks.archive(tmp_path)
    assert not third.clock.doubted
    assert third.retain() == 0
    clocks.pass_(31 * DAY)
    assert third.retain() == 1, "and what is due goes in the end"
    third.close()


def test_what_expired_while_the_server_was_off_for_long_goes_after_the_grace(tmp_path):
    clocks = Clocks()
    first = clocks.archive(tmp_path)
    keep(first, 30)
    first.retain()
    first.close()
    clocks.wall += 40 * DAY
    gone_at = None
    for start in range(6):  # it is started and stopped every six hours: that counts together
        clocks.monotonic = 1.0
        archive = clocks.archive(tmp_path)
        assert archive.retain() == 0
        for _ in range(7):
            clocks.pass_(3600)
            if archive.retain():
                assert gone_at is None
                gone_at = start
        archive.close()
    assert gone_at == 3, "after a day in all"


def test_a_jump_of_a_running_server_is_doubted(tmp_path):
    clocks = Clocks()
    archive = clocks.archive(tmp_path)
    keep(archive, 30)
    clocks.wall += 365 * DAY
    assert archive.retain() == 0
    clocks.wall -= 365 * DAY
    assert archive.retain() == 0
    assert not archive.clock.doubted
    archive.close()


def test_a_clock_that_was_set_back_revives_no_token(tmp_path):
    clocks = Clocks()
    archive = clocks.archive(tmp_path)
    token = archive.tokens.create(("watch",), lifetime_s=3600)
    assert archive.tokens.find(token)
    clocks.pass_(7200)
    archive.retain()
    assert archive.tokens.find(token) is None
    clocks.wall -= 10_000
    assert archive.tokens.find(token) is None
    archive.close()
    again = clocks.archive(tmp_path)
    assert again.tokens.find(token) is None, "nor after a start"
    fresh = again.tokens.create(("watch",), lifetime_s=3600)
    assert again.tokens.find(fresh)
    again.close()


@given(
    st.lists(st.tuples(st.floats(0, GRACE_S / 3), st.floats(-3 * DAY, 3 * DAY)), max_size=30),
    st.booleans(),
)
def test_nothing_expires_early_unless_a_clock_has_said_so_for_long(steps, known):
    """What expires is never later than what both clocks agree on, within the plausible."""
    clock = TrustedClock(Seen(NOW) if known else None, NOW, 0.0)
    wall, monotonic, latest = NOW, 0.0, NOW
    doubted_since = None
    for passed, jump in steps:
        wall, monotonic = wall + passed + jump, monotonic + passed
        clock.observe(wall, monotonic)
        assert clock.latest >= latest, "what was believed once is never earlier again"
        latest = clock.state.time
        if clock.doubted:
            doubted_since = monotonic - passed if doubted_since is None else doubted_since
            assert clock.expiry is None
            assert monotonic - doubted_since <= GRACE_S + GRACE_S / 3
        else:
            doubted_since = None
            assert clock.expiry <= wall


@pytest.mark.parametrize("ahead", [0.0, PLAUSIBLE_S - 1])
def test_a_plausible_time_off_costs_nothing(ahead):
    assert TrustedClock(Seen(NOW), NOW + ahead, 0.0).expiry == NOW + ahead
