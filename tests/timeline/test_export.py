"""Exports of a real timeline, each read back by what else reads such files."""

import csv
import html
import io
import json
import re
from urllib.parse import unquote

import pytest
from exported import EML, between, cues, emotions_in, from_source, with_segments
from hypothesis import example, given, settings
from hypothesis import strategies as st

from livemood.timeline import Timeline, parse_event
from livemood.timeline.events import Emotion, Segment, SessionEnded, SessionStarted
from livemood.timeline.export import (
    EXPORTS,
    export,
    to_csv,
    to_emotionml,
    to_json,
    to_jsonl,
    to_vtt,
)


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


def test_json_has_one_event_a_line_as_it_went_over_the_wire(timeline):
    lines = [line.rstrip(",") for line in to_json(timeline).split("\n")]
    assert {event.model_dump_json() for event in timeline.events} <= set(lines)


@pytest.mark.parametrize("form", EXPORTS)
def test_an_export_of_stored_lines_is_that_of_their_timeline(timeline, form):
    lines = to_jsonl(timeline).splitlines(keepends=True)
    assert "".join(export(form, lines)) == EXPORTS[form](timeline)


def test_the_json_text_says_what_the_json_object_says(timeline):
    for events in (timeline.events, timeline.events[:-1], timeline.events[:40], []):
        part = Timeline(events)
        assert json.loads(to_json(part)) == part.to_json()


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


@pytest.mark.parametrize("name", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(1)", "\t=1"])
def test_no_name_is_a_formula_in_a_spreadsheet(timeline, name):
    rows = list(csv.DictReader(io.StringIO(to_csv(between(timeline, name, "Bob")), newline="")))
    assert {r["participant"] for r in rows} == {f"'{name}", "Bob"}


@pytest.mark.parametrize(
    "source",
    [
        *("rtp OPUS 48000 Hz", "rtp 127.0.0.1:5004", "rtp ::1:5004", "stream s16le 16000 Hz"),
        *("whip", "twilio", "stdin", "loopback", "RawSound", "C-Media USB2.0 Mic + loopback"),
        *("Intel PCH: ALC257 Analog (hw:0,0)", "Webcam 2.0", "recording without an ending", ""),
    ],
)
def test_live_sound_is_no_file_to_be_looked_up(timeline, source):
    live = from_source(timeline, source)
    session = timeline.started.session
    references = list(emotions_in(to_emotionml(live)).iter(f"{EML}reference"))
    assert references
    for reference in references:
        assert reference.get("uri").startswith(f"urn:livemood:session:{session}#t=")


@pytest.mark.parametrize("name", ["call.wav", "a b.MP3", "2.0.m4a", "日本語.3gp", "x.y/z.opus"])
def test_a_file_is_referred_to_by_its_name(timeline, name):
    emotions = emotions_in(to_emotionml(from_source(timeline, name)))
    uris = {r.get("uri").split("#")[0] for r in emotions.iter(f"{EML}reference")}
    assert {*map(unquote, uris)} == {name}


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
        if uri != f"urn:livemood:session:{timeline.started.session}":
            assert unquote(uri, errors="strict") == source
        assert fragment.startswith("t=")
        assert re.fullmatch(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*", uri)
