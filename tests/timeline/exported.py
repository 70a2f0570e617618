"""What exports say, parsed; and timelines to export."""

import re
from pathlib import Path

from lxml import etree

from livemood.timeline import Timeline
from livemood.timeline.events import Segment, SessionStarted

EML = "{http://www.w3.org/2009/10/emotionml}"


SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).with_name("emotionml.rng")))


BIG6 = {"happiness", "sadness", "anger", "fear", "disgust", "surprise"}


FSRE_DIMENSIONS = {"valence", "potency", "arousal", "unpredictability"}


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


def document(body, head='version="1.0"'):
    return f'<emotionml xmlns="http://www.w3.org/2009/10/emotionml" {head}>{body}</emotionml>'


def an_emotion(body, head=""):
    return document(f"<emotion {head}>{body}</emotion>")
