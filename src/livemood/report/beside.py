"""The section on what was read beside the voice: of words, by observers, and of all together."""

from typing import Final

from livemood.report.markup import Child, el
from livemood.report.parts import label_of, lead, scrolled, table
from livemood.report.subject import Subject
from livemood.report.words import Words, clock, percent, signed
from livemood.timeline.events import AnyEvent, Fused, Observation
from livemood.timeline.events import Words as WordsEvent

MOST: Final = 60
"""Readings that are shown, the first ones; of what comes after, how many there are."""


def beside_the_voice(subject: Subject, words: Words) -> list[Child]:
    """A table of them, in the order of time; nothing where there are none."""
    found = [
        (event, channel.who)
        for channel in subject.channels
        for event in channel.events
        if isinstance(event, WordsEvent | Observation | Fused)
    ]
    if not found:
        return []
    found.sort(key=lambda pair: (pair[0].start_ms, pair[0].seq or 0))
    lines: list[list[Child]] = [_line(event, who, words) for event, who in found[:MOST]]
    keys = ("who", "from", "to", "report_by", "label", "confidence", "valence", "arousal")
    heading = words("report_beside")
    shown = table([words(key) for key in keys], lines, numbers={1, 2, 5, 6, 7})
    more = len(found) - MOST
    return [
        el("h2", heading),
        lead(words("report_beside_text")),
        scrolled(shown, heading),
        el("p", words("report_more_rows", count=more)) if more > 0 else None,
    ]


def _line(event: AnyEvent, who: str, words: Words) -> list[Child]:
    assert isinstance(event, WordsEvent | Observation | Fused)  # noqa: S101 - as was looked for
    affect: tuple[float | None, float | None] = (None, None)
    if isinstance(event, Fused):
        sources, affect = event.sources, (event.valence, event.arousal)
    else:
        sources = ("words",) if isinstance(event, WordsEvent) else (event.source,)
    by = " + ".join(words.of("source_names", source) for source in sources)
    text = event.text if isinstance(event, WordsEvent) else None
    said: Child = by if text is None else f"{by} ({text})"
    return [
        who,
        clock(event.start_ms),
        clock(event.end_ms),
        said,
        label_of(event.label, words),
        percent(event.confidence),
        *(signed(value) for value in affect),
    ]
