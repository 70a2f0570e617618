"""The report of a session: sections of one HTML document, to read on a screen or on A4."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from livemood.model.labels import UNCERTAIN
from livemood.report.beside import beside_the_voice
from livemood.report.chart import draw_row, rows, textures
from livemood.report.markup import Child, Element, el, policy, to_html
from livemood.report.parts import chip, comparison, facts, label_of, lead, scrolled, shares, table
from livemood.report.subject import Channel, Subject
from livemood.report.words import Words, clock, languages, percent, signed
from livemood.timeline.events import AnyEvent, Emotion
from livemood.timeline.timeline import Timeline
from livemood.version import __version__

LANGUAGES: Final = languages()
STYLE: Final = Path(__file__).with_name("report.css")
MOST_LONGEST, MOST_GAPS, MOST_TRANSITIONS = 10, 30, 8


def make_report(
    timeline: Timeline,
    language: str = "en",
    *,
    retention_days: float | None = None,
    first: str = "summary",
) -> str:
    """The report of a session as one self-contained HTML file without scripts.

    `language`: one of `LANGUAGES`. `retention_days`: how long the session is kept, where that is
    known. `first`: the section that stands first, of `SECTIONS`. A session that still runs gets a
    report too, which says so. Raises `LivemoodError` if the timeline holds no `session.started`.
    """
    words = Words(language)
    subject = Subject(timeline, words)
    labels = [*subject.labels, UNCERTAIN]
    style = STYLE.read_text("utf-8")
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", http_equiv="Content-Security-Policy", content=policy(style)),
        el("title", f"{subject.title}, {words.date(subject.started.time)}"),
        el("style", style),
    )
    order = sorted(SECTIONS, key=lambda name: name != first)
    main = el(
        "main",
        textures(labels),
        *_head(subject, words, retention_days),
        *(part for name in order for part in SECTIONS[name](subject, words)),
    )
    made = words("report_made", version=__version__)
    footer = el("footer", el("p", words("note")), el("p", made))
    lang = {"zh": "zh-Hans"}.get(language, language)
    return to_html(el("html", head, el("body", main, footer), lang=lang))


def _head(subject: Subject, words: Words, retention_days: float | None) -> list[Child]:
    started = subject.started
    days = f"{retention_days:g}" if retention_days else ""
    stated = {
        "purpose": words.of("purposes", started.purpose) if started.purpose else "",
        "report_consent": started.consent or "",
        "report_retention": words("report_days", n=days) if days else "",
    }
    shown = {words("duration"): clock(subject.duration_ms)}
    shown |= {words(key): value for key, value in stated.items() if value}
    shown[words("model")] = f"{started.model.name} {started.model.version}"
    ended = words.of("ended_why", subject.reason) if subject.finished else "–"
    shown[words("report_ended_how")] = ended
    # What is not known is said, once.
    if unstated := [words(key) for key, value in stated.items() if not value]:
        shown[" · ".join(unstated)] = words("report_unstated")
    incomplete: list[str] = []
    if not subject.finished:
        incomplete.append(words("report_not_ended"))
    if subject.missing:
        incomplete.append(words("report_events_missing", count=subject.missing))
    return [
        el("h1", subject.title),
        el("p", f"{words.date(started.time)} · {started.source}", class_="source"),
        el("p", el("strong", words("note")), words("report_use"), class_="warn"),
        el("p", words("report_incomplete", what="; ".join(incomplete)), class_="warn")
        if incomplete
        else None,
        facts(shown),
    ]


def _summary(subject: Subject, words: Words) -> list[Child]:
    spoken = sum(c.summary.speech_ms for c in subject.channels)
    cards = [_card(c, spoken, words) for c in subject.channels]
    return [el("h2", words("report_summary")), el("div", *cards, class_="cards")]


def _card(channel: Channel, spoken: int, words: Words) -> Element:
    summary = channel.summary
    whole = summary.session
    readings: list[Child] = [el("p", words("report_nothing" if channel.read else "not_read_long"))]
    if whole.dominant:
        share = percent(whole.shares[whole.dominant])
        readings = [
            el(
                "p",
                chip(whole.dominant),
                words.label(whole.dominant),
                el("small", f"{share} {words('report_of_speech')}"),
                class_="mostly",
            ),
            shares(whole.shares, words),
        ]
    share = f" ({percent(summary.speech_ms / spoken)})" if spoken else ""
    shown = {
        words("report_speech"): clock(summary.speech_ms) + share,
        words("report_mean_valence"): signed(whole.valence),
        words("report_mean_arousal"): signed(whole.arousal),
    }
    if voice := _voice(channel.events, words):
        shown[words("report_voice")] = voice
    return el("section", el("h3", channel.who), *readings, facts(shown), class_="card")


def _voice(events: Sequence[AnyEvent], words: Words) -> str:
    """In which share of readings a voice was clearly unlike its usual, the largest share first."""
    related = [event.voice for event in events if isinstance(event, Emotion) and event.voice]
    counts = Counter(word for voice in related for word in voice.words)
    return ", ".join(
        words(
            "report_voice_share",
            word=words.of("voice_words", word),
            share=percent(count / len(related)),
        )
        for word, count in counts.most_common()
    )


def _timeline(subject: Subject, words: Words) -> list[Child]:
    items = [el("li", label_of(label, words)) for label in (*subject.labels, UNCERTAIN)]
    legend = el("ul", *items, class_="legend")
    parts: list[Child] = [el("h2", words("timeline")), lead(words("report_print")), legend]
    for channel in subject.channels:
        parts.append(el("h3", channel.who))
        for span in rows(subject.duration_ms):
            parts.append(draw_row(channel.events, subject.markers, subject.labels, span, words))
    return parts


def _transitions(subject: Subject, words: Words) -> list[Child]:
    heads = [words(key) for key in ("from", "to", "report_times")]
    cards: list[Child] = []
    for channel in subject.channels:
        lines: list[list[Child]] = [
            [label_of(t.from_, words), label_of(t.to, words), str(t.count)]
            for t in channel.summary.session.transitions[:MOST_TRANSITIONS]
        ]
        none = el("p", words("report_no_transitions"))
        body = table(heads, lines, numbers={2}) if lines else none
        cards.append(el("section", el("h3", channel.who), body, class_="card"))
    return [
        el("h2", words("report_transitions")),
        lead(words("report_transitions_text")),
        el("div", *cards, class_="cards"),
    ]


def _longest(subject: Subject, words: Words) -> list[Child]:
    found = [(s, c) for c in subject.channels for s in c.segments]
    found.sort(key=lambda pair: pair[0].start_ms - pair[0].end_ms)
    lines: list[list[Child]] = [
        [
            c.who,
            label_of(s.label, words),
            clock(s.start_ms),
            f"{(s.end_ms - s.start_ms) / 1000:.1f} s",
            percent(s.confidence),
            signed(s.valence),
            signed(s.arousal),
        ]
        for s, c in found[:MOST_LONGEST]
    ]
    heading = words("report_longest")
    keys = ("who", "label", "from", "report_length", "confidence", "valence", "arousal")
    body = (
        scrolled(table([words(k) for k in keys], lines, numbers={2, 3, 4, 5, 6}), heading)
        if lines
        else el("p", words("report_nothing"))
    )
    return [el("h2", heading), body]


def _markers(subject: Subject, words: Words) -> list[Child]:
    lines: list[list[Child]] = [[clock(m.start_ms), m.note] for m in subject.markers]
    body = (
        table([words("from"), words("marker_note")], lines)
        if lines
        else el("p", words("report_no_markers"))
    )
    return [el("h2", words("markers")), body]


def _quality(subject: Subject, words: Words) -> list[Child]:
    of_channels = [_quality_of(c, subject, words) for c in subject.channels]
    measures = {words(key): [each[key] for each in of_channels] for key in of_channels[0]}
    gaps = [(g, c) for c in subject.channels for g in c.gaps]
    gap_lines: list[list[Child]] = [
        [c.who, clock(g.start_ms), f"{(g.end_ms - g.start_ms) / 1000:.2f} s", cause]
        for g, c in gaps[:MOST_GAPS]
        for cause in [words.of("gap_causes", g.cause)]
    ]
    more = len(gaps) - MOST_GAPS
    if more > 0:
        gap_lines.append(["…", f"+{more}", "", ""])
    gap_heads = [words(k) for k in ("who", "from", "report_length", "report_lost")]
    return [
        el("h2", words("report_quality")),
        comparison([c.who for c in subject.channels], measures),
        el("h3", words("report_gaps")) if gaps else None,
        table(gap_heads, gap_lines, numbers={1, 2}) if gaps else None,
        el("h3", words("report_errors")) if subject.errors else None,
        *(el("p", error.message) for error in subject.errors),
    ]


def _quality_of(channel: Channel, subject: Subject, words: Words) -> dict[str, str]:
    summary = channel.summary
    latency = channel.latency_ms() if subject.started.settings.budget_ms else None
    shown = {
        "report_gaps": str(len(channel.gaps)),
        "report_lost": f"{summary.gap_ms / 1000:.2f} s",
        "report_level": _level_of(channel, words),
        "report_windows": str(summary.windows),
        "report_superseded": str(summary.superseded),
        "report_uncertain": percent(summary.session.shares.get(UNCERTAIN, 0.0)),
    }
    if subject.started.settings.budget_ms:
        ms = f"{latency[0]:.0f}, {latency[1]:.0f}" if latency else ""
        shown["report_latency"] = words("latency_ms", ms=ms) if ms else "–"
    return shown


def _level_of(channel: Channel, words: Words) -> str:
    lasted = channel.summary.level_ms.items()
    parts = (f"{words.of('level_problems', kind)}: {ms / 1000:.1f} s" for kind, ms in lasted)
    return "; ".join(parts) or words("report_level_good")


def _limits(subject: Subject, words: Words) -> list[Child]:
    model, settings = subject.started.model, subject.started.settings
    rated = "report_derived" if model.valence_arousal == "derived" else "report_rated"
    text = words(
        "report_limits_text",
        labels=len(model.labels),
        window=f"{settings.window_ms / 1000:g}",
        derived=words(rated),
    )
    shown = {
        words("model"): f"{model.name} {model.version}, {model.precision}",
        "VAD": settings.vad,
    }
    if settings.budget_ms:
        shown[words("report_budget")] = f"{settings.budget_ms} ms"
    parts = (el("p", text), el("p", words("report_use")), facts(shown))
    return [el("h2", words("report_limits")), el("div", *parts, class_="whole")]


SECTIONS: Final[dict[str, Callable[[Subject, Words], list[Child]]]] = {
    "summary": _summary,
    "timeline": _timeline,
    "words": beside_the_voice,
    "transitions": _transitions,
    "longest": _longest,
    "markers": _markers,
    "quality": _quality,
    "limits": _limits,
}
"""The sections of a report, in their usual order."""
