"""EmotionML: valid by the schema, with names that its vocabularies have."""

import re

import pytest
from exported import (
    BIG6,
    EML,
    SCHEMA,
    an_emotion,
    check_names,
    document,
    emotions_in,
    with_segments,
)
from lxml import etree

from livemood.timeline.export import to_emotionml


def test_emotionml_is_valid_and_names_only_items_of_its_vocabularies(timeline):
    root = emotions_in(to_emotionml(timeline))
    segments = [s for channel in timeline.channels for s in timeline.segments(channel)]
    assert len(root.findall(f"{EML}emotion")) == len(segments)


def test_emotionml_declares_the_models_labels_under_their_big6_names(timeline):
    root = emotions_in(to_emotionml(timeline))
    items = {item.get("name") for item in root.iter(f"{EML}item")}
    assert items > BIG6
    assert "neutral" in items
    assert len(items) == len(timeline.labels)


def test_emotionml_says_of_each_segment_what_when_and_on_which_channel(timeline):
    root = emotions_in(to_emotionml(timeline))
    big6 = {"happy": "happiness", "sad": "sadness", "angry": "anger"}
    segments = [s for channel in timeline.channels for s in timeline.segments(channel)]
    for emotion, s in zip(root.iter(f"{EML}emotion"), segments, strict=True):
        assert emotion.get("expressed-through") == "voice"
        category = emotion.find(f"{EML}category")
        if s.label == "uncertain":
            assert category is None
        else:
            assert category.get("name") == big6.get(s.label, s.label)
            assert float(category.get("confidence")) == pytest.approx(s.confidence, abs=1e-4)
        dimensions = {x.get("name"): float(x.get("value")) for x in emotion.iter(f"{EML}dimension")}
        assert dimensions == {
            "valence": pytest.approx((s.valence + 1) / 2, abs=1e-4),
            "arousal": pytest.approx((s.arousal + 1) / 2, abs=1e-4),
        }
        reference = emotion.find(f"{EML}reference")
        assert reference.get("role") == "expressedBy"
        name, fragment = reference.get("uri").split("#")
        assert name == "demo.opus"
        start, end = (float(x) for x in fragment.removeprefix("t=").split(","))
        assert (round(1000 * start), round(1000 * end)) == (s.start_ms, s.end_ms)
        assert (
            emotion.findtext(f"{EML}info/{{http://www.w3.org/ns/ma-ont#}}trackName")
            == f"channel {s.channel}"
        )


def test_an_uncertain_segment_has_dimensions_and_no_category(timeline):
    root = emotions_in(to_emotionml(with_segments(timeline, (0, 0, 500, "uncertain"))))
    emotion = root.find(f"{EML}emotion")
    assert emotion.find(f"{EML}category") is None
    assert [x.get("value") for x in emotion.iter(f"{EML}dimension")] == ["0.0000", "1.0000"]


def test_emotionml_without_segments_is_valid(timeline):
    emotions_in(to_emotionml(with_segments(timeline)))


def test_emotionml_declares_its_encoding(timeline):
    head = to_emotionml(timeline).split("\n", 1)[0]
    assert re.search(r"encoding=['\"]utf-8['\"]", head, re.IGNORECASE)


GOOD = '<category name="anger"/>'


@pytest.mark.parametrize(
    "right",
    [
        document(""),
        an_emotion(GOOD),
        an_emotion('<category name="anger" value="0.5" confidence="1"/>'),
        an_emotion('<category name="anger"><trace freq="10Hz" samples="0 0.5 1"/></category>'),
        an_emotion('<dimension name="arousal" value="0.3"/><dimension name="valence" value="1"/>'),
        an_emotion('<appraisal name="novelty"/><action-tendency name="approach" value="0.1"/>'),
        an_emotion(f'<reference uri="a.wav#t=1,2"/>{GOOD}<reference uri="b" role="triggeredBy"/>'),
        an_emotion(f'words <info id="x">text<o xmlns="urn:other"><p/></o></info>{GOOD}'),
        an_emotion(GOOD, 'start="1" end="2" duration="1" expressed-through="face voice"'),
        an_emotion(GOOD, 'time-ref-uri="#a" time-ref-anchor-point="end" offset-to-start="-5"'),
        document('<vocabulary type="dimension" id="v"><info/><item name="x"/></vocabulary>'),
    ],
)
def test_the_schema_accepts_what_the_recommendation_allows(right):
    SCHEMA.assertValid(etree.fromstring(right))


@pytest.mark.parametrize(
    "wrong",
    [
        document("", head=""),
        document("", head='version="2.0"'),
        document("text"),
        document('<mood xmlns="urn:other"/>'),
        document('<vocabulary type="category" id="v"/>'),
        document('<vocabulary type="feeling" id="v"><item name="x"/></vocabulary>'),
        document('<vocabulary type="category"><item name="x"/></vocabulary>'),
        document('<vocabulary type="category" id="v"><item/></vocabulary>'),
        document("<info/><info/>"),
        an_emotion(""),
        an_emotion('<reference uri="a"/><info/>'),
        an_emotion("<category/>"),
        an_emotion('<category name="two words"/>'),
        an_emotion('<category name="anger" value="1.1"/>'),
        an_emotion('<category name="anger" confidence="-0.1"/>'),
        an_emotion('<category name="anger" confidence="nan"/>'),
        an_emotion('<category name="anger" value="1"><trace freq="1Hz" samples="1"/></category>'),
        an_emotion('<dimension name="arousal"/>'),
        an_emotion('<dimension name="arousal" confidence="0.5"/>'),
        an_emotion('<dimension name="arousal"><trace freq="10" samples="1"/></dimension>'),
        an_emotion('<dimension name="arousal"><trace freq="10Hz" samples=""/></dimension>'),
        an_emotion('<dimension name="arousal"><trace freq="10Hz" samples="0 2"/></dimension>'),
        an_emotion(f"{GOOD}<reference/>"),
        an_emotion(f'{GOOD}<reference uri="a" role="saidBy"/>'),
        an_emotion(f"{GOOD}<info/><info/>"),
        an_emotion(f'{GOOD}<info><category name="anger"/></info>'),
        an_emotion(f'{GOOD}<o xmlns="urn:other"/>'),
        an_emotion(GOOD, 'start="-1"'),
        an_emotion(GOOD, 'start="1.5"'),
        an_emotion(GOOD, 'time-ref-anchor-point="middle"'),
        an_emotion(GOOD, 'confidence="1"'),
        GOOD,
    ],
)
def test_the_schema_rejects_what_is_not_emotionml(wrong):
    assert not SCHEMA.validate(etree.fromstring(wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        '<emotion><category name="anger"/></emotion>',
        '<emotion category-set="#v"><category name="anger"/></emotion>',
        '<emotion category-set="#v"><category name="x"/><category name="x"/></emotion>',
        '<emotion dimension-set="#v"><dimension name="x" value="1"/></emotion>',
    ],
)
def test_the_check_of_names_rejects_names_that_no_vocabulary_has(wrong):
    vocabulary = '<vocabulary type="category" id="v"><item name="x"/></vocabulary>'
    root = etree.fromstring(document(vocabulary + wrong))
    SCHEMA.assertValid(root)
    with pytest.raises((AssertionError, KeyError)):
        check_names(root)
