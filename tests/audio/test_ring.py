"""The ring buffer, against a plain list and against a writer that really runs beside the reader."""

import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.audio.block import Span
from livemood.audio.ring import Overrun, RingBuffer

WRITES = st.tuples(st.just("write"), st.integers(0, 60))
SKIPS = st.tuples(st.just("skip"), st.integers(0, 90))
READS = st.tuples(st.just("read"), st.integers(0, 150), st.integers(1, 60))


def numbered(start, count):
    """Samples from `start` on, each a number of its own above 0."""
    return np.arange(start + 1, start + 1 + count, dtype=np.float32)


@settings(deadline=None)
@given(st.integers(1, 40), st.lists(st.one_of(WRITES, SKIPS, READS), max_size=60))
def test_any_sequence_of_writes_skips_and_reads_behaves_like_an_endless_list(capacity, steps):
    ring, stream = RingBuffer(capacity), []
    for name, *numbers in steps:
        if name == "write":
            samples = numbered(len(stream), numbers[0])
            ring.write(samples)
            stream += samples.tolist()
        elif name == "skip":
            ring.skip(numbers[0])
            stream += [0.0] * numbers[0]
        else:
            back, length = numbers
            start = max(0, len(stream) - back)
            oldest = max(0, len(stream) - capacity)
            if start + length > len(stream):
                with pytest.raises(ValueError, match="not been written yet"):
                    ring.read(Span(start, start + length))
            elif start < oldest:
                with pytest.raises(Overrun) as caught:
                    ring.read(Span(start, start + length))
                assert caught.value.oldest == oldest
            else:
                out = ring.read(Span(start, start + length))
                assert out.dtype == np.float32
                assert out.tolist() == stream[start : start + length]
        assert ring.end == len(stream)
        assert ring.oldest == max(0, len(stream) - capacity)


@settings(deadline=None)
@given(st.integers(1, 20), st.integers(0, 100))
def test_everything_that_is_not_yet_overwritten_can_be_read_at_once(capacity, count):
    ring = RingBuffer(capacity)
    ring.write(numbered(0, count))
    kept = Span(ring.oldest, ring.end)
    assert ring.read(kept).tolist() == numbered(0, count)[-capacity:].tolist()


def test_a_write_longer_than_the_ring_leaves_its_last_samples():
    ring = RingBuffer(4)
    ring.write(numbered(0, 3))
    ring.write(numbered(3, 11))
    assert ring.end == 14
    assert ring.read(Span(10, 14)).tolist() == [11, 12, 13, 14]


def test_what_was_read_does_not_change_when_the_writer_goes_on():
    ring = RingBuffer(4)
    ring.write(numbered(0, 4))
    out = ring.read(Span(0, 4))
    ring.write(numbered(4, 4))
    assert out.tolist() == [1, 2, 3, 4]


def test_the_writer_may_use_its_array_again():
    ring, samples = RingBuffer(4), numbered(0, 4)
    ring.write(samples)
    samples[:] = -1
    assert ring.read(Span(0, 4)).tolist() == [1, 2, 3, 4]


def test_skipped_sound_is_silence_and_the_clock_goes_on():
    ring = RingBuffer(8)
    ring.write(numbered(0, 8))
    ring.skip(3)
    ring.write(numbered(11, 2))
    assert ring.read(Span(7, 13)).tolist() == [8, 0, 0, 0, 12, 13]


def test_an_overrun_says_from_where_sound_can_still_be_read():
    ring = RingBuffer(10)
    ring.write(numbered(0, 25))
    with pytest.raises(Overrun) as caught:
        ring.read(Span(14, 20))
    assert ring.read(Span(caught.value.oldest, 20)).tolist() == [16, 17, 18, 19, 20]


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_ring_without_room_is_refused(capacity):
    with pytest.raises(ValueError, match="at least 1 sample"):
        RingBuffer(capacity)


@pytest.fixture
def restless_threads():
    """Make the interpreter change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_a_reader_beside_a_fast_writer_never_gets_torn_samples(restless_threads):
    period, capacity, block, reads = 1_000_003, 1 << 18, 2_003, 4_000
    ring = RingBuffer(capacity)
    # Sample number i of the stream is i % period: sound[i % period :] is what follows it.
    sound = (np.arange(period + capacity) % period).astype(np.float32)
    stop = threading.Event()

    def write():
        at = 0
        while not stop.is_set():
            ring.write(sound[at : at + block])
            at = (at + block) % period

    writer = threading.Thread(target=write)
    writer.start()
    good = overruns = 0
    try:
        # Writers and readers meet by chance: so many reads, and more until some have come through.
        while good + overruns < reads or good < reads // 20:
            # From the oldest sound, where the writer strikes next, or some way after it.
            oldest, end = ring.oldest, ring.end
            span = Span(min(oldest + (good + overruns) % 100 * block, end), end)
            try:
                out = ring.read(span)
            except Overrun:
                overruns += 1
                continue
            at = span.start % period
            assert np.array_equal(out, sound[at : at + len(span)]), f"torn in {span}"
            good += 1
    finally:
        stop.set()
        writer.join()
    last = Span(max(0, ring.end - capacity), ring.end)
    at = last.start % period
    assert np.array_equal(ring.read(last), sound[at : at + len(last)])
