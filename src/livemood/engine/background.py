"""A session in a thread of its own, its events in the caller's."""

import threading
from collections.abc import Generator, Sequence

from livemood.engine.event_queue import EventQueue
from livemood.engine.session import About, Sink
from livemood.engine.settings import MonitorSettings
from livemood.engine.threads import run
from livemood.model import Model
from livemood.sources import Source
from livemood.timeline.events import AnyEvent


class BackgroundSession:
    """Runs one session while the caller iterates over its events. Used once."""

    def __init__(
        self,
        source: Source,
        model: Model,
        settings: MonitorSettings,
        sinks: Sequence[Sink] = (),
        about: About | None = None,
    ) -> None:
        settings.check(model.manifest)
        self._events = EventQueue(live=source.live)
        self._stop = threading.Event()
        self.stopping = False
        """Whether the session was asked to end."""
        self.failure: Exception | None = None
        """Why the source, or the program, failed; known once all events have been taken."""
        every = (*sinks, self._events.put)
        self._thread = threading.Thread(
            target=self._work,
            args=(source, model, settings, every, about),
            name="livemood",
            daemon=True,
        )

    def stop(self) -> None:
        """End the session in order: what is open closes, and its last events still come."""
        self.stopping = True
        self._stop.set()

    def events(self) -> Generator[AnyEvent, None, None]:
        """Every event; closing the generator ends the session."""
        self._thread.start()
        try:
            while True:
                try:
                    # A timeout, because a wait without one cannot be interrupted everywhere.
                    event = self._events.get(timeout=0.5)
                except TimeoutError:
                    continue
                if event is None:
                    return
                yield event
        finally:
            self._stop.set()
            self._events.close()
            self._thread.join(5.0)  # no longer: a driver may hang

    def _work(
        self,
        source: Source,
        model: Model,
        settings: MonitorSettings,
        sinks: Sequence[Sink],
        about: About | None,
    ) -> None:
        try:
            self.failure = run(source, model, settings, sinks, self._stop, about)
        except Exception as error:
            self.failure = error
        finally:
            self._events.close()
