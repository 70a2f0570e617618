"""One session: blocks of sound in, events out."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from livemood.audio import AudioBlock
from livemood.engine.batching import run_alone
from livemood.engine.channel import Channel, Inference
from livemood.engine.inference import WindowReader
from livemood.engine.settings import MonitorSettings
from livemood.engine.user_model import AnyModel, reader_of
from livemood.errors import UsageError
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


@dataclass(frozen=True, slots=True)
class About:
    """What the owner of a session said about it."""

    purpose: str | None = None
    """What the session is for."""
    consent: str | None = None
    """Reference to the consent of those who speak."""
    participants: tuple[str, ...] = ()
    """Who speaks on each channel, by name; none or one for each."""


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
    ) -> None:
        """`vad` makes the detector of each channel; without it `settings.vad` names one.

        `baselines` are those of the voices on the first channels; they grow by what is heard.
        """
        check_baselines(baselines, channels, wanted=settings.baseline)
        reader = reader_of(model)
        settings = settings.for_model(reader)
        self.session = session or secrets.token_hex(8)
        """Identifies the session; not a secret, but kept out of logs and metric labels."""
        self._sinks = tuple(sinks)
        self._model = reader
        self._seq = 0
        self._ended = self._pausing = False
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
            )
            for n in range(channels)
        ]
        self._push_to = [channel.take for channel in self._channels]
        self._emit(
            SessionStarted,
            {
                "source": source,
                "channels": channels,
                "purpose": about.purpose if about else None,
                "consent": about.consent if about else None,
                "participants": about.participants if about else (),
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

    def pause(self) -> None:
        """No sound comes for now: the next reading closes speech that is open, where it is."""
        self._pausing = True

    def inferences(self) -> list[Inference]:
        """Listen to what has been pushed since; what is to be read, for whoever reads many."""
        if self._pausing:
            self._pausing = False
            return [c.read(items) for c in self._channels if (items := c.pause())]
        return [c.read(items) for c in self._channels if (items := c.listen())]

    @property
    def now_ms(self) -> int:
        """How much sound has been pushed."""
        return self._channels[0].arrived_ms if self._channels else 0

    def mark(self, note: str, at_ms: int | None = None) -> Marker:
        """Note something at `at_ms`, by default where the sound is now; for whoever reads."""
        at = self.now_ms if at_ms is None else at_ms
        marker = self._emit(Marker, {"note": note, "start_ms": at, "end_ms": at})
        assert isinstance(marker, Marker)  # noqa: S101 - it was made as one
        return marker

    def finish(
        self,
        reason: Literal["end", "interrupted"] = "end",
        failure: str | None = None,
        code: str = "source_failed",
    ) -> None:
        """End the session: read what is left, close what is open, emit the summary. Once.

        With `failure`, why the sound stopped, an `error` event of that code precedes the summary.
        """
        if self._ended:
            return
        self._ended = True
        for channel in self._channels:
            channel.flush()
            run_alone(channel.read(channel.close()), self._model)
        summaries = tuple(channel.summary() for channel in self._channels)
        end_ms = max(summary.duration_ms for summary in summaries)
        if failure is not None:
            fields = {"code": code, "message": failure, "fatal": True}
            self._emit(ErrorEvent, {**fields, "start_ms": end_ms, "end_ms": end_ms})
        ended = {"reason": "error" if failure is not None else reason, "summary": summaries}
        self._emit(SessionEnded, {**ended, "end_ms": end_ms})

    def _emit(self, event: type[Event], fields: dict[str, Any]) -> Event:
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
