"""Words and observations beside real speech: apart from the voice, and never in its way."""

import asyncio
import threading

import numpy as np
import pytest
import soundfile as sf

import livemood
from livemood.engine import Hub
from livemood.engine.extensions import Evidence
from livemood.engine.words import Stretch, WordFuser, WordsThread
from livemood.timeline.events import Fused, without_wall_clock

NEW = {"words", "fused", "observation"}
LABELS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")


@pytest.fixture(scope="module")
def sound(demo_file):
    samples, rate = sf.read(demo_file, dtype="float32", always_2d=True)
    return samples[: 12 * rate], rate


@pytest.fixture(scope="module")
def fusion(text_model):
    return livemood.LateFusion(text_model)


@pytest.fixture(scope="module")
def short(sound):
    """Half a second: what is refused is refused whatever was heard."""
    samples, rate = sound
    return samples[: rate // 2], rate


def push_all(session, samples, block=4800):
    return [
        event
        for at in range(0, len(samples), block)
        for event in session.push(samples[at : at + block])
    ]


def run(sound, fusion=None, then=lambda _: [], **options):
    samples, rate = sound
    session = livemood.Session(rate=rate, channels=2, live=False, fusion=fusion, **options)
    events = push_all(session, samples)
    events += then(session)
    return events + session.finish()


def told(events):
    """What is said of the voice alone."""
    return [
        without_wall_clock(e) | {"seq": 0}
        for e in events
        if e.type not in NEW and e.type != "session.started"
    ]


def of(events, kind):
    return [event for event in events if event.type == kind]


def test_words_are_read_and_joined_with_the_voice_of_their_time(sound, fusion):
    events = run(sound, fusion, lambda s: s.push_transcript("so happy and great", 500, 11_000, 1))
    (words,), (fused,) = of(events, "words"), of(events, "fused")
    assert (words.channel, words.start_ms, words.end_ms) == (1, 500, 11_000)
    assert words.label == "happy"
    assert fused.sources == ("voice", "words")
    assert events.index(fused) == events.index(words) + 1
    assert sum(fused.probabilities.values()) == pytest.approx(1, abs=1e-3)
    heard = [
        [e.raw_probabilities[label] for label in LABELS]
        for e in of(events, "emotion")
        if e.channel == 1 and 500 < e.end_ms <= 11_000
    ]
    mean = np.array(heard).mean(axis=0)
    expected = fusion.fuse(
        [
            Evidence("voice", mean / mean.sum(), np.full(7, 1 / 7)),
            fusion.read("so happy and great", LABELS),
        ]
    )
    assert list(fused.probabilities.values()) == pytest.approx(expected, abs=1e-3)


def test_dimensions_that_were_learnt_are_those_of_what_is_fused(sound, fusion):
    read = [e for e in of(run(sound), "emotion") if e.channel == 1 and not e.unread]
    rated = [(round(0.9 - 0.02 * n, 4), -0.5, 0.1) for n in range(len(read))]
    rest = {"channels": 2, "ignored": frozenset(), "enter": 0.45, "keep": False, "at_once": True}
    words = WordsThread(fusion)
    fuser = WordFuser(words, LABELS, (1 / 7,) * 7, affect=lambda _: (0.0, 0.0), **rest)
    for event, dimensions in zip(read, rated, strict=True):
        fuser.note(event.model_copy(update={"raw_dimensions": dimensions}))
    found = []
    for start, end in ((read[0].end_ms - 1, read[3].end_ms), (900_000, 901_000)):
        fuser.push_transcript("so sad", Stretch(1, start, end))
        fuser.settle(lambda kind, fields: found.append((kind, fields)))
    of_voice, of_words = (fields for kind, fields in found if kind is Fused)
    assert of_voice["valence"] == pytest.approx(np.mean([row[0] for row in rated[:4]]), abs=1e-4)
    assert of_voice["arousal"] == -0.5
    assert (of_words["valence"], of_words["arousal"]) == (0.0, 0.0)  # nobody was heard then


def test_the_voice_reads_as_it_does_without_words(sound, fusion):
    """Words change no event of the voice."""
    plain = told(run(sound))
    assert told(run(sound, fusion)) == plain
    assert told(run(sound, fusion, lambda s: s.push_transcript("hate", 0, 9000))) == plain


def test_no_words_no_new_events(sound, fusion):
    assert not [e for e in run(sound, fusion) if e.type in NEW]


def test_words_where_nobody_spoke_are_fused_alone(sound, fusion):
    events = run(sound, fusion, lambda s: s.push_transcript("so sad", 900_000, 901_000))
    (fused,) = of(events, "fused")
    assert fused.sources == ("words",)


def test_an_observation_is_joined_with_words_of_its_time(sound, fusion):
    def say(session):
        first = session.push_transcript("so sad and lonely", 1000, 5000)
        return first + session.push_observation(
            "camera", {"sad": 3, "fear": 1}, 2000, 4000, confidence=0.8
        )

    events = run(sound, fusion, say)
    (seen,) = of(events, "observation")
    assert (seen.source, seen.label) == ("camera", "sad")
    assert seen.probabilities["sad"] == pytest.approx(0.8 * 0.75 + 0.2 / 7, abs=1e-3)
    assert of(events, "fused")[-1].sources == ("voice", "words", "camera")


@pytest.mark.slow
def test_an_observer_without_confidence_changes_nothing(sound, fusion):
    def say(session):
        return session.push_observation("camera", "angry", 500, 11_000, confidence=0.0, channel=1)

    (fused,) = of(run(sound, fusion, say), "fused")

    def say_nothing(session):
        return session.push_observation("x", dict.fromkeys(LABELS, 1), 500, 11_000, channel=1)

    (plain,) = of(run(sound, fusion, say_nothing), "fused")
    assert fused.probabilities == plain.probabilities


def test_words_are_kept_only_if_asked_for_with_consent(sound, fusion):
    def say(session):
        return session.push_transcript("so happy", 0, 2000)

    plain = of(run(sound, fusion, say), "words")[0]
    assert plain.text is None
    assert "text" not in plain.model_dump_json()
    keeping = livemood.MonitorSettings(keep_words=True)
    kept = run(sound, fusion, say, settings=keeping, consent="form 7")
    assert of(kept, "words")[0].text == "so happy"
    with pytest.raises(livemood.UsageError, match="consent"):
        run(sound, fusion, say, settings=keeping)


def test_who_is_not_read_is_not_read_by_words_either(sound, fusion):
    settings = livemood.MonitorSettings(ignore_participants=("Agent",))
    said = lambda s: s.push_transcript("so happy", 0, 2000, 0)  # noqa: E731
    events = run(sound, fusion, said, settings=settings, participants=("Agent", "Caller"))
    assert not [e for e in events if e.type in NEW]


@pytest.mark.parametrize(
    ("text", "span", "says"),
    [
        ("", (0, 1000, 0), "some text"),
        ("  ", (0, 1000, 0), "some text"),
        ("x" * 2001, (0, 1000, 0), "too long"),
        ("so happy", (0, 1000, 2), "no channel 2"),
        ("so happy", (0, 1000, -1), "no channel -1"),
        ("so happy", (1000, 1000, 0), "start_ms"),
        ("so happy", (-1, 1000, 0), "start_ms"),
    ],
)
def test_a_transcript_that_cannot_be_is_refused_in_one_line(short, fusion, text, span, says):
    with pytest.raises(livemood.UsageError, match=says) as refused:
        run(short, fusion, lambda s: s.push_transcript(text, *span))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "labels", "confidence", "says"),
    [
        ("", "sad", 1.0, "source"),
        ("voice", "sad", 1.0, "source"),
        ("camera", "glad", 1.0, "'glad' is none of"),
        ("camera", {"sad": -1.0}, 1.0, "shares from 0"),
        ("camera", {"sad": float("nan")}, 1.0, "shares from 0"),
        ("camera", {"sad": 0.0}, 1.0, "shares from 0"),
        ("camera", "sad", 1.1, "confidence"),
    ],
)
def test_an_observation_that_cannot_be_is_refused_in_one_line(
    short, fusion, source, labels, confidence, says
):
    def say(session):
        return session.push_observation(source, labels, 0, 1000, confidence=confidence)

    with pytest.raises(livemood.UsageError, match=says):
        run(short, fusion, say)


def test_a_session_without_fusion_says_so(sound):
    with pytest.raises(livemood.UsageError, match="takes no words"):
        run(sound, None, lambda s: s.push_transcript("so happy", 0, 1000))


class Slow:
    """Reads nothing until it is let."""

    def __init__(self, fusion):
        self._fusion, self.go, self.asked = fusion, threading.Event(), threading.Event()
        self.check_labels, self.fuse = fusion.check_labels, fusion.fuse
        self.recogniser = fusion.recogniser

    def read(self, text, labels):
        self.asked.set()
        assert self.go.wait(60)
        return self._fusion.read(text, labels)


def test_the_voice_does_not_wait_for_words(sound, fusion):
    """While a text is being read, all of the voice's events come; the words' come after."""
    samples, rate = sound
    slow = Slow(fusion)
    settings = livemood.MonitorSettings(budget_s=60.0, buffer_s=60.0)
    with livemood.Session(rate=rate, channels=2, fusion=slow, settings=settings) as session:
        session.push_transcript("so happy", 0, 9000)
        assert slow.asked.wait(60)
        events = push_all(session, samples)
        assert len(of(events, "emotion")) > 20
        assert not of(events, "words")
        slow.go.set()
        last = session.finish()
    assert [e.type for e in last if e.type in NEW] == ["words", "fused"]
    assert last[-1].type == "session.ended"


def test_a_background_session_ends_after_its_words(sound, fusion):
    samples, rate = sound
    slow, events = Slow(fusion), []
    session = livemood.Session(rate=rate, channels=2, fusion=slow, on_event=events.append)
    session.push(samples[: 2 * rate])
    session.push_transcript("so happy", 0, 1500)
    assert slow.asked.wait(60)
    ending = threading.Thread(target=session.finish)
    ending.start()
    slow.go.set()
    ending.join(60)
    kinds = [event.type for event in events]
    assert kinds[-1] == "session.ended"
    assert kinds.index("words") < kinds.index("fused") < len(kinds) - 1


def test_words_that_come_too_fast_are_counted_not_waited_for(sound, fusion):
    samples, rate = sound
    slow = Slow(fusion)
    with livemood.Session(rate=rate, channels=2, fusion=slow) as session:
        events = []
        for _ in range(40):  # 32 may wait
            events += session.push_transcript("so happy", 0, 1000)
        slow.go.set()
        events += session.push(samples[:4800]) + session.finish()
    dropped = [e.count for e in of(events, "error") if e.code == "words_dropped"]
    assert sum(dropped) == 40 - 32
    assert len(of(events, "words")) == 32


def test_words_that_cannot_be_read_end_nothing(sound, fusion):
    class Broken(Slow):
        def read(self, text, labels):
            raise RuntimeError("no such word")

    samples, rate = sound
    with livemood.Session(rate=rate, channels=2, fusion=Broken(fusion)) as session:
        session.push_transcript("so happy", 0, 1000)
        events = push_all(session, samples[: 4 * rate]) + session.finish()
    (failed,) = of(events, "error")
    assert (failed.code, failed.fatal, failed.count) == ("words_failed", False, 1)
    assert events[-1].reason == "end"


async def test_events_of_words_come_to_those_who_iterate(sound, fusion):
    samples, rate = sound
    session = livemood.Session(rate=rate, channels=2, fusion=fusion, background=True)
    session.push(samples[:rate])
    session.push_transcript("so sad and lonely", 0, 900)
    async for event in session:
        if event.type == "fused":
            break
    await asyncio.to_thread(session.finish)
    assert event.label == "sad"


def test_words_that_are_not_read_in_time_are_counted_and_hold_up_no_other_session(
    sound, fusion, model, monkeypatch
):
    """The hub's thread reads everybody's sound: it does not wait for one session's last words."""
    monkeypatch.setattr("livemood.engine.hub.WORDS_END_S", 0.2)
    _, rate = sound
    slow, events = Slow(fusion), []
    words = WordsThread(slow)
    with Hub(model) as hub:
        ending = hub.open(
            livemood.MonitorSettings(),
            source="test",
            sample_rate=rate,
            channels=1,
            sinks=[events.append],
            words=words,
        )
        ending.push_transcript("so happy", Stretch(0, 0, 1000))
        assert slow.asked.wait(60)
        ending.finish()
        ended = ending.ended.wait(9.0)
        slow.go.set()
        words.close()  # read at last, while the hub still runs: no event may follow the end
    assert ended, "the thread waited once more for words that do not come"
    (dropped,) = of(events, "error")
    assert (dropped.code, dropped.fatal, dropped.count) == ("words_dropped", False, 1)
    assert events[-1].type == "session.ended"
