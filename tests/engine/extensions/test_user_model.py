"""Models of one's own: read alike live, offline and beside others; nonsense is refused."""

import numpy as np
import pytest

import livemood
from livemood.audio import Overrun, Span
from livemood.engine.extensions import reader_of


class Loudness:
    labels = ("calm", "excited")

    def predict(self, samples, rate):
        excited = min(1.0, 3 * float(np.sqrt(np.mean(samples**2))))
        return [1 - excited, excited]


class Heard:
    """Remembers how much sound each speech had, and in which pieces."""

    labels = ("calm", "excited")
    shortest_s, longest_s = 0.5, 2.0

    def __init__(self):
        self.states = []

    def new_state(self):
        self.states.append([])
        return self.states[-1]

    def step(self, states, sounds):
        for state, sound in zip(states, sounds, strict=True):
            state.append(sound.copy())
        return np.tile([0.5, 0.5], (len(states), 1))


def test_protocols_know_what_fits():
    assert isinstance(Loudness(), livemood.EmotionModel)
    assert isinstance(Heard(), livemood.StreamingEmotionModel)
    with pytest.raises(livemood.ModelError, match="labels"):
        reader_of(object())


@pytest.mark.slow
def test_live_equals_offline(demo_file):
    def readings(events):
        return [
            (e.channel, e.end_ms, e.label, e.probabilities) for e in events if e.type == "emotion"
        ]

    offline = readings(livemood.analyze(demo_file, model=Loudness()).events)
    patient = livemood.MonitorSettings(budget_s=60)
    live = readings(livemood.listen(demo_file, speed=100, model=Loudness(), settings=patient))
    assert sorted(live) == sorted(offline)
    assert {label for _, _, label, _ in offline} & {"calm", "excited"}


def test_a_stream_is_given_each_sound_once(demo_file):
    model = Heard()
    timeline = livemood.analyze(demo_file, model=model)
    assert timeline.started.settings.window_ms == 2000
    speeches = [e for e in timeline.events if e.type == "speech.ended"]
    assert 0 < len(model.states) <= len(speeches)
    longest = max(model.states, key=len)
    assert len(longest) > 2
    assert len(longest[0]) >= 0.5 * 16000
    assert all(len(piece) < 16000 for piece in longest[1:]), "a pause comes with what follows"


def test_sound_between_that_was_left_out_begins_a_state_afresh():
    sound = np.arange(100_000, dtype=np.float32)
    model = Heard()
    reader = reader_of(model)
    state = reader.new_state()

    def read(span):
        return sound[span.start : span.end]

    for window in (Span(0, 8000), Span(0, 12_000), Span(20_000, 30_000), Span(20_000, 30_000)):
        (reading,) = reader.read([reader.request(state, window, read)])
        assert reading.probabilities.tolist() == [0.5, 0.5]
    first, second = model.states
    assert np.array_equal(np.concatenate(first), sound[:12_000])
    assert np.array_equal(np.concatenate(second), sound[20_000:30_000])

    def gone(_):
        raise Overrun(50_000)

    with pytest.raises(Overrun):
        reader.request(state, Span(25_000, 35_000), gone)
    reader.read([reader.request(state, Span(30_000, 40_000), read)])
    assert np.array_equal(np.concatenate(model.states[-1]), sound[30_000:40_000])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([0.5], "shape"),
        ([0.5, 0.6], "summing to 1"),
        ([float("nan"), 0.5], "summing to 1"),
        ([-0.5, 1.5], "summing to 1"),
        ("calm", "no numbers"),
    ],
)
def test_what_is_no_probabilities_ends_the_session_with_an_error(demo_file, given, message):
    class Wrong(Loudness):
        def predict(self, samples, rate):
            return given

    with pytest.raises(livemood.ModelError, match=message):
        livemood.analyze(demo_file, model=Wrong())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"labels": ("one",)}, "two labels"),
        ({"labels": ("one", "one")}, "different"),
        ({"labels": ("one", "uncertain")}, "different"),
        ({"priors": (1.0, 0.0)}, "prior"),
        ({"shortest_s": 2.0, "longest_s": 1.0}, "shortest_s"),
    ],
)
def test_a_model_that_cannot_be_is_refused_before_it_reads(demo_file, fields, message):
    wrong = type("Wrong", (Loudness,), fields)()
    with pytest.raises(livemood.ModelError, match=message):
        livemood.listen(demo_file, model=wrong)
