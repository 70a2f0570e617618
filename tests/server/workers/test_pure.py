"""What needs no process: placement, ports, the registry, what is relayed."""

from dataclasses import replace

import pytest

from livemood.errors import UsageError
from livemood.server.inputs.settings import RtpSettings
from livemood.server.peers.interface import Entry
from livemood.server.peers.placement import Share, lightest
from livemood.server.peers.registry import Registry
from livemood.server.peers.relayed import KEY, Caller, forwarded, is_relayed
from livemood.server.refused import Refused
from livemood.server.serve.settings import ServeSettings, read_settings
from livemood.server.storage.folder import Keeper
from livemood.server.workers.ports import share_of
from livemood.server.workers.relay import session_of
from livemood.server.workers.supervisor import Silences

IDLE = Share(0, load=0.0, cost=0.01, channels=0)


class TestPlacement:
    def test_an_idle_worker_takes_what_it_accepts(self):
        assert lightest(IDLE, [replace(IDLE, worker=1)]) == 0

    def test_alone_it_takes_everything(self):
        assert lightest(replace(IDLE, load=1.0), []) == 0

    def test_one_channel_more_is_enough_to_leave_the_next_to_another(self):
        assert lightest(replace(IDLE, channels=1), [replace(IDLE, worker=1)]) == 1

    def test_new_channels_count_before_they_show_in_the_load(self):
        busy = Share(1, load=0.03, cost=0.01, channels=3)
        assert lightest(replace(IDLE, channels=5), [busy]) == 1
        assert lightest(replace(IDLE, channels=2), [busy]) == 0

    def test_measured_load_counts_more_than_a_low_estimate(self):
        calls = Share(1, load=0.5, cost=0.01, channels=10)
        assert lightest(Share(0, load=0.2, cost=0.01, channels=20), [calls]) == 0
        assert lightest(replace(calls, worker=0), [Share(1, 0.2, 0.01, 20)]) == 1

    def test_the_least_loaded_of_many(self):
        others = [Share(n, load=0.5 - n / 10, cost=0.01, channels=1) for n in (1, 2, 3)]
        assert lightest(replace(IDLE, load=0.6), others) == 3


class TestPorts:
    @pytest.mark.parametrize("workers", [1, 2, 3, 7])
    def test_every_pair_of_ports_is_one_workers(self, workers):
        rtp = RtpSettings(first_port=30001, last_port=30999)
        shares = [share_of(rtp, n, workers) for n in range(workers)]
        pairs = [p for s in shares for p in range(s.first_port, s.last_port + 1)]
        assert pairs == list(range(30002, 31000))
        assert all(s.first_port % 2 == 0 and s.last_port % 2 == 1 for s in shares)

    def test_the_first_worker_has_the_shared_port(self):
        rtp = RtpSettings(shared_port=6000)
        assert [share_of(rtp, n, 2).shared_port for n in (0, 1)] == [6000, None]

    def test_too_few_ports_are_said(self):
        with pytest.raises(UsageError, match="3 workers need two ports each"):
            share_of(RtpSettings(first_port=30000, last_port=30003), 0, 3)


class TestSettings:
    def test_one_worker_is_the_default(self):
        assert ServeSettings().processes == 1

    def test_auto_is_one_a_processor(self):
        assert ServeSettings(workers="auto").processes >= 1

    @pytest.mark.parametrize("wrong", ["0", "-1", "two", "300"])
    def test_what_is_no_number_of_workers_is_said(self, wrong):
        with pytest.raises(UsageError, match="workers"):
            read_settings(None, {"workers": wrong})


@pytest.fixture
def registry(tmp_path):
    made = Registry(tmp_path / "registry.db", new=True)
    yield made
    made.close()


def entry(session, creator="local", parties=1):
    return Entry(session, creator, "stream", parties)


class TestRegistry:
    def test_a_check_sees_the_sessions_of_others_alone(self, registry):
        seen = []
        registry.enter(0, entry("a", "token:1", 3), seen.extend)
        registry.enter(0, entry("b"), seen.extend)
        assert seen == []
        registry.enter(1, entry("c"), seen.extend)
        assert seen == [("token:1", 3), ("local", 1)]

    def test_a_live_session_waits_for_nothing(self, registry):
        registry.enter(0, entry("a", parties=3), list)
        registry.began("a", 2)
        seen = []
        registry.enter(1, entry("b"), seen.extend)
        assert seen == [("local", 0)]
        assert registry.sessions(live=True) == 1
        assert registry.sessions() == 2

    def test_what_is_refused_is_not_there(self, registry):
        def full(_):
            raise Refused("too_many_sessions", "no", 503)

        with pytest.raises(Refused):
            registry.enter(0, entry("a"), full)
        assert registry.owned("a") is None

    def test_two_workers_cannot_both_take_the_last_place(self, tmp_path, registry):
        other = Registry(tmp_path / "registry.db")

        def one(others):
            if list(others):
                raise Refused("too_many_sessions", "no", 503)

        registry.enter(0, entry("a"), one)
        with pytest.raises(Refused):
            other.enter(1, entry("b"), one)
        other.close()

    def test_a_session_is_handed_over(self, registry):
        registry.enter(0, entry("a", parties=2), list)
        registry.hand_over("a", 1)
        owned = registry.owned("a")
        assert (owned.worker, owned.parties) == (1, 2)
        registry.leave("a")
        assert registry.owned("a") is None

    def test_a_worker_that_died_has_nothing_any_more(self, registry):
        registry.enter(0, entry("a"), list)
        registry.hold(0, "client", "", 1)
        registry.login_failed(0, "192.0.2.1", 10.0)
        registry.beat(0, 0.1, 0.01)
        registry.forget(0)
        assert registry.of(0) == []
        assert registry.held("client", None, but=1) == 0
        assert registry.logins_failed("192.0.2.1", 0.0, but=1) == []
        assert registry.shares() == []

    def test_what_is_limited_is_counted_of_one_owner_and_of_all(self, registry):
        registry.hold(0, "export", "token:1", 1)
        registry.hold(0, "export", "token:1", 1)
        registry.hold(0, "export", "token:2", 1)
        registry.hold(1, "export", "token:1", 5)
        assert registry.held("export", "token:1", but=1) == 2
        assert registry.held("export", None, but=1) == 3
        registry.hold(0, "export", "token:1", -1)
        assert registry.held("export", "token:1", but=1) == 1

    def test_shares_are_what_each_carries(self, registry):
        registry.beat(0, 0.25, 0.01)
        registry.beat(1, 0.5, 0.02)
        registry.enter(1, entry("a", parties=2), list)
        assert registry.shares() == [Share(0, 0.25, 0.01, 0), Share(1, 0.5, 0.02, 2)]


class TestKeeper:
    def test_the_first_that_asks_does_it_until_it_ends(self, tmp_path):
        first, second = Keeper(tmp_path), Keeper(tmp_path)
        assert first.may("retention")
        assert first.may("retention")
        assert not second.may("retention")
        assert second.may("alerts")
        first.close()
        assert second.may("retention")
        second.close()


class TestRelayed:
    @pytest.mark.parametrize(
        ("path", "session"),
        [
            ("/v1/sessions/ab12", "ab12"),
            ("/v1/sessions/ab12/timeline", "ab12"),
            ("/v1/whip/ab12", "ab12"),
            ("/v1/sessions", None),
            ("/v1/sessions/", None),
            ("/v1/about", None),
            ("/metrics", None),
        ],
    )
    def test_which_session_a_path_is_about(self, path, session):
        assert session_of(path) == session

    def test_a_caller_is_told_as_it_is(self):
        caller = Caller("token:1 Zoë", ("ingest", "watch"), "ab12", 1)
        name, value = caller.header()
        assert name == b"x-livemood-principal"
        told = Caller.from_header(value)
        assert told == replace(caller, relayed=True)
        assert is_relayed({KEY: told})
        assert not is_relayed({KEY: caller})

    def test_tokens_and_what_clients_made_up_are_not_passed_on(self):
        headers = [
            (b"authorization", b"Bearer lm_x"),
            (b"x-livemood-principal", b"{}"),
            (b"x-livemood-secret", b"guess"),
            (b"host", b"localhost"),
        ]
        caller = Caller("local", (), None, None)
        assert forwarded({"headers": headers}, caller) == [(b"host", b"localhost"), caller.header()]


def test_a_worker_is_silent_for_as_long_as_its_beat_stays_the_same():
    silences = Silences(3.0)
    assert not any(silences.look(7, beat) for beat in (1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0))
    assert [silences.look(7, 3.0) for _ in range(3)] == [False, True, True]
    assert not silences.look(8, None)
