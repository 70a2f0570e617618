"""Sources of one's own: plain blocks of any size and type; what they raise ends the session."""

import threading

import numpy as np
import pytest
import soundfile as sf

import livemood
from livemood.timeline.events import without_wall_clock


@pytest.fixture(scope="module")
def sound(demo_file):
    samples, rate = sf.read(demo_file, dtype="float32", always_2d=True)
    return samples[: 10 * rate], rate


class Blocks:
    """The sound in blocks of one size."""

    live = False

    def __init__(self, sound, size, kind=np.float32):
        samples, self.sample_rate = sound
        self.channels = samples.shape[1]
        scaled = samples if kind is np.float32 else samples * 32767
        self._sound, self._size = scaled.astype(kind), size

    def blocks(self):
        for at in range(0, len(self._sound), self._size):
            yield self._sound[at : at + self._size]


def told(events):
    return [without_wall_clock(e) | {"seq": 0} for e in events if e.type != "session.started"]


@pytest.mark.slow
def test_the_sizes_of_blocks_do_not_matter(sound):
    heard = [told(livemood.listen(source=Blocks(sound, n))) for n in (480, 7000, 10**7)]
    assert heard[0] == heard[1] == heard[2]
    assert any(e["type"] == "emotion" for e in heard[0])
    assert heard[0][-1]["summary"][0]["duration_ms"] == 10_000


def test_sixteen_bits_are_scaled(sound):
    floats, integers = (
        [e.end_ms for e in livemood.listen(source=Blocks(sound, 480, kind)) if e.type == "emotion"]
        for kind in (np.float32, np.int16)
    )
    # Rounding may move the end of a pause by a frame of the detector.
    assert integers == pytest.approx(floats, abs=60)


def test_a_block_may_say_where_it_lies_on_the_clock():
    class Gappy:
        sample_rate, channels, live = 16000, 1, False

        def blocks(self):
            quiet = np.zeros((1600, 1), np.float32)
            yield livemood.AudioBlock(0, quiet, 0.0)
            yield livemood.AudioBlock(8000, quiet, 0.0, "network")

    events = list(livemood.listen(source=Gappy()))
    (gap,) = (e for e in events if e.type == "gap")
    assert (gap.start_ms, gap.end_ms, gap.cause) == (100, 500, "network")
    assert events[0].source == "Gappy"


def test_what_a_source_raises_is_said_in_the_session_and_by_listen():
    class Failing:
        sample_rate, channels, live = 16000, 1, False
        name = "line 4"

        def blocks(self):
            yield np.zeros(1600, np.float32)
            raise OSError("the cable is out")

    events = []
    listening = livemood.listen(source=Failing(), sinks=[events.append])
    with pytest.raises(livemood.SourceError, match="line 4 failed: OSError: the cable is out"):
        list(listening)
    assert [e.type for e in events[-2:]] == ["error", "session.ended"]
    assert events[-1].reason == "error"
    assert events[-1].summary[0].duration_ms == 100


def test_a_block_that_is_no_sound_is_refused():
    class Wrong:
        sample_rate, channels, live = 16000, 1, False

        def blocks(self):
            yield np.zeros(1600)

    with pytest.raises(livemood.SourceError, match="float64"):
        list(livemood.listen(source=Wrong()))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sample_rate": 100, "channels": 1}, "sample rate"),
        ({"sample_rate": 16000, "channels": 0}, "channels"),
        ({"sample_rate": 16000}, "channels"),
        ({"sample_rate": "fast", "channels": 1}, "fast"),
    ],
)
def test_a_source_that_cannot_be_is_refused_at_once(fields, message):
    source = type("Odd", (), fields | {"blocks": lambda _: iter(())})()
    with pytest.raises(livemood.UsageError, match=message):
        livemood.listen(source=source)


def test_a_live_source_is_asked_to_stop():
    class Live:
        sample_rate, channels = 16000, 1

        def __init__(self):
            self.stopped = threading.Event()

        def blocks(self):
            while not self.stopped.wait(0.01):
                yield np.zeros(160, np.int16)

        def stop(self):
            self.stopped.set()

    source = Live()
    events = livemood.listen(source=source)
    assert next(events).settings.budget_ms == 150
    events.close()
    assert source.stopped.is_set()
