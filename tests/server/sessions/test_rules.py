"""Policy, limits and admission: pure objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemood.errors import UsageError
from livemood.server.access.logins import FailedLogins
from livemood.server.access.policy import load_policy
from livemood.server.access.principal import LOCAL, Principal
from livemood.server.refused import Refused
from livemood.server.sessions.admission import Admission
from livemood.server.sessions.pace import Pace, Rate
from livemood.server.spec import SessionSpec


def spec(purpose, **more):
    return SessionSpec(kind="stream", purpose=purpose, **more)


def refusal(call, *args, **kwargs):
    with pytest.raises(Refused) as refused:
        call(*args, **kwargs)
    return refused.value


@pytest.mark.parametrize("purpose", ["work", "education"])
def test_the_default_policy_refuses_what_the_ai_act_forbids(purpose):
    policy = load_policy()
    error = refusal(policy.check, spec(purpose, consent="given", informed=True))
    assert (error.code, error.status) == ("purpose_refused", 403)
    assert "article 5(1)(f)" in str(error)
    policy.check(spec(f"{purpose}-medical", consent="form 3"))
    policy.check(spec(f"{purpose}-safety", informed=True))
    assert purpose not in policy.allowed


def test_people_must_be_informed():
    policy = load_policy()
    for purpose in policy.allowed:
        error = refusal(policy.check, spec(purpose))
        assert error.code == "not_informed"
        assert "article 50(3)" in str(error)
        policy.check(spec(purpose, consent="a form"))


def test_sound_is_kept_with_consent_alone():
    policy = load_policy()
    assert (
        refusal(policy.check, spec("personal", informed=True, keep_sound=True)).code == "no_consent"
    )
    policy.check(spec("personal", consent="yes", keep_sound=True))


def test_an_unknown_purpose_is_refused_with_those_there_are():
    error = refusal(load_policy().check, spec("call-centre-ranking", informed=True))
    assert error.code == "unknown_purpose"
    assert "customer-care" in str(error)


def test_another_policy_file_replaces_the_default(tmp_path):
    file = tmp_path / "policy.toml"
    file.write_text(
        'name = "here"\n[purposes.anything]\ndescription = "all"\nmust_inform = false\n'
        "longest_retention_days = 7\n"
    )
    policy = load_policy(file)
    policy.check(spec("anything"))
    assert refusal(policy.check, spec("personal", informed=True)).code == "unknown_purpose"
    assert refusal(policy.check, spec("anything", retention_days=8)).code == "retention_too_long"
    assert policy.retention_days(spec("anything"), 30) == 7
    assert policy.version.startswith("here [")
    assert policy.version != load_policy().version


@pytest.mark.parametrize(
    "text", ["", "name = 1", "[purposes", 'name = "x"\n[purposes]', 'name = "x"\nrule = 1']
)
def test_a_wrong_policy_file_is_one_line(tmp_path, text):
    file = tmp_path / "policy.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match="policy") as error:
        load_policy(file)
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="cannot read"):
        load_policy(tmp_path / "none.toml")


def test_who_may_do_what():
    LOCAL.require("manage", session="any")
    watcher = Principal("w", frozenset({"watch"}), token=1)
    watcher.require("watch", "manage", session="any")
    assert refusal(watcher.require, "ingest").code == "missing_scope"
    held = Principal("h", frozenset({"watch", "manage"}), session="one", token=2)
    held.require("watch", session="one")
    assert refusal(held.require, "watch", session="two").code == "other_session"
    assert refusal(held.require, "manage").code == "other_session"
    ingester = Principal("i", frozenset({"ingest"}), token=3)
    ingester.require_own("one", "token:3")
    assert refusal(ingester.require_own, "one", "token:1").code == "other_session"
    Principal("i", frozenset({"ingest"}), "one", 4).require_own("one", "token:3")


@given(
    st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 1.5)), max_size=200),
    st.floats(0.1, 5),
)
def test_sound_is_never_further_ahead_than_allowed(pushes, limit):
    """Against the definition: the worst excess of what came since any push over its time.

    Time without sound is credit, here less than is bounded.
    """
    pace, now, ahead = Pace(limit), 0.0, 0.0
    for place, (duration, wait) in enumerate(pushes):
        now += wait
        passed = wait if place else 0.0
        ahead = max(-Pace.CREDIT_S, ahead - passed) + max(Pace.LEAST_S, duration)
        if abs(ahead - limit) > 1e-6:
            assert pace.take(duration, now) == (ahead <= limit)
        else:
            pace.take(duration, now)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 60)), max_size=100), st.floats(0.1, 5))
def test_no_stretch_of_sound_is_longer_than_its_time_the_limit_and_the_credit(pushes, limit):
    pace, now, taken = Pace(limit), 0.0, []
    for duration, wait in pushes:
        now += wait
        if not pace.take(duration, now):
            break  # the session ends there
        taken.append((now, duration))
    for since in range(len(taken)):
        came = sum(duration for _, duration in taken[since:])
        assert came <= now - taken[since][0] + limit + Pace.CREDIT_S + 1e-6


@given(st.floats(0, Pace.CREDIT_S - 1), st.floats(0.02, 0.5))
def test_what_a_stall_held_back_may_all_come_at_once(stall, block):
    pace, now = Pace(5.0), 0.0
    for _ in range(50):
        now += block
        assert pace.take(block, now)
    held = round(stall / block)
    now += held * block
    assert all(pace.take(block, now) for _ in range(held))
    assert pace.burst_s(now) >= held * block * 0.99
    assert pace.burst_s(now + 1000) == 0


def test_real_time_with_pauses_is_never_too_fast():
    pace, now = Pace(1.0), 0.0
    for n in range(2000):
        now += 0.02 if n % 500 else 30.0
        assert pace.take(0.02, now)
    floods = sum(pace.take(0.0, now) for _ in range(100_000))
    assert floods <= (1.0 + Pace.CREDIT_S) / Pace.LEAST_S


def test_a_rate_allows_so_many_at_once_and_then_so_many_a_second():
    rate = Rate(2.0, 10)
    assert sum(rate.take(0.0) for _ in range(100)) == 10
    assert sum(rate.take(now / 10) for now in range(1, 101)) == 20


def test_failed_logins_are_counted_by_address_and_forgotten():
    failed = FailedLogins(3)
    for n in range(3):
        assert failed.wait_s("a", n) == 0
        failed.fail("a", n)
    assert failed.wait_s("a", 3) == pytest.approx(57)
    assert failed.wait_s("b", 3) == 0
    assert failed.wait_s("a", 60) == 0
    for n in range(FailedLogins.MOST_ADDRESSES + 5):
        failed.fail(f"x{n}", 61)
    assert len(failed._failures) == FailedLogins.MOST_ADDRESSES


def test_a_rush_of_sessions_is_stopped_before_the_load_shows():
    admission, admitted = Admission(busiest=0.75, guess=0.01), 0
    while not admission.wait_s(1, load=0.0, now=0.0):
        admission.opened(1, 0.0)
        admitted += 1
    assert admitted == 75
    assert admission.wait_s(1, load=0.0, now=Admission.GROWN_S) == 0
    assert admission.wait_s(1, load=0.75, now=Admission.GROWN_S) == Admission.RETRY_S


def test_what_a_channel_costs_is_learnt():
    admission = Admission(busiest=0.75, guess=0.01)
    for _ in range(50):
        admission.opened(1, 0.0)
    for second in range(7, 60):
        admission.measure(0.5 if second > 20 else 0.3, second)
    assert admission.cost == pytest.approx(0.01, rel=0.05)
    cheap = Admission(busiest=0.75, guess=0.01)
    for _ in range(50):
        cheap.opened(1, 0.0)
    for second in range(7, 60):
        cheap.measure(0.2, second)
    assert cheap.cost == pytest.approx(0.004, rel=0.05)
    assert cheap.wait_s(2, 0.7, 60) == 0
    assert admission.wait_s(6, 0.7, 60) > 0


def test_sessions_that_end_make_room_at_once():
    admission = Admission(busiest=0.75, guess=0.25)
    for _ in range(3):
        admission.opened(1, 0.0)
    assert admission.wait_s(1, 0.0, 0.0)
    admission.closed("a", 1, 0.0)
    assert not admission.wait_s(1, 0.0, 0.0)
    admission.measure(0.5, 10.0)
    admission.closed("a", 1, 0.0)
    admission.closed("a", 1, 0.0)
    admission.closed("a", 1, 0.0)
    assert not admission.wait_s(3, 0.0, 10.0)


def test_late_windows_leave_no_room_until_they_are_in_time_again():
    admission = Admission(busiest=0.7, guess=0.001)
    for _ in range(500):
        admission.observe("a", 0.4)
    assert not admission.wait_s(1, 0.3, 0.0)
    for n in range(100):
        admission.observe("a", 1.5 if n % 20 == 0 else 0.4)
    assert admission.wait_s(1, 0.3, 0.0)
    for _ in range(200):
        admission.observe("a", 0.4)
    assert not admission.wait_s(1, 0.3, 0.0)
    for _ in range(50):
        admission.observe("a", 3.0)
    assert admission.wait_s(1, 0.0, 0.0)
    for second in range(20):  # everybody has gone
        admission.measure(0.0, second)
    assert not admission.wait_s(1, 0.0, 20.0)


def test_one_late_session_among_many_closes_nothing():
    admission = Admission(busiest=0.7, guess=0.001)
    for _ in range(300):
        for other in range(9):
            admission.observe(f"in time {other}", 0.2)
        for _ in range(20):  # it may send as much as it likes: it counts as one
            admission.observe("late", 5.0)
    assert not admission.wait_s(1, 0.1, 0.0)
    for other in range(2):
        for _ in range(10):
            admission.observe(f"in time {other}", 5.0)
    assert admission.wait_s(1, 0.1, 0.0), "but three of ten say that the machine is late"
    admission.closed("late", 1, 0.0)
    admission.closed("in time 0", 1, 0.0)
    assert not admission.wait_s(1, 0.1, 0.0)


def test_what_was_created_finds_room_when_its_sound_comes():
    admission = Admission(busiest=0.7, guess=0.1)
    admission.promise("a", 5, 0.0)
    assert admission.wait_s(3, 0.0, 1.0), "room is kept"
    assert admission.promised("a", 5.0) == 5
    admission.redeem("a")
    assert admission.promised("a", 5.0) == 0
    assert not admission.wait_s(3, 0.0, 5.0)
    admission.promise("b", 5, 5.0)
    assert not admission.wait_s(3, 0.0, 5.0 + Admission.PROMISE_S), "it did not come"
    assert admission.promised("b", 5.0 + Admission.PROMISE_S) == 0


def test_nobody_is_promised_more_room_than_a_share():
    admission = Admission(busiest=0.7, guess=0.01)
    for number in range(60):
        admission.promise(f"unused {number}", 1, 0.0, "token:1")
    assert not admission.wait_s(50, 0.03, 0.0)
    admission.promise("other", 2, 0.0, "token:2")
    assert admission.promised("other", 1.0) == 2
