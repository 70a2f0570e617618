"""Reports: what is in them, and that nothing of what anybody wrote can become markup."""

import itertools
import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemood.errors import LivemoodError
from livemood.report import LANGUAGES, make_report
from livemood.report.chart import rows
from livemood.report.words import Words
from livemood.timeline import Timeline
from livemood.timeline.events import Fused, Gap, Marker, Observation
from livemood.timeline.events import Words as WordsEvent
from livemood.timeline.export import to_json, to_jsonl
from livemood.timeline.parse import read_timeline
from livemood.timeline.voice import Voice


@pytest.fixture(scope="module")
def timeline(demo_timeline):
    return demo_timeline


def changed(timeline, extra=(), cut=None, **start):
    """The timeline with other words about it, a few more events, or without its end."""
    events = timeline.events[:cut]
    events[0] = events[0].model_copy(update=start)
    last = events[-1].seq
    base = {"session": events[0].session, "time": events[0].time}
    more = [kind(**base, seq=last + n, **fields) for n, (kind, fields) in enumerate(extra, 1)]
    return Timeline([*events, *more])


@pytest.mark.slow
def test_what_nobody_stated_of_a_file_is_said_once_and_what_it_has_not_is_left_out(timeline):
    text = Document(make_report(timeline)).text
    assert text.count("not stated") == 1
    assert "Purpose · Consent · Kept for not stated" in text
    assert "Latency" not in text
    partly = changed(timeline, purpose="research", consent="form 12")
    text = Document(make_report(partly)).text
    assert "Kept for not stated" in text
    assert "Consent form 12" in text


class Document(HTMLParser):
    """The tags, attributes and text of a document."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.texts = [], [], []
        self.feed(html)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


def test_it_says_what_was_heard(timeline):
    marked = changed(
        timeline,
        [
            (Marker, {"start_ms": 9000, "end_ms": 9000, "note": "asks for a refund"}),
            (
                Gap,
                {
                    "channel": 0,
                    "start_ms": 5000,
                    "end_ms": 6500,
                    "cause": "packet_loss",
                    "samples": 24000,
                },
            ),
        ],
        participants=("Ada", "Brook"),
        purpose="demonstration",
        consent="form 12",
    )
    page = Document(make_report(marked, retention_days=30))
    for words in (
        "Ada",
        "Brook",
        "demonstration",
        "form 12",
        "30 days",
        "asks for a refund",
        "lost on the way",
        "not what a person feels",
        "Do not decide about people",
        "default 0.",
        "Speech",
        "Longest segments",
    ):
        assert words in page.text, words
    summary = timeline.ended.summary[0].session
    assert f"{100 * summary.shares[summary.dominant]:.0f} % of the speech" in page.text
    for transition in summary.transitions:
        assert f"{transition.from_} " in page.text
    assert page.tags.count("h2") == 7


def test_it_stands_alone(timeline):
    for language in LANGUAGES:
        page = Document(make_report(timeline, language))
        assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
        outside = [v for k, v in page.attributes if k in ("src", "href", "xlink:href")]
        assert outside == []
        assert "http" not in re.sub(r"http-equiv", "", page.text)


def test_it_is_called_after_those_who_speak_and_dated(timeline):
    named = changed(timeline, participants=("Ada", "Brook"), time="2026-03-05T00:30:00.5+02:00")
    html = make_report(named)
    assert "<h1>How it sounded: Ada, Brook</h1>" in html
    assert "<title>How it sounded: Ada, Brook, 4 March 2026, 22:30\xa0UTC</title>" in html
    assert "4 March 2026, 22:30\xa0UTC · demo.opus" in html
    assert "2026年3月4日 22:30\xa0UTC" in make_report(named, "zh")
    unnamed = make_report(timeline)
    assert "<h1>How it sounded: demo.opus</h1>" in unnamed
    assert "Channel 1" in unnamed
    assert "Channel 0" not in unnamed


def test_its_policy_allows_its_own_style_alone(timeline):
    html = make_report(timeline)
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    assert ("http-equiv", "Content-Security-Policy") in Document(html).attributes
    assert ("content", policy) in Document(html).attributes


def test_a_long_consent_has_a_line_of_its_own(timeline):
    consent = "I agree that my voice is read, for this purpose."
    assert re.search(
        rf'class="long"><dt>Consent</dt><dd>{consent}',
        make_report(changed(timeline, consent=consent)),
    )


HOSTILE = '"><script>x()</script><img src=x onerror=x()><svg onload=x()>&lt;b\x00\x1b'


def test_hostile_words_are_text(timeline):
    note = {"start_ms": 1000, "end_ms": 1000, "note": HOSTILE}
    gap = {"channel": 0, "start_ms": 5000, "end_ms": 9000, "cause": HOSTILE, "samples": 1}
    names = {"participants": (HOSTILE, HOSTILE), "source": HOSTILE}
    hostile = changed(timeline, [(Marker, note), (Gap, gap)], **names, purpose=HOSTILE)
    html = make_report(hostile)
    page = Document(html)
    assert not {"script", "img", "b"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script>x()</script>" in page.text
    assert "\x00" not in html
    assert "\x1b" not in html


@given(st.text(max_size=40))
def test_any_note_is_text(note):
    from livemood.report.markup import el, to_html

    page = Document(to_html(el("p", el("b", note, title=note), note, class_=note)))
    assert page.tags == ["p", "b"]
    assert [name for name, _ in page.attributes] == ["class", "title"]


def test_of_a_session_that_goes_on(timeline):
    page = Document(make_report(changed(timeline, cut=120)))
    assert "had not ended" in page.text


def test_it_says_how_much_is_missing(timeline):
    events = [timeline.events[0], *timeline.events[50:]]
    page = Document(make_report(Timeline(events)))
    assert "49 events are no longer kept" in page.text


def test_without_a_beginning_there_is_no_report(timeline):
    with pytest.raises(LivemoodError, match="beginning"):
        make_report(Timeline(timeline.events[1:]))


def test_without_speech(timeline):
    silent = changed(timeline, cut=1)
    page = Document(make_report(silent))
    assert "No speech that is long enough" in page.text


@given(st.integers(0, 24 * 3_600_000))
def test_rows_cover_the_session_and_are_few(duration):
    found = rows(duration)
    assert found[0][0] == 0
    assert found[-1][1] >= duration
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))
    assert len(found) <= 5


def test_what_is_written_can_be_read_back(timeline):
    for write in (to_json, to_jsonl):
        assert read_timeline(write(timeline)).events == timeline.events


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "beginning"),
        ("no timeline", "no timeline"),
        ("{}", "schema"),
        ('{"type": "nonsense"}', "no timeline"),
        (json.dumps({"schema": "livemood.timeline/1", "channels": []}), "older"),
    ],
)
def test_other_files_are_refused_in_one_line(text, why):
    with pytest.raises(LivemoodError, match=why) as error:
        make_report(read_timeline(text))
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_an_hour_of_two_people_is_small(synthetic):
    """Both speak all the time: more than there can be."""
    html = make_report(Timeline(synthetic(3600, both=True)))
    assert len(html.encode()) < 8_000_000
    assert Document(html).tags.count("polyline") >= 20


def test_what_was_wrong_with_the_level_is_said(timeline):
    ended = timeline.events[-1]
    first = ended.summary[0].model_copy(update={"level_ms": {"clipped": 12_300, "quiet": 4000}})
    ended = ended.model_copy(update={"summary": (first, *ended.summary[1:])})
    text = Document(make_report(Timeline([*timeline.events[:-1], ended]))).text
    assert (
        "Too loud: the sound is clipped: 12.3 s; Too quiet: hardly above the noise: 4.0 s" in text
    )
    assert "clipped" not in Document(make_report(timeline)).text


def test_it_says_how_often_a_voice_was_unlike_its_usual(timeline):
    told = {"usual_s": 30, "words": ("louder", "higher")}, {"usual_s": 31, "words": ("louder",)}
    voices = [Voice(**told[0]), Voice(**told[1]), Voice(usual_s=32), Voice(usual_s=33)]
    events = [
        e.model_copy(update={"voice": voices.pop()})
        if e.type == "emotion" and e.channel == 0 and voices
        else e
        for e in timeline.events
    ]
    text = Document(make_report(Timeline(events))).text
    assert "Voice unlike its usual" in text
    assert "louder 50 %, higher 25 %" in text
    assert "unlike its usual" not in Document(make_report(timeline)).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_words_say_stands_apart_from_the_voice_and_joined_with_it(timeline, language):
    of = {"channel": 0, "start_ms": 1000, "end_ms": 3000, "probabilities": {"happy": 0.8}}
    words = of | {"label": "happy", "confidence": 0.81, "text": "<b>great</b>"}
    seen = of | {"label": "sad", "confidence": 0.6, "source": "camera"}
    joined = of | {"label": "angry", "confidence": 0.93, "valence": -0.5, "arousal": 0.4}
    joined |= {"sources": ("voice", "words", "camera")}
    extra = [(WordsEvent, words), (Observation, seen), (Fused, joined)]
    html = make_report(changed(timeline, extra), language)
    text = Document(html).text
    names = {"en": ("voice", "words", "happy", "angry"), "zh": ("声音", "话语", "高兴", "愤怒")}
    voice, said, happy, angry = names[language]
    assert f"0:01 0:03 {said} (<b>great</b>) H {happy} 81 %" in text
    assert "<b>" not in html
    assert f"{voice} + {said} + camera A {angry} 93 % −0.50 +0.40" in text
    heading = Words(language)("report_beside")
    assert heading in text
    assert heading not in Document(make_report(timeline, language)).text


def test_of_many_sentences_the_report_shows_the_first_and_counts_the_others(timeline):
    of = {"channel": 0, "label": "happy", "confidence": 0.81, "probabilities": {"happy": 0.8}}
    extra = [(WordsEvent, of | {"start_ms": 100 * n, "end_ms": 100 * n + 50}) for n in range(75)]
    assert "15 more" in Document(make_report(changed(timeline, extra))).text
