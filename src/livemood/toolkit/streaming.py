"""What users see: conversations through the live path, judged moment by moment."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from livemood.audio import AudioBlock
from livemood.engine import MonitorSettings, SessionCore
from livemood.model import Model
from livemood.model.labels import UNCERTAIN
from livemood.speech import open_detector
from livemood.speech.vad import SAMPLE_RATE
from livemood.timeline.events import AnyEvent, Emotion, SpeechStarted
from livemood.timeline.smoother import Smoother, SmootherSettings
from livemood.toolkit.conversations import TICK_MS, Conversation, with_reference

BLOCK: Final = SAMPLE_RATE // 50
GRID: Final = {
    "dwell_s": (2.0, 4.0, 8.0, 16.0),
    "evidence_s": (0.35, 0.5, 0.7, 1.0, 2.0),
    "margin": (0.0, 0.1),
}
"""Settings of the smoother that `choose` tries.

Not those from which a label is taken or given up: the error counts `uncertain` as it does a wrong
label, so what makes it least would never be uncertain.
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A label on the timeline, from `start_ms` to `end_ms`; it is known since `known_ms`."""

    start_ms: int
    end_ms: int
    label: str
    known_ms: int


@dataclass(frozen=True, slots=True)
class StreamedConversation:
    """A conversation and the events that the live path gave for it."""

    conversation: Conversation
    events: tuple[AnyEvent, ...]


def stream(
    model: Model, conversation: Conversation, settings: MonitorSettings
) -> StreamedConversation:
    """Run a conversation through the live path in blocks of 20 ms."""
    events: list[AnyEvent] = []
    monitor = SessionCore(
        model,
        settings,
        source="conversation",
        sample_rate=SAMPLE_RATE,
        channels=1,
        live=False,
        sinks=[events.append],
    )
    sound = conversation.sound
    for start in range(0, len(sound), BLOCK):
        samples = sound[start : start + BLOCK, np.newaxis]
        if monitor.push(AudioBlock(start, samples, start / SAMPLE_RATE)):
            monitor.process()
    monitor.finish()
    return StreamedConversation(conversation, tuple(events))


def shown(
    streamed: StreamedConversation, model: Model, smoothing: SmootherSettings | None
) -> list[Shown]:
    """The timeline under `smoothing`, or with each window's likeliest label for None.

    Every reading labels the speech from the end of the one before it, as segments do. Readings do
    not depend on the smoother, so the conversation is not run again.
    """
    smoother = smoothing and Smoother(model.labels, model.manifest.priors, smoothing)
    out: list[Shown] = []
    read_until = last = 0
    for event in streamed.events:
        if isinstance(event, SpeechStarted):
            read_until = event.start_ms
        elif isinstance(event, Emotion):
            raw = [event.raw_probabilities[label] for label in model.labels]
            since = (event.end_ms - last) / 1000
            new = (event.end_ms - max(read_until, event.start_ms)) / 1000
            if event.unread or not model.is_speech(event.not_speech):
                label = smoother.abstain(since).label if smoother else UNCERTAIN
            elif smoother:
                label = smoother.update(raw, since, new).label
            else:
                label = model.labels[int(np.argmax(raw))]
            out.append(Shown(read_until, event.end_ms, label, event.end_ms))
            read_until = last = event.end_ms
    return out


@dataclass(slots=True)
class Counts:
    """Sums over conversations, in ms where not said otherwise."""

    speech: int = 0
    """Speech that is judged."""
    missed: int = 0
    """Speech without a label: nothing, or `uncertain`."""
    confused: int = 0
    false_alarm: int = 0
    """Pauses with a label."""
    flips: int = 0
    """How often the label shown changed."""
    changes: int = 0
    """How often the true label did."""

    def add(self, other: "Counts") -> None:
        """Add what another conversation gave."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


def judge(timeline: Sequence[Shown], conversation: Conversation) -> tuple[Counts, list[int]]:
    """Counts of one conversation, and for each change that was seen, after how many ms.

    The emotion diarization error (Wang et al. 2023) counts, over ticks of 10 ms, speech with
    another label, speech without one, and pauses with one. A change of the true label is seen when
    the timeline first shows the new label after the new speech began and while it lasts. Where a
    reference hears no speech in a clip, nothing is judged.
    """
    spoken = conversation.spoken
    end = max([s.end_ms for s in spoken] + [s.end_ms for s in timeline])
    truth, said = (np.zeros(end // TICK_MS + 1, np.intp) for _ in "ab")
    labels = {s.label for s in spoken} | {s.label for s in timeline}
    names = {label: n for n, label in enumerate(sorted(labels), 1)}
    for one in spoken:
        truth[one.start_ms // TICK_MS : one.end_ms // TICK_MS] = names[one.label]
    for part in timeline:
        if part.label != UNCERTAIN:
            said[part.start_ms // TICK_MS : part.end_ms // TICK_MS] = names[part.label]
    speech, pause = truth > 0, truth == 0
    if conversation.voiced is not None:
        voiced = conversation.voiced[: len(speech)]
        speech &= np.pad(voiced, (0, len(speech) - len(voiced)))
    counts = Counts(
        speech=int(speech.sum()) * TICK_MS,
        missed=int((speech & (said == 0)).sum()) * TICK_MS,
        confused=int((speech & (said > 0) & (said != truth)).sum()) * TICK_MS,
        false_alarm=int((pause & (said > 0)).sum()) * TICK_MS,
        flips=sum(a.label != b.label for a, b in itertools.pairwise(timeline)),
    )
    delays = []
    turns = [list(turn) for _, turn in itertools.groupby(spoken, lambda s: s.label)]
    for turn, after in itertools.zip_longest(turns[1:], turns[2:]):
        counts.changes += 1
        over = after[0].start_ms if after else end
        seen = (
            s.known_ms
            for s in timeline
            if s.label == turn[0].label and turn[0].start_ms < s.known_ms <= over
        )
        if (first := next(seen, None)) is not None:
            delays.append(first - turn[0].start_ms)
    return counts, delays


def figures_of(
    streamed: Iterable[StreamedConversation], model: Model, smoothing: SmootherSettings | None
) -> dict[str, float | None]:
    """Error and its parts in percent of speech, changes seen, median delay, flips a minute."""
    return _figures([(one, smoothing) for one in streamed], model)


def _figures(
    streamed: Iterable[tuple[StreamedConversation, SmootherSettings | None]], model: Model
) -> dict[str, float | None]:
    total, delays = Counts(), list[int]()
    for one, smoothing in streamed:
        counts, seen = judge(shown(one, model, smoothing), one.conversation)
        total.add(counts)
        delays += seen
    speech = max(1, total.speech)
    wrong = total.missed + total.confused + total.false_alarm
    return {
        "diarization_error": round(100 * wrong / speech, 2),
        "missed": round(100 * total.missed / speech, 2),
        "confused": round(100 * total.confused / speech, 2),
        "false_alarm": round(100 * total.false_alarm / speech, 2),
        "changes_seen": round(100 * len(delays) / max(1, total.changes), 1),
        "median_delay_s": round(float(np.median(delays)) / 1000, 2) if delays else None,
        "flips_a_minute": round(60_000 * total.flips / speech, 2),
        "speech_minutes": round(total.speech / 60_000, 1),
    }


def choose(streamed: Sequence[StreamedConversation], model: Model) -> SmootherSettings:
    """The settings of `GRID` with the least diarization error on these conversations."""

    def error(settings: SmootherSettings) -> tuple[float, float]:
        found = figures_of(streamed, model, settings)
        return float(found["diarization_error"] or 0), float(found["flips_a_minute"] or 0)

    return min(_grid(), key=error)


def _grid() -> Iterable[SmootherSettings]:
    for values in itertools.product(*GRID.values()):
        yield SmootherSettings.model_validate(dict(zip(GRID, values, strict=True)))


def streaming_figures(
    model: Model,
    talks: Sequence[Conversation],
    fixed: SmootherSettings | None = None,
    vad: str = "webrtc",
    reference: str | None = None,
) -> dict[str, Any]:
    """Figures with smoothing off, as shipped, and as chosen or as `fixed`.

    `reference` names a detector: only what it takes for speech is judged.

    Where it is chosen, speakers are parted in two halves: what is chosen on the conversations of
    one is measured on those of the other, both ways, so no speaker is measured with what was
    chosen on them. `chosen` holds both choices, and a third made on all of them.
    """
    if reference:
        talks = [with_reference(talk, open_detector(reference)) for talk in talks]
    streamed = [stream(model, talk, MonitorSettings(vad=vad)) for talk in talks]
    test: dict[str, Any] = {
        "off": figures_of(streamed, model, None),
        "default": figures_of(streamed, model, SmootherSettings()),
    }
    chosen: list[dict[str, Any]] = []
    if fixed:
        test["given"] = figures_of(streamed, model, fixed)
    elif len(speakers := sorted({talk.speaker for talk in talks})) > 1:
        even = {speaker: n % 2 == 0 for n, speaker in enumerate(speakers)}
        found = {
            half: choose([h for h in streamed if even[h.conversation.speaker] is not half], model)
            for half in (True, False)
        }
        pairs = [(h, found[even[h.conversation.speaker]]) for h in streamed]
        test["chosen on others"] = _figures(pairs, model)
        everybody = choose(streamed, model)
        chosen = [settings.model_dump() for settings in (*found.values(), everybody)]
    return {
        "what": f"{len(talks)} conversations of {len({t.speaker for t in talks})} speakers, {vad}"
        + (f", where {reference} hears speech" if reference else ""),
        "chosen": chosen,
        "test": test,
        "labels": list(model.labels),
    }
