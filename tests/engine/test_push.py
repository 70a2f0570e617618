"""Sound that is pushed: the same events as of a file, whatever the blocks, whoever reads."""

import asyncio
import threading
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile as sf

import livemood
from livemood.engine.channel import channel as reading
from livemood.timeline.events import without_wall_clock

OFFLINE = frozenset({"session.started", "load"})
"""What a file's session says otherwise."""


@pytest.fixture(scope="module")
def sound(demo_file):
    samples, rate = sf.read(demo_file, dtype="float32", always_2d=True)
    return samples[: 14 * rate], rate


@pytest.fixture(scope="module")
def expected(sound, tmp_path_factory):
    """What `analyze` says of the same sound."""
    path = tmp_path_factory.mktemp("push") / "call.wav"
    sf.write(path, sound[0], sound[1], subtype="FLOAT")
    return told(livemood.analyze(path).events)


def told(events):
    return [without_wall_clock(e) | {"seq": 0} for e in events if e.type not in OFFLINE]


def read_beside_others(events, expected):
    """The same by channel; batches round otherwise, and channels are read in other turns."""
    for channel in (0, 1, None):
        ours, theirs = (
            [e for e in said if e["channel"] == channel] for said in (told(events), expected)
        )
        assert [[e[k] for k in ("type", "start_ms", "end_ms")] for e in ours] == [
            [e[k] for k in ("type", "start_ms", "end_ms")] for e in theirs
        ]
        for one, other in zip(ours, theirs, strict=True):
            if one["type"] == "emotion":
                assert one["label"] == other["label"]
                assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-3)


def patient():
    return livemood.MonitorSettings(budget_s=60.0, buffer_s=60.0)


def of_sizes(samples, seed):
    at, sizes = 0, np.random.default_rng(seed)
    while at < len(samples):
        size = int(sizes.choice([1, 7, 160, 480, 960, 5000, 50_000]))
        yield samples[at : at + size]
        at += size


@pytest.mark.parametrize("seed", range(3))
def test_the_sizes_of_blocks_do_not_matter(sound, expected, seed):
    samples, rate = sound
    session = livemood.Session(rate=rate, channels=2, settings=patient())
    events = [e for block in of_sizes(samples, seed) for e in session.push(block)]
    events += session.finish()
    assert told(events) == expected
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert {e.session for e in events} == {session.id}


def test_a_whole_recording_in_one_block_is_read_whole(sound, expected):
    samples, rate = sound
    session = livemood.Session(rate=rate, channels=2, settings=patient(), live=False)
    events = session.push(samples) + session.finish()
    assert told(events) == expected
    assert events[0].settings.budget_ms is None


def test_sixteen_bit_integers_are_scaled(sound):
    samples, rate = sound
    whole = (samples[:, 0] * 32767).astype(np.int16)
    as_integers, as_floats = (livemood.Session(rate=rate, settings=patient()) for _ in range(2))
    integers = as_integers.push(whole) + as_integers.finish()
    floats = as_floats.push(whole.astype(np.float32) / 32768) + as_floats.finish()
    assert told(integers) == told(floats)
    assert any(e.type == "emotion" for e in integers)


def test_a_block_may_be_used_again_after_it_was_pushed(sound, expected):
    samples, rate = sound
    session = livemood.Session(rate=rate, channels=2, settings=patient())
    buffer, events = np.empty((480, 2), np.float32), []
    for at in range(0, len(samples), 480):
        part = samples[at : at + 480]
        buffer[: len(part)] = part
        events += session.push(buffer[: len(part)])
        buffer[:] = np.nan
    assert told(events + session.finish()) == expected


def test_events_come_by_a_callback_from_a_thread_of_their_own(sound, expected):
    samples, rate = sound
    events, threads = [], set()

    def take(event):
        events.append(event)
        threads.add(threading.current_thread().name)

    before = threading.active_count()
    with livemood.Session(rate=rate, channels=2, settings=patient(), on_event=take) as session:
        assert [session.push(b) for b in of_sizes(samples[: 5 * rate], 1)].count([]) > 1
        session.push(samples[5 * rate : 10 * rate])
        session.push(samples[10 * rate :])
    read_beside_others(events, expected)
    assert threads == {"livemood-sink"}
    assert threading.active_count() == before, "its threads end with it"


def test_events_come_by_iterating_while_another_thread_pushes(sound, expected):
    samples, rate = sound
    session = livemood.Session(rate=rate, channels=2, settings=patient(), background=True)

    def push():
        for at in range(0, len(samples), rate):
            session.push(samples[at : at + rate])
        session.finish()

    pusher = threading.Thread(target=push)
    pusher.start()
    events = list(session)
    pusher.join()
    read_beside_others(events, expected)


async def test_events_come_by_async_for_and_the_loop_goes_on(sound, expected):
    samples, rate = sound
    session = livemood.Session(rate=rate, channels=2, settings=patient(), background=True)
    ticks = 0

    async def push():
        nonlocal ticks
        for at in range(0, len(samples), rate):
            assert session.push(samples[at : at + rate]) == []
            await asyncio.sleep(0)
            ticks += 1
        await asyncio.to_thread(session.finish)

    pushing = asyncio.ensure_future(push())
    events = [event async for event in session]
    await pushing
    read_beside_others(events, expected)
    assert ticks > 10


def test_sessions_of_one_model_share_a_thread_and_read_as_alone(sound):
    samples, rate = sound
    heard = [[] for _ in range(4)]
    sessions = [
        livemood.Session(rate=rate, settings=patient(), on_event=events.append) for events in heard
    ]
    assert [t.name for t in threading.enumerate()].count("livemood-hub") == 1
    for at in range(0, len(samples), rate):
        for session in sessions:
            session.push(samples[at : at + rate, 0])
    for session in sessions:
        session.finish()
    assert "livemood-hub" not in [t.name for t in threading.enumerate()]
    labels = [[(e.end_ms, e.label) for e in events if e.type == "emotion"] for events in heard]
    assert labels[0]
    assert all(found == labels[0] for found in labels)


def test_lost_sound_keeps_the_clock_right(sound):
    samples, rate = sound
    session = livemood.Session(rate=rate)
    events = session.push(samples[:rate, 0]) + session.lose(1.5, "network")
    events += session.push(samples[rate : 2 * rate, 0]) + session.finish()
    (gap,) = (e for e in events if e.type == "gap")
    assert (gap.start_ms, gap.end_ms, gap.cause) == (1000, 2500, "network")
    assert events[-1].summary[0].duration_ms == 3500 == session.now_ms


def test_what_was_noted_stands_in_order(sound):
    samples, rate = sound
    session = livemood.Session(rate=rate)
    session.push(samples[:rate, 0])
    session.mark("a word")
    events = session.finish()
    (marker,) = (e for e in events if e.type == "marker")
    assert (marker.note, marker.start_ms) == ("a word", 1000)


def test_participants_purpose_and_consent_are_told(sound):
    session = livemood.Session(
        rate=16000,
        channels=2,
        participants=["Agent", "Caller"],
        purpose="coaching",
        consent="form 7",
        name="line 1",
    )
    (started,) = session.push(np.zeros((160, 2), np.float32))
    assert started.participants == ("Agent", "Caller")
    assert (started.purpose, started.consent, started.source) == ("coaching", "form 7", "line 1")
    session.finish()


@pytest.mark.parametrize(
    "about", [{"participants": ("A\udce9",)}, {"purpose": "\udce9"}, {"consent": "\ud800"}]
)
def test_what_is_no_text_is_refused_before_anything_begins(about):
    # A command line in Latin-1 brings it; no event with it could be written.
    with pytest.raises(livemood.UsageError, match="is not UTF-8 text"):
        livemood.Session(rate=16000, **about)


def test_nor_is_it_taken_as_a_note():
    with livemood.Session(rate=16000) as session:
        with pytest.raises(livemood.UsageError, match="is not UTF-8 text"):
            session.mark("caf\udce9")
        session.mark("café")


def test_latency_counts_from_the_capture_that_was_said(sound):
    import time

    samples, rate = sound
    session = livemood.Session(rate=rate, settings=patient())
    events = []
    for at in range(0, 4 * rate, rate // 50):
        events += session.push(samples[at : at + rate // 50, 0], captured_at=time.monotonic() - 2.0)
    readings = [e for e in events + session.finish() if e.type == "emotion"]
    assert readings
    assert all(e.latency_ms.total >= 2000 for e in readings)
    assert all(a.end_ms < b.end_ms for a, b in pairwise(readings))


def test_a_machine_that_keeps_up_is_never_behind(demo_file, monkeypatch):
    """A network that reads in blocks may read a pause's window without its newest sound."""
    samples, rate = sf.read(demo_file, dtype="float32", always_2d=True)
    now = 0.0
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: now))
    session, events, left_out_ms = livemood.Session(rate=rate, channels=2), [], []
    for at in range(0, len(samples), rate // 50):
        block = samples[at : at + rate // 50]
        now = (at + len(block)) / rate
        told = session.push(block, captured_at=now)
        left_out_ms += [1000 * now - e.end_ms for e in told if e.type == "emotion"]
        events += told
    events += session.finish()
    readings = [e for e in events if e.type == "emotion"]
    budget_ms = 1000 * livemood.MonitorSettings().budget_s
    assert max(left_out_ms) > budget_ms
    assert max(e.latency_ms.total for e in readings) <= budget_ms
    assert not any(e.behind for e in readings)
    assert not [e for e in events if e.type == "load"]


def test_sound_that_outruns_the_buffer_is_a_gap_and_no_silence(sound):
    samples, rate = sound
    events = []
    session = livemood.Session(rate=rate, on_event=events.append)
    session.push(np.concatenate([samples, samples])[:, 0])
    session.finish()
    gaps = [e for e in events if e.type == "gap"]
    assert gaps
    assert {e.cause for e in gaps} == {"overrun"}


def test_sessions_of_one_model_object_are_read_one_at_a_time(sound):
    """A model is used by one thread at a time: in threads of their own they must not mix."""
    samples, rate = sound
    reading, together = threading.Lock(), []

    class Slow:
        labels = ("calm", "excited")

        def predict(self, samples, rate):
            if not reading.acquire(blocking=False):
                together.append(rate)
                return [0.5, 0.5]
            threading.Event().wait(0.002)
            reading.release()
            return [0.5, 0.5]

    model, counts = Slow(), []

    def push():
        session = livemood.Session(rate=rate, model=model, settings=patient())
        events = session.push(samples[: 6 * rate, 0]) + session.finish()
        counts.append(sum(e.type == "emotion" for e in events))

    threads = [threading.Thread(target=push) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == []
    assert len(set(counts)) == 1
    assert counts[0] > 5
