"""Many sessions on one thread that reads them all."""

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Literal

from livemood.audio import AudioBlock
from livemood.engine.batching import run_together
from livemood.engine.channel import Inference
from livemood.engine.extensions import AnyModel, reader_of
from livemood.engine.inference import WindowReader
from livemood.engine.session import WORDS_END_S, About, SessionCore, Sink
from livemood.engine.settings import MonitorSettings
from livemood.engine.words import Stretch, WordsThread
from livemood.errors import Busy, LivemoodError
from livemood.model import Baseline
from livemood.speech import DetectorFactory
from livemood.timeline.events import Marker, ModelInfo

log = logging.getLogger(__name__)

Reason = Literal["end", "interrupted"]
Ending = tuple[Reason, str | None, str]
"""How a session is to end: the arguments of `SessionCore.finish`."""


class HubSession:
    """One session of a hub. One thread may push while the hub reads."""

    def __init__(self, hub: "Hub", core: SessionCore) -> None:
        self._hub, self._core = hub, core
        self._queued = threading.Lock()
        self._ending: Ending | None = None
        self._to_end: Ending | None = None
        self._marks: deque[tuple[str, int, Future[Marker]]] = deque()
        self._marking = threading.Lock()
        self._words_until: float | None = None
        if core.words is not None:
            core.words.on_news = self._tell
        self.ended = threading.Event()
        """Set once the last event has been handed to the sinks."""

    @property
    def id(self) -> str:
        """Identifies the session; not a secret, but kept out of logs and metric labels."""
        return self._core.session

    @property
    def closing(self) -> bool:
        """Whether the end was asked for."""
        return self._ending is not None

    def push(self, block: AudioBlock) -> None:
        """Take the next block of sound, all channels. Never waits; nothing after `finish`."""
        if self._ending is None and self._core.push(block):
            self._tell()

    def pause(self) -> None:
        """Sound has stopped coming for now: close the speech that is open. Does not wait."""
        if self._ending is None:
            self._core.pause()
            self._tell()

    @property
    def unread(self) -> bool:
        """Whether the hub has not come yet to what was pushed."""
        return self._queued.locked()

    def mark(self, note: str, at_ms: int | None = None) -> "Future[Marker]":
        """Ask for a marker at `at_ms`, by default where the sound is now. Does not wait.

        The future holds the marker once the sinks have had it. Raises `LivemoodError` if the
        session has ended.
        """
        at = self._core.now_ms if at_ms is None else at_ms
        future: Future[Marker] = Future()
        with self._marking:
            if self.ended.is_set():
                raise LivemoodError("the session has ended: nothing can be noted in it any more")
            self._marks.append((note, at, future))
        self._tell()
        return future

    def push_transcript(self, text: str, stretch: Stretch) -> None:
        """Take what was said. Never waits; nothing after `finish`. Raises `UsageError`."""
        if self._ending is None:
            self._core.push_transcript(text, stretch)

    def observe(
        self, source: str, probabilities: Mapping[str, float], confidence: float, stretch: Stretch
    ) -> None:
        """Take what another observer says, in the same way."""
        if self._ending is None:
            self._core.observe(source, probabilities, confidence, stretch)

    def finish(
        self, reason: Reason = "end", failure: str | None = None, code: str = "source_failed"
    ) -> None:
        """Ask for the end: what was pushed is read, and `session.ended` comes to the sinks.

        With `failure`, why the sound stopped, an `error` event of that code precedes it. Only the
        first call counts. Does not wait: see `ended`.
        """
        if self._ending is None:
            self._ending = (reason, failure, code)
            self._tell()

    def inferences(self, patience_s: float = 0.0) -> list[Inference]:
        """What has come in, to be read by the hub's thread alone: see `SessionCore`."""
        self._queued.release()  # before looking: what comes from now on is told again
        # Taken before the sound is looked at: all that was pushed before the end is read.
        self._to_end = self._ending
        return self._core.inferences(patience_s)

    def settle(self) -> None:
        """After reading: note what was asked for, and end if that was asked for before."""
        self._core.watch()
        if self._to_end is None or self._reads_words():
            self._note()
            return
        with self._marking:  # no marker is accepted behind the last event
            self._note()
            # Words had their time: this is the thread that reads everybody's sound.
            self._core.finish(*self._to_end, words_s=0.0)
            self.ended.set()

    def _reads_words(self) -> bool:
        """At the end: whether words of it are still being read, which wake the session again."""
        words = self._core.words
        if words is None:
            return False
        self._core.close()  # what was said last is recognised, too
        if self._words_until is None and words.pending:
            self._words_until = time.monotonic() + WORDS_END_S
            waking = threading.Timer(WORDS_END_S, self._tell)
            waking.daemon = True
            waking.start()
        return words.pending and time.monotonic() < (self._words_until or 0.0)

    def _note(self) -> None:
        while self._marks:
            note, at, future = self._marks.popleft()
            future.set_result(self._core.mark(note, at))

    def _tell(self) -> None:
        # Tested and set in one step: several threads may tell at once, and a session that is queued
        # twice would be read twice in one round.
        if self._queued.acquire(blocking=False):
            self._hub.wake(self)


class Hub:
    """Reads all sessions in one thread, so that one network serves them all.

    It works in rounds: each reads what has come in to any session since the last, the windows of
    all as batches. The more sessions there are, the longer a round waits, up to `PACE_S`, so that
    there is more to read at once. No session is read twice before every other that has news.

    Sinks are called by that thread and must not block. Use it as a context manager.
    """

    PACE_S = 0.02
    """The longest wait between rounds, with sound waiting."""
    PATIENCE_S = 0.06
    """What a pause brings may wait so long for the next window, so that both are heard at once."""
    PATIENT = 0.3
    """From this load on it does: until then there is time to hear each as it comes."""

    def __init__(self, model: AnyModel | WindowReader, *, busiest: float = 0.8) -> None:
        self.model = model
        self._reader = reader_of(model)
        self._busiest = busiest
        self._lock = threading.Lock()
        self._sessions: set[HubSession] = set()
        self._queue: deque[HubSession] = deque()
        self._news = threading.Event()
        self._stopping = False
        self.load = 0.0
        """Share of the last seconds that the thread was busy, 0 to 1."""
        self._thread = threading.Thread(target=self._work, name="livemood-hub", daemon=True)

    def __enter__(self) -> "Hub":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End every session in order, then the thread."""
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.finish("interrupted")
        self._stopping = True
        self._news.set()
        self._thread.join(10.0)

    def open(
        self,
        settings: MonitorSettings,
        *,
        source: str,
        sample_rate: int,
        channels: int,
        sinks: Sequence[Sink],
        about: About | None = None,
        session: str | None = None,
        vad: DetectorFactory | None = None,
        baselines: Sequence[Baseline | None] = (),
        words: WordsThread | None = None,
    ) -> HubSession:
        """A new session of live sound; `session.started` is handed to the sinks at once.

        Raises `Busy` if the machine could not keep up with it, `UsageError` for settings that the
        model cannot serve.
        """
        if self.load > self._busiest:
            raise Busy(retry_after_s=5.0)
        core = SessionCore(
            self._reader,
            settings,
            source=source,
            sample_rate=sample_rate,
            channels=channels,
            live=True,
            sinks=sinks,
            about=about,
            session=session,
            vad=vad,
            baselines=baselines,
            words=words,
        )
        opened = HubSession(self, core)
        with self._lock:
            self._sessions.add(opened)
        return opened

    @property
    def model_info(self) -> ModelInfo:
        """The model that reads."""
        return self._reader.info

    @property
    def sessions(self) -> int:
        """How many are running."""
        return len(self._sessions)

    @property
    def waiting(self) -> int:
        """Sessions with sound to read."""
        return len(self._queue)

    def wake(self, session: HubSession) -> None:
        """`session` has something to read."""
        self._queue.append(session)
        if not self._news.is_set():
            self._news.set()

    def _work(self) -> None:
        while not (self._stopping and not self._sessions):
            waited = time.monotonic()
            self._news.wait(0.2)
            if (pace := self._pace()) > 0:
                time.sleep(pace)
            self._news.clear()
            began = time.monotonic()
            sessions = [self._queue.popleft() for _ in range(len(self._queue))]
            self._read(sessions)
            if ended := [session for session in sessions if session.ended.is_set()]:
                with self._lock:
                    self._sessions.difference_update(ended)
            done = time.monotonic()
            self._measure(done - began, done - waited)

    def _pace(self) -> float:
        """Seconds to wait for more, so that a round with its reading takes `PACE_S` at most.

        A busy hub waits less: its rounds fill up while it reads.
        """
        longest = min(self.PACE_S, 0.0005 * (len(self._sessions) - 1))
        return longest * max(0.0, 1.0 - self.load / 0.9)

    def _read(self, sessions: list[HubSession]) -> None:
        inferences, owners = [], []
        patience_s = self.PATIENCE_S if self.load > self.PATIENT else 0.0
        for session in sessions:
            try:
                for inference in session.inferences(patience_s):
                    inferences.append(inference)
                    owners.append(session)
            except Exception:  # one session's fault is no other's
                log.exception("listening to a session failed")
                session.finish(failure="listening failed; the log has the details")
        try:
            failed = run_together(inferences, self._reader)
        except Exception:
            log.exception("the network failed")
            failed = list(range(len(owners)))
        for place in failed:
            owners[place].finish(failure="reading failed; the log has the details")
        for session in sessions:
            try:
                session.settle()
            except Exception:
                log.exception("a session could not be ended in order")
                session.ended.set()

    def _measure(self, busy_s: float, passed_s: float) -> None:
        weight = min(1.0, passed_s / 2.0)
        self.load += (busy_s / max(passed_s, 1e-6) - self.load) * weight
