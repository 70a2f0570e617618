"""What may happen to a sender's packets on their way, and what becomes of the sound."""

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.sources.rtp import STATIC, JitterBuffer, PayloadTypes, RtpPacket, RtpStream
from livemood.sources.rtp.clock import SenderClock

PCMU, LENGTH = STATIC.sound[0], 160
TYPES = PayloadTypes(STATIC.sound, STATIC.noise | {98}, frozenset({101}))
VOICE = b"\x90" * LENGTH


def packet(number, timestamp=None, payload=VOICE, kind=0):
    timestamp = number * LENGTH if timestamp is None else timestamp
    return RtpPacket(kind, False, number & 0xFFFF, timestamp % 2**32, 7, payload)


def through(stream, arrivals, until=None):
    """All blocks of (packet, time) pairs, deadlines kept and idle told as a receiver does."""
    out, swept = [], 0.0
    for p, at in [*arrivals, *([(None, until)] if until else [])]:
        while swept + 0.25 <= at:
            swept += 0.25
            while (deadline := stream.deadline) is not None and deadline <= swept:
                out += stream.due(deadline)
            out += stream.idle(swept)
        while (deadline := stream.deadline) is not None and deadline <= at:
            out += stream.due(deadline)
        if p is not None:
            out += stream.push(p, at)
    return out + stream.flush()


def holes(blocks, begin=0):
    """(start, end, cause) of every gap between blocks."""
    out, end = [], begin
    for block in blocks:
        assert block.start >= end
        if block.start > end:
            out.append((end, block.start, block.gap_cause))
        end = block.end
    return out


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    loss=st.floats(0, 0.3),
    misordered=st.floats(0, 0.3),
    twice=st.floats(0, 0.3),
)
def test_gaps_are_what_was_lost_to_the_sample(seed, loss, misordered, twice):
    rng = random.Random(seed)
    first = rng.randrange(65536)
    sent, lost = [], set()
    for n in range(300):
        if 0 < n < 299 and rng.random() < loss:
            lost.add(n)
            continue
        # A packet that is overtaken comes within the shortest patience.
        at = n * 0.02 + (rng.uniform(0.0201, 0.0399) if n and rng.random() < misordered else 0)
        p = packet(first + n, timestamp=4294960000 + n * LENGTH)
        sent += [(p, at)] * (1 + (n > 0 and rng.random() < twice))
    sent.sort(key=lambda pair: pair[1])
    stream = RtpStream(PCMU, TYPES)
    blocks = through(stream, sent)
    missing = sum(end - start for start, end, _ in holes(blocks))
    late = stream.counters["late"]
    assert missing == LENGTH * stream.counters["lost"] == LENGTH * (len(lost) + late)
    assert all(cause == "packet_loss" for *_, cause in holes(blocks))
    assert blocks[-1].end == 300 * LENGTH
    assert stream.counters["duplicate"] == len(sent) - 300 + len(lost)


def test_a_late_packet_is_none_that_was_had_before():
    reorder = JitterBuffer(8000)
    for n in (0, 1, 3):
        reorder.push(packet(n), n * 0.02)
    assert [a.packet.sequence for a in reorder.due(1.0)] == [3]
    for n in (2, 2, 3, 1):
        assert reorder.push(packet(n), 1.1) == []
    assert (reorder.lost, reorder.late, reorder.duplicates) == (1, 1, 3)


def test_packets_that_are_overtaken_are_waited_for_once_that_has_happened():
    reorder, late = JitterBuffer(8000), []
    for n in range(1000):
        at = n * 0.02
        while (deadline := reorder.deadline) is not None and deadline <= at:
            reorder.due(deadline)
        # One in twenty comes 50 ms too late, as long as that goes on.
        reorder.push(packet(n + (2 - 3 * (n % 20 == 3) if n % 20 in (1, 2, 3) else 0)), at)
        late.append(reorder.late)
    assert late[60] - late[0] <= 2
    assert late[-1] == late[60]


def test_what_was_waited_for_is_forgotten():
    reorder = JitterBuffer(8000)
    for n in [*range(100), 103, 100, 101, 102, *range(104, 104 + 250)]:
        reorder.push(packet(n), max(n, 0) * 0.02 + (0.1 if n in (100, 101, 102) else 0))
        if n == 104:
            assert reorder.patience_s > 2 * JitterBuffer.SHORTEST_S
    assert reorder.patience_s == JitterBuffer.SHORTEST_S


def test_many_holes_at_once_take_no_longer_than_few():
    reorder = JitterBuffer(8000)
    reorder.push(packet(0), 0.0)
    for n in range(2, JitterBuffer.DROPOUT, 2):
        reorder.push(packet(n), 0.001)
    assert len(reorder.due(10.0)) == JitterBuffer.DROPOUT // 2 - 1
    assert reorder.deadline is None


def test_a_clock_that_drifts_loses_nothing():
    for drift in (200e-6, -200e-6):
        stream = RtpStream(PCMU, TYPES)
        blocks = [
            block
            for n in range(300 * 50)
            for block in stream.push(packet(n), n * 0.02 * (1 + drift))
        ]
        assert holes(blocks) == []
        assert blocks[-1].end == 300 * 8000
        assert not any(stream.counters.values())
        assert stream.packets.jitter_s < 1e-4


def test_comfort_noise_is_silence_as_long_as_it_lasts():
    stream = RtpStream(PCMU, TYPES)
    sent = [(packet(n), n * 0.02) for n in range(50)]
    sent += [(packet(50, kind=98, payload=b"@"), 1.0)]
    blocks = through(stream, sent, until=5.0)
    # Nothing has come for 4 s, and silence has been told of up to a moment ago.
    assert holes(blocks) == []
    assert 4.5 * 8000 < blocks[-1].end <= 4.75 * 8000
    resumed = stream.push(packet(51, timestamp=250 * LENGTH), 5.0)
    assert holes(resumed, blocks[-1].end) == []
    assert resumed[-1].end == 251 * LENGTH
    assert not np.concatenate([b.samples for b in [*blocks, *resumed]])[8000:-LENGTH].any()
    assert not any(stream.counters.values())


def test_keys_pressed_are_a_pause_and_no_error():
    stream = RtpStream(PCMU, TYPES)
    sent = [(packet(n), n * 0.02) for n in range(10)]
    # An event repeats the time at which it began, and takes the place of the sound (RFC 4733).
    for n in range(10, 20):
        sent.append((packet(n, timestamp=10 * LENGTH, kind=101, payload=b"\1\x0a\0\xa0"), n * 0.02))
    sent += [(packet(n), n * 0.02) for n in range(20, 30)]
    blocks = through(stream, sent)
    assert holes(blocks) == []
    assert blocks[-1].end == 30 * LENGTH
    assert not any(stream.counters.values())


def test_what_is_lost_before_a_key_is_a_gap_all_the_same():
    stream = RtpStream(PCMU, TYPES)
    sent = [(packet(n), n * 0.02) for n in range(10)]
    sent += [(packet(11, timestamp=11 * LENGTH, kind=101, payload=b"\1\x0a\0\xa0"), 0.22)]
    sent += [(packet(12), 0.24)]
    blocks = through(stream, sent)
    assert holes(blocks) == [(10 * LENGTH, 11 * LENGTH, "packet_loss")]
    assert blocks[-1].end == 13 * LENGTH


def test_only_what_missing_packets_held_is_lost_of_a_pause():
    stream = RtpStream(PCMU, TYPES)
    sent = [(packet(n), n * 0.02) for n in range(10)]
    sent += [(packet(11, timestamp=30 * LENGTH), 0.6)]  # the sender paused; 10 was lost
    blocks = through(stream, sent)
    assert holes(blocks) == [(10 * LENGTH, 11 * LENGTH, "packet_loss")]
    assert blocks[-1].end == 31 * LENGTH


def test_a_network_that_is_down_is_a_gap_before_it_is_up_again():
    stream = RtpStream(PCMU, TYPES)
    sent = [(packet(n), n * 0.02) for n in range(50)]
    blocks = through(stream, sent, until=3.0)
    ((start, end, cause),) = holes(blocks)
    assert (start, cause) == (8000, "no_packets")
    assert 8000 < end <= 3.0 * 8000
    resumed = through(stream, [(packet(200), 4.0), (packet(201), 4.02)])
    assert holes(resumed, end) == [(end, 200 * LENGTH, "packet_loss")]
    assert stream.counters["lost"] == 150


def test_a_sender_that_stood_still_goes_on_where_time_stands():
    stream = RtpStream(PCMU, TYPES)
    sent = [(packet(n), n * 0.02) for n in range(50)]
    sent += [(packet(n), 3.0 + n * 0.02) for n in range(50, 100)]  # as if nothing had been
    blocks = through(stream, sent)
    found = holes(blocks)
    assert found[0][0] == 8000
    assert {cause for *_, cause in found} == {"no_packets"}
    assert found[-1][1] == 4 * 8000
    assert blocks[-1].end == 5 * 8000


def test_a_timestamp_that_jumps_does_not_take_the_clock_along():
    stream = RtpStream(PCMU, TYPES)
    sent = [(packet(n), n * 0.02) for n in range(50)]
    sent += [(packet(n, timestamp=10**9 + n * LENGTH), n * 0.02) for n in range(50, 100)]
    sent += [(packet(n, timestamp=n * LENGTH), n * 0.02) for n in range(100, 150)]
    blocks = through(stream, sent)
    assert holes(blocks) == []
    assert blocks[-1].end == 150 * LENGTH


def test_many_jumps_do_not_take_the_clock_along():
    stream = RtpStream(PCMU, TYPES)
    sent = [(packet(n, timestamp=n * 15_000), n * 0.02) for n in range(500)]
    sent += [
        (packet(500 + n, timestamp=500 * 15_000 + n * LENGTH), 10 + n * 0.02) for n in range(50)
    ]
    blocks = through(stream, sent)
    assert blocks[-1].end == 11 * 8000
    assert not any(stream.counters.values())


def test_a_sender_faster_than_real_time_is_not_heard_for_long():
    stream = RtpStream(PCMU, TYPES)
    blocks = through(stream, [(packet(n), n * 0.002) for n in range(5000)])
    passed = 5000 * 0.002
    heard = sum(len(b.samples) for b in blocks) / 8000
    assert heard <= RtpStream.AHEAD_S + passed * RtpStream.DRIFT + 0.02
    assert stream.counters["ahead"] == 5000 - round(heard / 0.02)
    # Once it keeps to real time again all of it is heard.
    late = [(packet(n), passed + 10 + n * 0.02) for n in range(5000, 5100)]
    heard_later = [b for p, at in late for b in stream.due(at) + stream.push(p, at)]
    assert len(heard_later + stream.flush()) == 100


def test_another_law_in_the_middle_of_a_call_is_heard():
    stream = RtpStream(PCMU, TYPES)
    blocks = through(stream, [(packet(n, kind=8 * (n >= 5)), n * 0.02) for n in range(10)])
    assert holes(blocks) == []
    loudness = [float(np.abs(b.samples).mean()) for b in blocks]
    assert loudness[0] == pytest.approx(float(np.abs(PCMU.new_decoder()(VOICE)).mean()))
    law = STATIC.sound[8].new_decoder()
    assert loudness[9] == pytest.approx(float(np.abs(law(VOICE)).mean()))


def test_another_sender_goes_on_where_time_stands():
    stream = RtpStream(PCMU, TYPES)
    blocks = through(stream, [(packet(n), n * 0.02) for n in range(50)])
    blocks += stream.change_sender()
    blocks += through(stream, [(packet(9000 + n), 1.3 + n * 0.02) for n in range(50)])
    ((start, end, _),) = holes(blocks)
    assert start == 8000
    assert end == pytest.approx(1.3 * 8000, abs=LENGTH)
    assert stream.counters == {"sender": 1}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 65535) | st.integers(0, 20),
            st.integers(0, 2**32 - 1) | st.integers(0, 3200),
            st.sampled_from((0, 8, 13, 98, 101, 55)),
            st.integers(0, 700),
            st.floats(0, 30),
        ),
        max_size=40,
    )
)
def test_whatever_comes_the_clock_goes_on_and_nothing_piles_up(sent):
    stream, now, end = RtpStream(PCMU, TYPES), 0.0, 0
    for sequence, timestamp, kind, length, passed in sent:
        now += passed
        blocks = stream.idle(now) + stream.due(now)
        blocks += stream.push(packet(sequence, timestamp, bytes(length), kind), now)
        for block in blocks:
            assert block.start >= end
            end = block.end
            assert block.captured_at <= now
        # No further ahead of the time that has passed than the bounds allow.
        assert end / 8000 <= now * RtpStream.DRIFT + RtpStream.AHEAD_S + 3.0
        deadline = stream.deadline
        longest = max(JitterBuffer.LONGEST_S, SenderClock.ALONE_S)
        assert deadline is None or deadline <= now + longest


def test_blocks_follow_each_other_after_a_restart():
    stream = RtpStream(PCMU, TYPES)
    sent = [(packet(n), n * 0.02) for n in range(10)]
    sent += [(packet(40000 + n, timestamp=5 + n * LENGTH), 0.2 + n * 0.02) for n in range(10)]
    blocks = through(stream, sent)
    assert all(a.end == b.start for a, b in pairwise(blocks))
    assert stream.counters == {"restart": 1}
