"""Models that several sessions of one program share: loaded once, read by one thread at a time."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from livemood.engine.extensions import AnyModel, open_model, reader_of
from livemood.engine.hub import Hub, HubSession
from livemood.engine.inference import WindowReader
from livemood.engine.settings import MonitorSettings
from livemood.model import Reading


class SharedModel:
    """One model, the sessions that use it, and the hub that reads those in the background."""

    def __init__(self, reader: WindowReader) -> None:
        self.reader: WindowReader = _OneAtATime(reader)
        self._lock = threading.Lock()
        self._hub: Hub | None = None
        self._users = 0

    def open_session(self, settings: MonitorSettings, given: dict[str, Any]) -> HubSession:
        """A session that is read in the background: see `Hub.open`."""
        with self._lock:
            if self._hub is None:
                self._hub = Hub(self.reader)
                self._hub.__enter__()
            self._users += 1
            hub = self._hub
        try:
            return hub.open(settings, **given)
        except BaseException:
            self._leave()
            raise

    def close_session(self, session: HubSession) -> None:
        """Wait until it has ended. With the last one the hub's thread ends, too."""
        session.ended.wait()
        self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users or self._hub is None:
                return
            hub, self._hub = self._hub, None
        hub.__exit__()


_by_name: dict[tuple[str, str], SharedModel] = {}
_by_object: WeakValueDictionary[int, SharedModel] = WeakValueDictionary()
_loading = threading.Lock()


def share_model(model: str | Path | AnyModel, provider: str = "auto") -> SharedModel:
    """The model for one more session: the same for all that were given one name, or one object.

    One that is given by name is loaded once in a program.

    Raises `ModelError` if there is none, or if it cannot be used.
    """
    with _loading:
        if not isinstance(model, str | Path):
            # While a session lives so does its model, and no other object has its identity.
            shared = _by_object.get(id(model)) or SharedModel(reader_of(model))
            _by_object[id(model)] = shared
            return shared
        key = (str(model), provider)
        if key not in _by_name:
            _by_name[key] = SharedModel(reader_of(open_model(model, provider)))
        return _by_name[key]


class _OneAtATime:
    """A reader that threads may share: windows are read by one of them at a time."""

    def __init__(self, reader: WindowReader) -> None:
        self.name, self.labels, self.priors = reader.name, reader.labels, reader.priors
        self.sample_rate = reader.sample_rate
        self.shortest_s, self.longest_s = reader.shortest_s, reader.longest_s
        self.hop_s, self.block_s = reader.hop_s, reader.block_s
        self.info = reader.info
        self.baseline, self.window_of = reader.baseline, reader.window_of
        self.new_state, self.forget, self.request = reader.new_state, reader.forget, reader.request
        self.batch_of, self.affect = reader.batch_of, reader.affect
        self._read, self._lock = reader.read, threading.Lock()

    def read(self, requests: Sequence[Any]) -> Sequence[Reading]:
        """How windows of different streams sound."""
        with self._lock:
            return self._read(requests)
