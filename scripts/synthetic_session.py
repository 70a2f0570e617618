"""A session that never was, event by event: for screenshots, tests and benchmarks of what shows it.

Two people take turns; each turn sounds like something, and goes over into something else now and
then. The same seed gives the same session.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

from livemood.model.labels import CIRCUMPLEX, LABELS, UNCERTAIN
from livemood.timeline.events import (
    AnyEvent,
    Emotion,
    Event,
    Gap,
    Latency,
    Load,
    Marker,
    ModelInfo,
    Segment,
    SessionEnded,
    SessionSettings,
    SessionStarted,
    SpeechEnded,
    SpeechStarted,
)
from livemood.timeline.recover import interrupted_end

HOP_MS = 250
BEGAN = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
LIKELY = (("neutral", 9), ("happy", 4), ("sad", 2), ("angry", 3), ("surprise", 2), ("fear", 1))
NOTES = ("asks for a refund", "on hold", "a new offer", "agrees", "transferred")


class Speaker:
    """One channel: how it sounds at each hop of its turns."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._weights = [1.0] * len(LABELS)
        self._mood = "neutral"
        self.label = UNCERTAIN

    def turn(self) -> None:
        """Begin to speak."""
        names, odds = zip(*LIKELY, strict=True)
        self._mood = self._rng.choices(names, odds)[0]
        self.label = UNCERTAIN

    def hop(self) -> tuple[str, dict[str, float]]:
        """The label and the probabilities of the next window."""
        if self._rng.random() < 0.03:
            self.turn()
        for n, label in enumerate(LABELS):
            aim = 12.0 if label == self._mood else 0.5
            self._weights[n] += 0.12 * (aim - self._weights[n]) + self._rng.gauss(0, 0.25)
            self._weights[n] = max(0.05, self._weights[n])
        total = sum(self._weights)
        shares = {x: round(w / total, 4) for x, w in zip(LABELS, self._weights, strict=True)}
        best = max(shares, key=shares.__getitem__)
        if shares[best] >= 0.45 or shares[best] > shares.get(self.label, 0.35) + 0.1:
            self.label = best
        elif shares.get(self.label, 0.0) < 0.35:
            self.label = UNCERTAIN
        return self.label, shares


class Maker:
    """Numbers events and dates them."""

    def __init__(self, session: str) -> None:
        self.session, self.seq = session, 0

    def __call__(self, kind: type[Event], channel: int | None, start: int, end: int, **more):
        """The next event."""
        self.seq += 1
        time = (BEGAN + timedelta(milliseconds=end)).isoformat(timespec="milliseconds")
        fields = {"session": self.session, "seq": self.seq, "channel": channel}
        return kind(**fields, start_ms=start, end_ms=end, time=time.replace("+00:00", "Z"), **more)


def synthetic(
    seconds: float,
    seed: int = 1,
    *,
    session: str = "synthetic",
    both: bool = False,
    source: str = "line 2",
    participants: tuple[str, ...] = ("Ada", "Brook"),
) -> Iterator[AnyEvent]:
    """The events of a session of two channels; with `both`, both speak all the time."""
    rng = Random(seed)
    make = Maker(session)
    info = ModelInfo(
        name="default",
        version="0.6.0",
        precision="int8",
        provider="cpu",
        labels=LABELS,
        valence_arousal="derived",
    )
    settings = SessionSettings(window_ms=3000, hop_ms=HOP_MS, budget_ms=150, vad="webrtc")
    events = _conversation(seconds, rng, make, both)
    started = make(
        SessionStarted,
        None,
        0,
        0,
        source=source,
        channels=2,
        model=info,
        settings=settings,
        purpose="demonstration",
        consent="a made-up conversation",
        participants=participants,
    )
    kept: list[AnyEvent] = [started]
    yield started
    for event in events:
        if not isinstance(event, Emotion) or seconds <= 3600:
            kept.append(event)
        yield event
    end = interrupted_end(kept)
    yield make(SessionEnded, None, 0, round(1000 * seconds), reason="end", summary=end.summary)


def _conversation(seconds: float, rng: Random, make: Maker, both: bool) -> Iterator[AnyEvent]:
    speakers = [Speaker(rng), Speaker(rng)]
    at, turn, until = 1000, 0, round(1000 * seconds)
    marked = lost = 0
    while at < until:
        length = HOP_MS * rng.randrange(12, 60)
        end = min(at + length, until)
        yield from _speech(speakers, (0, 1) if both else (turn,), at, end, rng, make)
        if at - marked > 45_000:
            marked = at
            yield make(Marker, None, at, at, note=NOTES[(at // 45_000) % len(NOTES)])
        at = end + HOP_MS * rng.randrange(1, 6)
        turn = 1 - turn
        if at - lost > 100_000 and at + 2500 < until:
            lost = at
            yield make(Gap, turn, at, at + 2500, cause="packet_loss", samples=40_000)
            at += 2500


def _speech(
    speakers: list[Speaker],
    who: tuple[int, ...],
    start: int,
    end: int,
    rng: Random,
    make: Maker,
) -> Iterator[AnyEvent]:
    begun: dict[int, tuple[int, str]] = {}
    for channel in who:
        speakers[channel].turn()
        yield make(SpeechStarted, channel, start, start + 200)
    for ms in range(start + 1000, end + 1, HOP_MS):
        for channel in who:
            label, shares = speakers[channel].hop()
            since, before = begun.setdefault(channel, (start, label))
            if label != before:
                yield _segment(make, channel, since, ms - HOP_MS, before)
                begun[channel] = (ms - HOP_MS, label)
            yield _emotion(make, channel, ms, start, label, shares, rng)
    for channel in who:
        if channel in begun:
            yield _segment(make, channel, begun[channel][0], end, begun[channel][1])
        yield make(SpeechEnded, channel, start, end)


def _affect(shares: dict[str, float]) -> tuple[float, float]:
    pairs = [(p * CIRCUMPLEX[x][0], p * CIRCUMPLEX[x][1]) for x, p in shares.items()]
    valence, arousal = (round(sum(values), 4) for values in zip(*pairs, strict=True))
    return valence, arousal


def _emotion(
    make: Maker,
    channel: int,
    ms: int,
    start: int,
    label: str,
    shares: dict[str, float],
    rng: Random,
) -> Emotion:
    valence, arousal = _affect(shares)
    queue, compute = round(rng.uniform(1, 11), 1), round(rng.uniform(2, 4), 1)
    return make(
        Emotion,
        channel,
        max(start, ms - 3000),
        ms,
        label=label,
        confidence=shares.get(label, max(shares.values())),
        probabilities=shares,
        raw_probabilities=shares,
        valence=valence,
        arousal=arousal,
        latency_ms=Latency(total=round(queue + compute, 1), queue=queue, compute=compute),
        behind=False,
    )


def _segment(make: Maker, channel: int, start: int, end: int, label: str) -> Segment:
    valence, arousal = CIRCUMPLEX.get(label, (0.0, 0.0))
    fields = {"label": label, "confidence": 0.7, "valence": valence, "arousal": arousal}
    return make(Segment, channel, start, max(end, start + HOP_MS), **fields)


def behind(events: list[AnyEvent]) -> Load:
    """What follows `events` when the machine cannot keep up any more."""
    last = events[-1]
    return Load(
        session=last.session,
        seq=last.seq + 1,
        channel=0,
        start_ms=last.end_ms,
        end_ms=last.end_ms,
        time=last.time,
        behind=True,
        latency_ms=240.0,
        superseded=3,
        hop_ms=500,
    )
