"""Timestamps and arrival that do not agree: where sound stands, and that none is lost unsaid."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.sources.rtp import STATIC, RtpPacket, RtpStream

RATE, LENGTH, PTIME = 8000, 160, 0.02
CODES = [code for code in range(256) if code not in (0x7F, 0xFF)]
"""Of mu-law, those that are not silence."""
VALUES = STATIC.sound[0].new_decoder()(bytes(CODES))[:, 0]


@dataclass
class Call:
    """A sender in real time: each packet's sound is one value, so that it can be found again."""

    seed: int
    trembling: float = 0.01
    now: float = 0.0
    """When the newest packet's sound began to be spoken."""
    sequence: int = 60_000
    timestamp: int = 2**32 - 50_000
    sent: list = field(default_factory=list)
    """(packet, arrival, when its sound was spoken)."""
    held: list = field(default_factory=list)
    stalled: bool = False
    behind: float = 0.0
    """How much later than it was spoken sound is sent."""
    drift: float = 0.0
    """By what share the sender's clock is slow."""
    overtaking: bool = False
    """Whether packets that tremble may overtake each other."""

    def __post_init__(self):
        self.random = np.random.default_rng(self.seed)

    def speak(self, packets=25, *, lost=False):
        for _ in range(packets):
            code = CODES[self.sequence % len(CODES)]
            packet = RtpPacket(
                0, False, self.sequence & 0xFFFF, self.timestamp % 2**32, 7, bytes([code]) * LENGTH
            )
            slow = (self.now + self.behind + PTIME) * (1 + self.drift)
            arrival = slow + self.random.uniform(0, self.trembling)
            if not self.sent:  # nothing can be known of what comes before the first
                arrival = slow
            elif not self.overtaking:
                arrival = max(arrival, self.sent[-1][1])
            if self.stalled:
                self.held.append((packet, self.now))
            elif not lost:
                self.sent.append((packet, arrival, self.now))
            self.sequence += 1
            self.timestamp += LENGTH
            self.now += PTIME

    def burst(self, packets, wait):
        """A file is played: a start of some packets at once, then nothing, then each chunk late."""
        self.speak(packets)
        began = self.sent[-packets][1]
        for n in range(packets):
            packet, _, spoken = self.sent[n - packets]
            self.sent[n - packets] = (packet, began + n * 1e-4, spoken)
        self.behind += wait

    def chunks(self, number, packets):
        """So many at once, as often as their sound lasts."""
        for _ in range(number):
            before = len(self.sent)
            self.speak(packets)
            last = self.sent[-1][1]
            self.sent[before:] = [(p, last, spoken) for p, _, spoken in self.sent[before:]]

    def jump(self, ticks):
        """The timestamp jumps; packets keep their pace."""
        self.timestamp += ticks

    def mute(self, seconds):
        """Nothing is sent, and the timestamp stands still."""
        self.now += seconds

    def pause(self, seconds):
        """Nothing is sent, as the timestamp says."""
        self.now += seconds
        self.timestamp += round(seconds * RATE)

    def stall(self, packets):
        """The network holds packets up, then brings them all at once."""
        self.stalled = True
        self.speak(packets)
        self.stalled = False
        for packet, spoken in self.held:
            self.sent.append((packet, self.now + 0.001, spoken))
        self.held = []


def received(call):
    """All blocks, idle and deadlines told as a receiver tells them."""
    stream, blocks, swept = RtpStream(STATIC.sound[0], STATIC), [], 0.0
    for packet, arrival, _ in sorted(call.sent, key=lambda sent: sent[1]):
        while swept + 0.25 <= arrival:
            swept += 0.25
            while (deadline := stream.deadline) is not None and deadline <= swept:
                blocks += stream.due(deadline)
            blocks += stream.idle(swept)
        while (deadline := stream.deadline) is not None and deadline <= arrival:
            blocks += stream.due(deadline)
        blocks += stream.push(packet, arrival)
    return stream, blocks + stream.flush()


def check(call, worst=0.06):
    """Every sound stands within `worst` of when it was spoken, or is told as lost."""
    stream, blocks = received(call)
    first = call.sent[0][2]
    end = max(block.end for block in blocks)
    timeline = np.full(end, np.nan, np.float32)
    at = 0
    for block in blocks:
        assert block.start >= at
        at = block.end
        timeline[block.start : block.end] = block.samples[:, 0]
    told = np.isnan(timeline)
    for packet, _, spoken in call.sent:
        value = VALUES[CODES.index(packet.payload[0])]
        expected = round((spoken - first) * RATE)
        first_place, last_place = expected - round(worst * RATE), expected + round(worst * RATE)
        around = slice(max(0, first_place), last_place + LENGTH)
        here = int((timeline[around] == value).sum())
        lost = int(told[around].sum())
        assert here + lost >= LENGTH - 2, (spoken - first, here, lost)
    return stream, blocks


def gaps(blocks):
    out, at = [], 0
    for block in blocks:
        if block.start > at:
            out.append(((block.start - at) / RATE, block.gap_cause))
        at = block.end
    return out


def test_a_timestamp_that_jumps_back_loses_nothing():
    call = Call(1)
    for back in (0.5, 1.9, 0.7, 1.2, 0.06, 1.0):
        call.speak(500)
        call.jump(-round(back * RATE))
    call.speak(100)
    _, blocks = check(call)
    assert gaps(blocks) == []
    assert sum(len(block.samples) for block in blocks) == LENGTH * len(call.sent)


@pytest.mark.parametrize("muted", [0.3, 1.5, 10.0])
def test_a_timestamp_that_stands_still_while_a_party_is_muted_is_a_gap(muted):
    call = Call(2)
    call.speak(100)
    call.mute(muted)
    call.speak(100)
    _, blocks = check(call)
    assert sum(length for length, _ in gaps(blocks)) == pytest.approx(muted, abs=0.06)
    assert {cause for _, cause in gaps(blocks)} == {"no_packets"}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("trembling", [0.03, 0.06, 0.1])
@pytest.mark.parametrize("overtaking", [False, True])
def test_a_network_that_trembles_moves_nothing(overtaking, trembling, seed):
    """From the first packet on, when how much it trembles is not known yet."""
    call = Call(seed, trembling, overtaking=overtaking)
    call.speak(1000)
    stream, blocks = received(call)
    lost = stream.counters["lost"] * PTIME
    assert sum(length for length, _ in gaps(blocks)) == pytest.approx(lost)
    assert blocks[-1].end == 1000 * LENGTH


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("muted", [0.5, 1.5, 5.0])
def test_a_mute_on_a_network_that_trembles_is_a_gap(muted, seed):
    call = Call(seed, 0.1)
    call.speak(200)
    call.mute(muted)
    call.speak(200)
    _, blocks = check(call, 0.12)
    assert sum(length for length, _ in gaps(blocks)) == pytest.approx(muted, abs=0.12)


@pytest.mark.parametrize(("packets", "wait"), [(5, 0.1), (5, 0.7), (12, 0.45), (20, 0.1)])
def test_a_file_that_is_played_from_a_burst_on_has_no_gap(packets, wait):
    """As ffmpeg does: half a second is read at once, and a quarter of a second at a time."""
    call = Call(7, 0.02)
    call.burst(packets, wait)
    call.chunks(40, packets)
    _, blocks = received(call)
    assert gaps(blocks) == []
    assert blocks[-1].end == 41 * packets * LENGTH


def test_a_mute_of_a_sender_of_chunks_is_a_gap():
    call = Call(7)
    call.burst(12, 0.5)
    call.chunks(40, 12)
    call.mute(0.8)
    call.chunks(40, 12)
    _, blocks = received(call)
    assert sum(length for length, _ in gaps(blocks)) == pytest.approx(0.8, abs=0.06)


def test_a_last_packet_that_is_sent_late_belongs_to_what_came_before():
    call = Call(2)
    call.speak(100)
    call.mute(0.7)
    call.speak(1)
    _, blocks = received(call)
    assert gaps(blocks) == []
    assert blocks[-1].end == 101 * LENGTH


def test_what_the_network_held_up_stands_where_it_was_spoken():
    for packets in (5, 40, 500):
        call = Call(3)
        call.speak(100)
        call.stall(packets)
        call.speak(100)
        _, blocks = check(call)
        # A stall of a second is told while it lasts; what comes of that time is not heard.
        told = sum(length for length, _ in gaps(blocks))
        assert told == 0 if packets < 50 else told <= 1.0


def test_a_route_that_becomes_longer_is_followed_once():
    call = Call(4)
    call.speak(100)
    call.sent += [(p, at + 0.15, spoken) for p, at, spoken in later(call, 500)]
    _, blocks = received(call)
    assert sum(length for length, _ in gaps(blocks)) == pytest.approx(0.15, abs=0.02)


def later(call, packets):
    before = len(call.sent)
    call.speak(packets)
    new = call.sent[before:]
    del call.sent[before:]
    return new


def test_parties_of_one_call_stay_together_whatever_their_timestamps_do():
    straight, odd = Call(5), Call(6)
    straight.speak(2000)
    for n in range(10):
        odd.speak(170)
        odd.jump(round((-1.5, 1.7, -0.3, 60.0, -70.0)[n % 5] * RATE))
        odd.mute(0.6)
    ends = [check(call)[1][-1].end / RATE - call.sent[-1][2] for call in (straight, odd)]
    assert ends[0] == pytest.approx(ends[1], abs=0.06)


ODD = st.one_of(
    st.tuples(st.just("speak"), st.integers(1, 100)),
    st.tuples(st.just("jump"), st.floats(-1.9, 1.9) | st.floats(-100_000, 100_000)),
    st.tuples(st.just("mute"), st.floats(0.1, 12)),
    st.tuples(st.just("pause"), st.floats(0.1, 12)),
    st.tuples(st.just("stall"), st.integers(3, 200)),
    st.tuples(st.just("lose"), st.integers(1, 80)),
)


ANOMALIES = given(seed=st.integers(0, 2**31), steps=st.lists(ODD, max_size=12))


@settings(max_examples=40, deadline=None)
@ANOMALIES
def test_any_sequence_of_anomalies_is_heard_in_its_place_or_told_as_a_gap(seed, steps):
    check_anomalies(seed, steps)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@ANOMALIES
def test_more_sequences_of_anomalies_are_heard_in_their_place_or_told_as_gaps(seed, steps):
    check_anomalies(seed, steps)


def check_anomalies(seed, steps):
    call = Call(seed)
    call.speak(50)
    for kind, amount in steps:
        if kind == "jump":
            call.jump(round(amount * RATE))
        elif kind == "lose":
            call.speak(amount, lost=True)
        else:
            getattr(call, kind)(amount)
        call.speak(25)
    stream, _ = check(call)
    assert not stream.counters["ahead"]


NETWORK = st.fixed_dictionaries(
    {
        "trembling": st.floats(0, 0.1),
        "drift": st.floats(-2e-4, 2e-4),
        "overtaking": st.booleans(),
        "loss": st.floats(0, 0.1),
        "burst": st.none() | st.tuples(st.integers(5, 22), st.floats(0.1, 0.5)),
    }
)
COARSE = st.one_of(
    st.tuples(st.just("speak"), st.integers(1, 200)),
    st.tuples(st.just("mute"), st.floats(0.4, 12)),
    st.tuples(st.just("pause"), st.floats(0.1, 12)),
    st.tuples(st.just("stall"), st.integers(10, 200)),
    st.tuples(st.just("lose"), st.integers(1, 80)),
)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), network=NETWORK, steps=st.lists(COARSE, max_size=8))
def test_on_a_network_that_does_it_all_at_once_too(seed, network, steps):
    """It trembles, loses, reorders and drifts: what is heard stands within that trembling."""
    loss, burst = network.pop("loss"), network.pop("burst")
    call = Call(seed, **network)
    if burst:
        call.burst(*burst)
    call.speak(150)
    for kind, amount in steps:
        call.speak(amount, lost=True) if kind == "lose" else getattr(call, kind)(amount)
        call.speak(150)
    gone = call.random.random(len(call.sent)) < loss
    gone[[0, -1]] = False
    call.sent = [sent for sent, lost in zip(call.sent, gone, strict=True) if not lost]
    check(call, 0.06 + 1.5 * call.trembling)
