"""Exports of a real timeline, each read back by what else reads such files."""

import csv
import html
import io
import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from livemood.engine import analyze_file
from livemood.timeline import Timeline, parse_event
from livemood.timeline.events import Emotion, Segment, SessionEnded, SessionStarted
from livemood.timeline.export import EXPORTS, to_csv, to_emotionml, to_json, to_jsonl, to_vtt

EML = "{http://www.w3.org/2009/10/emotionml}"
SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).with_name("emotionml.rng")))
BIG6 = {"happiness", "sadness", "anger", "fear", "disgust", "surprise"}
FSRE_DIMENSIONS = {"valence", "potency", "arousal", "unpredictability"}


@pytest.fixture(scope="module")
def timeline(demo_file, model):
    """The timeline of the bundled conversation."""
    made, failure = analyze_file(demo_file, model)
    assert failure is None
    return made


def from_source(timeline, source):
    """The same timeline of sound by another name."""
    return Timeline(
        e.model_copy(update={"source": source}) if isinstance(e, SessionStarted) else e
        for e in timeline.events
    )


def between(timeline, *names):
    """The same timeline with these participants."""
    return Timeline(
        e.model_copy(update={"participants": names}) if isinstance(e, SessionStarted) else e
        for e in timeline.events
    )


def with_segments(timeline, *segments):
    """A session that says nothing but these segments: (channel, start, end, label)."""
    first = next(e for e in timeline.events if isinstance(e, SessionStarted))
    made = Timeline([first])
    for channel, start, end, label in segments:
        made.add(
            Segment(
                session=first.session,
                channel=channel,
                seq=2,
                start_ms=start,
                end_ms=end,
                time=first.time,
                label=label,
                confidence=0.7,
                valence=-1.0,
                arousal=1.0,
            )
        )
    return made


def test_there_is_an_export_for_each_format_and_no_other():
    assert set(EXPORTS) == {"json", "jsonl", "csv", "vtt", "emotionml"}


def test_the_timeline_under_test_has_speech_on_both_channels(timeline):
    assert [len(timeline.segments(channel)) > 0 for channel in timeline.channels] == [True, True]


# JSON


def test_json_is_one_object_of_the_stated_schema(timeline):
    out = json.loads(to_json(timeline))
    assert out["schema"] == "livemood.timeline/1"
    assert out["source"] == "demo.opus"
    assert out["model"]["labels"] == list(timeline.labels)
    assert [c["channel"] for c in out["channels"]] == [0, 1]
    for channel in out["channels"]:
        assert {"channel", "duration_ms", "speech_ms", "events", "segments", "summary"} <= set(
            channel
        )
        assert 0 < channel["speech_ms"] <= channel["duration_ms"]
        for segment in channel["segments"]:
            assert set(segment) == {
                "start_ms",
                "end_ms",
                "label",
                "confidence",
                "valence",
                "arousal",
            }
            assert 0 <= segment["start_ms"] < segment["end_ms"] <= channel["duration_ms"]
        shares = channel["summary"]["shares"]
        assert sum(shares.values()) == pytest.approx(1, abs=5e-4)
        assert set(shares) <= {*timeline.labels, "uncertain"}


def test_json_holds_each_channels_events_as_they_went_over_the_wire(timeline):
    for channel in json.loads(to_json(timeline))["channels"]:
        events = [parse_event(json.dumps(e)) for e in channel["events"]]
        assert events == timeline.of_channel(channel["channel"])
        assert len(events) > 10


def test_json_segments_and_the_share_of_time_are_those_of_the_readings(timeline):
    for channel in json.loads(to_json(timeline))["channels"]:
        read = sum(s["end_ms"] - s["start_ms"] for s in channel["segments"])
        for label, share in channel["summary"]["shares"].items():
            ms = sum(
                s["end_ms"] - s["start_ms"] for s in channel["segments"] if s["label"] == label
            )
            assert share == pytest.approx(ms / read, abs=1e-3)


def test_a_timeline_that_never_began_is_an_object_without_channels():
    out = json.loads(to_json(Timeline()))
    assert (out["schema"], out["model"], out["channels"]) == ("livemood.timeline/1", None, [])


def test_a_session_that_was_cut_short_still_has_all_its_channels(timeline):
    cut = Timeline(e for e in timeline.events if not isinstance(e, SessionEnded))
    channels = json.loads(to_json(cut))["channels"]
    assert [c["summary"]["shares"] for c in channels] == [{}, {}]
    assert [len(c["segments"]) for c in channels] == [len(timeline.segments(c)) for c in (0, 1)]


# JSON lines


def test_json_lines_parse_back_to_equal_events(timeline):
    lines = to_jsonl(timeline).split("\n")
    assert lines.pop() == ""
    assert [parse_event(line) for line in lines] == timeline.events


def test_sequence_numbers_in_json_lines_count_up_by_one(timeline):
    found = [json.loads(line)["seq"] for line in to_jsonl(timeline).splitlines()]
    assert found == list(range(1, len(found) + 1))


# CSV


def test_csv_has_one_row_for_each_reading_under_a_header(timeline):
    text = to_csv(timeline)
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    emotions = [e for channel in timeline.channels for e in timeline.emotions(channel)]
    assert len(rows) == len(emotions) > 0
    for row, e in zip(rows, emotions, strict=True):
        assert None not in row
        assert None not in row.values()
        assert (int(row["channel"]), int(row["start_ms"]), int(row["end_ms"])) == (
            e.channel,
            e.start_ms,
            e.end_ms,
        )
        assert row["label"] == e.label
        for name in ("confidence", "valence", "arousal"):
            assert float(row[name]) == getattr(e, name)
        for label in timeline.labels:
            assert float(row[f"p_{label}"]) == e.probabilities[label]
            assert float(row[f"raw_{label}"]) == e.raw_probabilities[label]


def test_csv_lines_end_as_rfc_4180_says(timeline):
    lines = to_csv(timeline).split("\r\n")
    assert lines[-1] == ""
    assert not any("\n" in line or "\r" in line for line in lines)


# WebVTT

TIME = re.compile(r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})")
CUE_TEXT = re.compile(
    r"<v(?:\.[^\s.<>&]+)* ((?:[^<>&\n]|&(?:amp|lt|gt);)+)>((?:[^<>&\n]|&(?:amp|lt|gt|nbsp);)+)"
)


def milliseconds(text):
    hours, minutes, seconds, ms = map(int, TIME.fullmatch(text).groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms


def cues(text):
    """The cues of a WebVTT file as (start, end, voice, text); fails on anything that is not."""
    assert "\0" not in text
    assert "\r" not in text
    header, *blocks = text.removesuffix("\n").split("\n\n")
    assert header == "WEBVTT"
    found, names = [], []
    for block in blocks:
        assert block, "more than one empty line between blocks"
        lines = block.split("\n")
        if re.match(r"NOTE( |$)", lines[0]):
            assert "-->" not in block
            continue
        if "-->" not in lines[0]:
            names.append(lines.pop(0))
        timing = lines.pop(0).split(" --> ")
        assert len(timing) == 2
        start, end = map(milliseconds, timing)
        assert start < end, "a cue must end after it starts"
        assert len(lines) == 1
        assert "-->" not in lines[0]
        voice, words = CUE_TEXT.fullmatch(lines[0]).groups()
        found.append((start, end, voice, words))
    assert len(set(names)) == len(names)
    assert [cue[0] for cue in found] == sorted(cue[0] for cue in found)
    return found


def test_webvtt_has_one_cue_for_each_segment_in_the_order_of_time(timeline):
    found = cues(to_vtt(timeline))
    segments = [s for channel in timeline.channels for s in timeline.segments(channel)]
    assert len(found) == len(segments)
    for segment in segments:
        voice = f"channel {segment.channel}"
        words = f"{segment.label} ({segment.confidence:.0%})"
        assert (segment.start_ms, segment.end_ms, voice, words) in found


def test_webvtt_counts_hours_as_far_as_they_go(timeline):
    long = with_segments(
        timeline,
        (0, 59_999, 60_001, "sad"),
        (0, 3_600_000, 3_661_001, "sad"),
        (0, 359_999_999, 360_000_000, "happy"),
    )
    assert [cue[:2] for cue in cues(to_vtt(long))] == [
        (59_999, 60_001),
        (3_600_000, 3_661_001),
        (359_999_999, 360_000_000),
    ]
    assert "99:59:59.999 --> 100:00:00.000" in to_vtt(long)


def test_webvtt_without_segments_is_still_a_webvtt_file(timeline):
    assert cues(to_vtt(Timeline())) == []
    assert cues(to_vtt(with_segments(timeline))) == []


# EmotionML


def emotions_in(text):
    """The document's root, once schema, vocabularies and names have been checked."""
    root = etree.fromstring(text.encode())
    SCHEMA.assertValid(root)
    check_names(root)
    return root


def check_names(root):
    """What the schema cannot say: names are of the vocabulary in force and occur once."""
    own = {
        (v.get("type"), f"#{v.get('id')}"): {item.get("name") for item in v.iter(f"{EML}item")}
        for v in root.iter(f"{EML}vocabulary")
    }
    known = own | {
        ("category", "http://www.w3.org/TR/emotion-voc/xml#big6"): BIG6,
        ("dimension", "http://www.w3.org/TR/emotion-voc/xml#fsre-dimensions"): FSRE_DIMENSIONS,
    }
    for emotion in root.iter(f"{EML}emotion"):
        for kind in ("category", "dimension", "appraisal", "action-tendency"):
            names = [x.get("name") for x in emotion.iter(f"{EML}{kind}")]
            assert len(set(names)) == len(names)
            if names:
                vocabulary = emotion.get(f"{kind}-set") or root.get(f"{kind}-set")
                assert set(names) <= known[kind, vocabulary]


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


def document(body, head='version="1.0"'):
    return f'<emotionml xmlns="http://www.w3.org/2009/10/emotionml" {head}>{body}</emotionml>'


def emotion(body, head=""):
    return document(f"<emotion {head}>{body}</emotion>")


GOOD = '<category name="anger"/>'


@pytest.mark.parametrize(
    "right",
    [
        document(""),
        emotion(GOOD),
        emotion('<category name="anger" value="0.5" confidence="1"/>'),
        emotion('<category name="anger"><trace freq="10Hz" samples="0 0.5 1"/></category>'),
        emotion('<dimension name="arousal" value="0.3"/><dimension name="valence" value="1"/>'),
        emotion('<appraisal name="novelty"/><action-tendency name="approach" value="0.1"/>'),
        emotion(f'<reference uri="a.wav#t=1,2"/>{GOOD}<reference uri="b" role="triggeredBy"/>'),
        emotion(f'words <info id="x">text<o xmlns="urn:other"><p/></o></info>{GOOD}'),
        emotion(GOOD, 'start="1" end="2" duration="1" expressed-through="face voice"'),
        emotion(GOOD, 'time-ref-uri="#a" time-ref-anchor-point="end" offset-to-start="-5"'),
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
        emotion(""),
        emotion('<reference uri="a"/><info/>'),
        emotion("<category/>"),
        emotion('<category name="two words"/>'),
        emotion('<category name="anger" value="1.1"/>'),
        emotion('<category name="anger" confidence="-0.1"/>'),
        emotion('<category name="anger" confidence="nan"/>'),
        emotion('<category name="anger" value="1"><trace freq="1Hz" samples="1"/></category>'),
        emotion('<dimension name="arousal"/>'),
        emotion('<dimension name="arousal" confidence="0.5"/>'),
        emotion('<dimension name="arousal"><trace freq="10" samples="1"/></dimension>'),
        emotion('<dimension name="arousal"><trace freq="10Hz" samples=""/></dimension>'),
        emotion('<dimension name="arousal"><trace freq="10Hz" samples="0 2"/></dimension>'),
        emotion(f"{GOOD}<reference/>"),
        emotion(f'{GOOD}<reference uri="a" role="saidBy"/>'),
        emotion(f"{GOOD}<info/><info/>"),
        emotion(f'{GOOD}<info><category name="anger"/></info>'),
        emotion(f'{GOOD}<o xmlns="urn:other"/>'),
        emotion(GOOD, 'start="-1"'),
        emotion(GOOD, 'start="1.5"'),
        emotion(GOOD, 'time-ref-anchor-point="middle"'),
        emotion(GOOD, 'confidence="1"'),
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


# Names of people


@pytest.mark.parametrize("names", [("Ada", "Bob"), ("<b>&\nX", "日本 --> \x00"), ("Ada", "")])
def test_people_are_named_in_every_export(timeline, names):
    named = between(timeline, *names)
    shown = [" ".join(n.replace("\x00", "").split()) for n in names]
    rows = list(csv.DictReader(io.StringIO(to_csv(named), newline="")))
    assert {(int(r["channel"]), r["participant"]) for r in rows} == set(enumerate(names))
    voices = {html.unescape(voice).strip() for _, _, voice, _ in cues(to_vtt(named))}
    assert voices == {name or f"channel {n}" for n, name in enumerate(shown)}
    tracks = emotions_in(to_emotionml(named)).iter("{http://www.w3.org/ns/ma-ont#}trackName")
    assert {" ".join(t.text.split()) for t in tracks} <= {
        "".join(c for c in name if c.isprintable()).strip() or f"channel {n}"
        for n, name in enumerate(names)
    }
    assert json.loads(to_json(named))["events"][0]["participants"] == list(names)


def test_live_sound_is_no_file_to_be_looked_up(timeline):
    live = from_source(timeline, "rtp OPUS 48000 Hz")
    session = timeline.started.session
    references = list(emotions_in(to_emotionml(live)).iter(f"{EML}reference"))
    assert references
    for reference in references:
        assert reference.get("uri").startswith(f"urn:livemood:session:{session}#t=")


# Names that a file can have


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
@settings(max_examples=50, deadline=None)
@example("a \"quoted\" & <tagged> 'name'.wav")
@example("日本語 – größer.flac")
@example("50% #1 what?.wav")
@example("two\nlines --> ]]>\t.wav")
@example("\x00\x1b[31m\u2028\ufffe.wav")
@example("")
def test_no_name_of_a_source_breaks_an_export(timeline, source):
    named = from_source(timeline, source)
    assert json.loads(to_json(named))["source"] == source
    first = parse_event(to_jsonl(named).split("\n")[0])
    assert isinstance(first, SessionStarted)
    assert first.source == source
    assert to_jsonl(named).count("\n") == len(named.events)
    rows = list(csv.reader(io.StringIO(to_csv(named), newline="")))
    assert len(rows) == 1 + sum(isinstance(e, Emotion) for e in named.events)
    assert len(cues(to_vtt(named))) == sum(isinstance(e, Segment) for e in named.events)
    for reference in emotions_in(to_emotionml(named)).iter(f"{EML}reference"):
        uri, fragment = reference.get("uri").split("#")
        assert unquote(uri, errors="strict") == source
        assert fragment.startswith("t=")
        assert re.fullmatch(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*", uri)
