"""One session: blocks of sound in, events out."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from livemood.audio import AudioBlock
from livemood.engine.batching import run_alone
from livemood.engine.channel import Channel, Inference
from livemood.engine.extensions import AnyModel, Recogniser, reader_of
from livemood.engine.inference import WindowReader
from livemood.engine.session_alerts import SessionAlerts
from livemood.engine.settings import MonitorSettings
from livemood.engine.words import Stretch, WordFuser, WordsThread
from livemood.errors import LivemoodError, UsageError
from livemood.model import Baseline
from livemood.speech import DetectorFactory, open_detector, vad_name
from livemood.timeline.events import (
    AnyEvent,
    ErrorEvent,
    Event,
    Marker,
    SessionEnded,
    SessionSettings,
    SessionStarted,
    utc_now,
)

Sink = Callable[[AnyEvent], None]
"""Handed every event, in order, by the thread that reads; it must not block."""


WORDS_END_S = 10.0
"""How long words that wait may take at the end of a session that nobody else waits for."""


@dataclass(frozen=True, slots=True)
class About:
    """What the owner of a session said about it."""

    purpose: str | None = None
    """What the session is for."""
    consent: str | None = None
    """Reference to the consent of those who speak."""
    participants: tuple[str, ...] = ()
    """Who speaks on each channel, by name; none or one for each."""

    def __post_init__(self) -> None:
        check_text(self.purpose or "", self.consent or "", *self.participants)


def check_text(*given: str) -> None:
    """Raise `UsageError` for what is no text, as the bytes of another encoding in a command line.

    Nothing could write it down.
    """
    for text in given:
        try:
            text.encode()
        except UnicodeError:
            raise UsageError(f"{text!a:.80} is not UTF-8 text: write it in UTF-8") from None


def check_baselines(
    baselines: Sequence[Baseline | None], channels: int, *, wanted: bool = True
) -> None:
    """Raise `UsageError` if `baselines` cannot be those of so many channels."""
    given = [id(baseline) for baseline in baselines if baseline is not None]
    if len(baselines) > channels:
        raise UsageError(f"{len(baselines)} baselines were given for {channels} channels")
    if len(set(given)) != len(given):
        raise UsageError("a baseline belongs to one voice: give it to one channel only")
    if given and not wanted:
        raise UsageError("baselines were given, but the settings say to use none")


def describe(error: Exception) -> str:
    """An error in one line: livemood's own say all themselves."""
    return str(error) if isinstance(error, LivemoodError) else f"{type(error).__name__}: {error}"


class SessionCore:
    """Listens to the channels of one source and tells the sinks what it hears.

    It owns no thread: one thread may call `push`, another `process` and `finish`; or one calls
    both in turn. With `live` the latency budget holds and windows may be superseded; without it
    every window is read, however long that takes.
    """

    def __init__(
        self,
        model: AnyModel | WindowReader,
        settings: MonitorSettings,
        *,
        source: str,
        sample_rate: int,
        channels: int,
        live: bool,
        sinks: Sequence[Sink],
        about: About | None = None,
        session: str | None = None,
        vad: DetectorFactory | None = None,
        baselines: Sequence[Baseline | None] = (),
        words: WordsThread | None = None,
    ) -> None:
        """`vad` makes the detector of each channel; without it `settings.vad` names one.

        `baselines` are those of the voices on the first channels; they grow by what is heard.
        `words` reads what is said; without it the session takes no words and no observations.
        """
        check_baselines(baselines, channels, wanted=settings.baseline)
        reader = reader_of(model)
        settings = settings.for_model(reader)
        self.session = session or secrets.token_hex(8)
        """Identifies the session; not a secret, but kept out of logs and metric labels."""
        self._sinks = tuple(sinks)
        self._model = reader
        self._seq = 0
        self._ended = self._closed = self._pausing = False
        self._raised: Exception | None = None
        ignored = settings.ignored(about.participants if about else (), channels)
        self._channels = [
            Channel(
                n,
                sample_rate,
                reader,
                open_detector(vad or settings.vad),
                settings,
                live=live,
                emit=self._emit,
                baseline=baselines[n] if n < len(baselines) else None,
                ignored=n in ignored,
            )
            for n in range(channels)
        ]
        self._push_to = [channel.take for channel in self._channels]
        labels, purpose = reader.info.labels, about.purpose if about else None
        self._alerts = SessionAlerts(settings.alerts, labels, purpose, channels, self._number)
        self._recogniser: Recogniser | None = None
        self.words: WordFuser | None = None
        """What takes words and observations; none if the session takes none."""
        if settings.keep_words and not (about and about.consent):
            raise UsageError("keeping words needs a consent reference: say where it is kept")
        if words is not None:
            self.words = WordFuser(
                words,
                reader.labels,
                reader.priors,
                channels=channels,
                ignored=ignored,
                enter=settings.smoother.enter,
                keep=settings.keep_words,
                affect=reader.affect,
                recogniser=(recogniser := words.fusion.recogniser(sample_rate, channels)),
                at_once=not live,
            )
            self._recogniser = recogniser
        self._emit(
            SessionStarted,
            {
                "source": source,
                "channels": channels,
                "purpose": about.purpose if about else None,
                "consent": about.consent if about else None,
                "participants": about.participants if about else (),
                "not_read": tuple(sorted(ignored)),
                "model": reader.info,
                "settings": _wire_settings(settings, live, vad_name(vad or settings.vad)),
            },
        )

    def push(self, block: AudioBlock) -> bool:
        """Take the next block of sound; whether there is something to `process`.

        It holds all channels or is of one of them; without samples it only says, by its start,
        that sound was lost. Never waits for reading. The block's samples must not change
        afterwards. A block longer than the buffer overruns it, as any writer does that laps the
        reader.
        """
        if self._recogniser is not None:
            self._recogniser.push(block)
        if block.channel is not None:
            return self._channels[block.channel].take(block)
        news = False
        for push in self._push_to:
            if push(block):
                news = True
        return news

    def process(self) -> None:
        """Read what has been pushed since, and emit what follows."""
        for inference in self.inferences():
            run_alone(inference, self._model)
        self.watch()

    def watch(self) -> None:
        """After reading: what words said, and alerts that follow from time alone, as silence."""
        if self.words is not None:
            self.words.settle(self._emit)
        self._alerts.advance(self.now_ms)

    def push_transcript(self, text: str, stretch: Stretch) -> None:
        """Take what was said; any thread may call it where sound is live. Never waits then.

        Raises `UsageError` for what cannot be, or if the session takes no words.
        """
        check_text(text)
        self._takes_words().push_transcript(text, stretch)

    def observe(
        self, source: str, probabilities: Mapping[str, float], confidence: float, stretch: Stretch
    ) -> None:
        """Take what another observer says, in the same way."""
        check_text(source)
        self._takes_words().observe(source, probabilities, confidence, stretch)

    def _takes_words(self) -> WordFuser:
        if self.words is None:
            raise UsageError("the session takes no words: give it a fusion")
        return self.words

    def pause(self) -> None:
        """No sound comes for now: the next reading closes speech that is open, where it is."""
        self._pausing = True

    def inferences(self, patience_s: float = 0.0) -> list[Inference]:
        """Listen to what has been pushed since; what is to be read, for whoever reads many.

        What comes next may wait for `patience_s`, if more can be heard with it then.
        """
        if self._pausing:
            self._pausing = False
            return [c.read(items) for c in self._channels if (items := c.pause())]
        return [c.read(items) for c in self._channels if (items := c.listen(patience_s))]

    @property
    def now_ms(self) -> int:
        """How much sound has been pushed."""
        return self._channels[0].arrived_ms if self._channels else 0

    def mark(self, note: str, at_ms: int | None = None) -> Marker:
        """Note something at `at_ms`, by default where the sound is now; for whoever reads."""
        check_text(note)
        at = self.now_ms if at_ms is None else at_ms
        marker = self._emit(Marker, {"note": note, "start_ms": at, "end_ms": at})
        assert isinstance(marker, Marker)  # noqa: S101 - it was made as one
        return marker

    def finish(
        self,
        reason: Literal["end", "interrupted"] = "end",
        failure: str | None = None,
        code: str = "source_failed",
        words_s: float = WORDS_END_S,
    ) -> None:
        """End the session: read what is left, close what is open, emit the summary. Once.

        It waits up to `words_s` for words that are still being read; an `error` event counts those
        that are given up then.

        With `failure`, why the sound stopped, an `error` event of that code precedes the summary.
        If what is left cannot be read, the session ends with an error all the same; then this
        raises what a detector or a model raised, unless `failure` said so already.
        """
        if self._ended:
            return
        self._ended = True
        self.close()
        raised = self._raised
        if self.words is not None:
            self.words.wait(words_s)
            self.words.give_up()
            self.words.settle(self._emit)
        if raised is not None and failure is None:
            failure = describe(raised)
        else:
            raised = None
        summaries = tuple(channel.summary() for channel in self._channels)
        end_ms = max(summary.duration_ms for summary in summaries)
        if failure is not None:
            fields = {"code": code, "message": failure, "fatal": True}
            self._emit(ErrorEvent, {**fields, "start_ms": end_ms, "end_ms": end_ms})
        self._alerts.close()  # nothing follows the last event
        ended = {"reason": "error" if failure is not None else reason, "summary": summaries}
        self._emit(SessionEnded, {**ended, "end_ms": end_ms})
        if raised is not None:
            raise raised

    def close(self) -> None:
        """No more sound comes: read what is left of every channel. Once; `finish` does it, too."""
        if self._closed:
            return
        self._closed = True
        for channel in self._channels:
            try:
                channel.flush()
                run_alone(channel.read(channel.close()), self._model)
            except Exception as error:  # one channel's fault is no other's, and the end must come
                self._raised = self._raised or error

    def _emit(self, event: type[Event], fields: dict[str, Any]) -> Event:
        made = self._number(event, fields)
        if self.words is not None:
            self.words.note(made)
        self._alerts.push(made)
        return made

    def _number(self, event: type[Event], fields: dict[str, Any]) -> Event:
        self._seq += 1
        made: Any = event(session=self.session, seq=self._seq, time=utc_now(), **fields)
        for sink in self._sinks:
            sink(made)
        return made  # type: ignore[no-any-return]  # an event of that class


def _wire_settings(settings: MonitorSettings, live: bool, vad: str) -> SessionSettings:
    return SessionSettings(
        window_ms=round(1000 * settings.window.length_s),
        hop_ms=round(1000 * settings.window.hop_s),
        budget_ms=round(1000 * settings.budget_s) if live else None,
        vad=vad,
    )
