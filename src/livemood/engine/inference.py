"""What the engine asks of a model, and how the shipped ones answer."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from livemood.audio import Overrun, Samples, Span
from livemood.model import Model
from livemood.model.streaming_state import InferenceRequest, StreamingState
from livemood.timeline.events import ModelInfo

Float64 = NDArray[np.float64]
ReadSound = Callable[[Span], Samples]
"""The sound of a span, mono. Raises `Overrun` if some of it is gone."""

_NOTHING = np.empty(0, np.float32)


class Request(Protocol):
    """One window to be read: a model makes it, and later reads it beside others."""

    @property
    def kind(self) -> object:
        """Requests of one kind can run as one batch."""


class WindowReader(Protocol):
    """Reads the windows of many streams. It keeps nothing of a stream but in that stream's state.

    Used by one thread at a time.
    """

    name: str
    labels: tuple[str, ...]
    """In the order of probabilities."""
    priors: tuple[float, ...]
    """Share of each label that the probabilities are calibrated for; they sum to 1."""
    sample_rate: int
    """Of the sound that it reads, Hz."""
    shortest_s: float
    longest_s: float

    @property
    def info(self) -> ModelInfo:
        """What `session.started` says of the model."""

    def new_state(self) -> Any:  # noqa: ANN401 - the model's own
        """What is kept of one stream from window to window."""

    def forget(self, state: Any) -> None:  # noqa: ANN401
        """Another speech begins: what was heard before does not count."""

    def request(self, state: Any, window: Span, read: ReadSound) -> Request:  # noqa: ANN401
        """What it takes to read `window`, with the sound in it that is new.

        Raises `Overrun` if that sound is gone; then the next window starts afresh.
        """

    def batch_of(self, request: Any) -> int:  # noqa: ANN401
        """How many requests like this one are best read together, at most."""

    def read(self, requests: Sequence[Any]) -> Float64:
        """Probabilities, shape (requests, labels), of windows of different streams."""

    def affect(self, probabilities: Sequence[float]) -> tuple[float, float]:
        """Valence and arousal, each in [-1, 1]."""


class ModelReader:
    """A model of livemood's own kind as the engine sees it."""

    def __init__(self, model: Model) -> None:
        manifest = model.manifest
        self.model = model
        self.name, self.labels, self.priors = manifest.name, model.labels, manifest.priors
        self.sample_rate = manifest.features.sample_rate
        self.shortest_s, self.longest_s = manifest.window.shortest_s, manifest.window.longest_s
        self.new_state, self.batch_of = model.new_kept, model.batch_of
        self.read, self.affect = model.read, model.affect

    @property
    def info(self) -> ModelInfo:
        """What `session.started` says of the model."""
        manifest = self.model.manifest
        return ModelInfo(
            name=manifest.name,
            version=manifest.version,
            precision=manifest.precision,
            provider=self.model.provider,
            labels=manifest.labels,
            valence_arousal=manifest.valence_arousal,
        )

    def forget(self, state: StreamingState) -> None:
        """Another speech begins."""
        state.forget()

    def request(self, state: StreamingState, window: Span, read: ReadSound) -> InferenceRequest:
        """The sound of the window's new steps."""
        steps = self.model.steps(window)
        first = state.turn_to(steps.start, steps.end)
        if first == steps.end:
            return InferenceRequest(state, _NOTHING)
        new = self.model.sound_of(Span(first, steps.end), fresh=state.fresh)
        try:
            return InferenceRequest(state, read(new))
        except Overrun:
            state.forget()
            raise
