"""A user's voice in a voice agent, read as it comes by a thread of livemood: for both plug-ins."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from livemood.engine.push import Session
from livemood.engine.shared import share_model
from livemood.integrations.turns import TurnSummary, TurnTracker
from livemood.timeline.events import AnyEvent


class UserVoice:
    """The voice of one user of an agent. No call of it waits, so an event loop may make them."""

    def __init__(self, **session: Any) -> None:  # noqa: ANN401 - the arguments of Session
        """`session` holds arguments of `livemood.Session`, all but `rate`, `channels`, `on_event`.

        The model is loaded now, so that the first audio finds it ready. The session begins with
        that audio, whose rate it takes.
        """
        self._arguments = session
        # Held for as long as the voice is there, so that each session finds it loaded.
        self._model = share_model(session.get("model", "default"), session.get("provider", "auto"))
        self._session: Session | None = None
        self._format: tuple[int, int] | None = None
        self._tracker = TurnTracker()
        self._lock = threading.Lock()

    def push(self, pcm: bytes | memoryview, rate: int, channels: int) -> None:
        """Take the next audio: signed 16-bit little-endian, interleaved.

        Audio of several channels is one voice: the loudest channel of each block is read. Where
        rate or channels change, a new session begins; its baseline begins afresh.
        """
        if self._format != (rate, channels):
            self.close()
            self._session = Session(
                rate=rate, on_event=self._take, name="voice agent", **self._arguments
            )
            self._format = (rate, channels)
        samples: NDArray[np.int16] = np.frombuffer(pcm, "<i2").reshape(-1, channels)
        if channels > 1:
            energy = np.square(samples, dtype=np.float32).sum(axis=0)
            samples = samples[:, int(energy.argmax())]
        assert self._session is not None  # noqa: S101 - made above
        self._session.push(samples.reshape(-1))

    def end_turn(self) -> TurnSummary | None:
        """The user's turn ends here: how it sounded; none where too little of it was speech."""
        with self._lock:
            return self._tracker.end_turn()

    def close(self) -> None:
        """The user has gone. Waits until the last readings were taken: not for an event loop."""
        if self._session is not None:
            self._session.finish()
            self._session = None
            self._format = None

    def _take(self, event: AnyEvent) -> None:
        with self._lock:
            self._tracker.push(event)
