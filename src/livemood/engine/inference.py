"""What the engine asks of a model, and how the shipped ones answer."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from livemood.audio import Samples, Span
from livemood.model import Baseline, Model, Reading
from livemood.model.baseline import VoiceBaseline
from livemood.model.streaming.streaming_state import StreamingState
from livemood.timeline.events import ModelInfo

ReadSound = Callable[[Span], Samples]
"""The sound of a span, mono. Raises `Overrun` if some of it is gone."""


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
        """The model as `session.started` describes it."""

    hop_s: float | None
    """Seconds from one window to the next that suit it best; None if any do."""
    block_s: float | None
    """A hop is a whole number of these; None if any will do."""

    def baseline(self, given: Baseline | None) -> Any:  # noqa: ANN401
        """The baseline of a voice: the one that is given, a new one, or None if it uses none.

        Raises `ModelError` if the one that is given does not belong to this model.
        """

    def new_state(self, baseline: Any = None) -> Any:  # noqa: ANN401 - the model's own
        """What is kept of one stream from window to window; `baseline` is of its voice."""

    def window_of(self, window: Span) -> Span:
        """What will be read of a window: up to its end, or less."""

    def forget(self, state: Any) -> None:  # noqa: ANN401
        """Another speech begins: what was heard before does not count."""

    def request(self, state: Any, window: Span, read: ReadSound) -> Request:  # noqa: ANN401
        """What it takes to read `window`, with the sound in it that is new.

        Raises `Overrun` if that sound is gone; then the next window starts afresh.
        """

    def batch_of(self, request: Any) -> int:  # noqa: ANN401
        """How many requests like this one are best read together, at most."""

    def read(self, requests: Sequence[Any]) -> Sequence[Reading]:
        """How windows of different streams sound."""

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
        self.hop_s, self.block_s = manifest.hop_s, model.grid.block_s
        self.request, self.batch_of = model.request, model.batch_of
        self.new_state, self.window_of = model.new_state, model.window_of
        self.read, self.affect = model.read, model.affect

    @property
    def info(self) -> ModelInfo:
        """The model as `session.started` describes it."""
        manifest = self.model.manifest
        return ModelInfo(
            name=manifest.name,
            version=manifest.version,
            precision=manifest.precision,
            provider=self.model.provider,
            labels=manifest.labels,
            valence_arousal=manifest.valence_arousal,
        )

    def baseline(self, given: Baseline | None) -> VoiceBaseline | None:
        """The one that is given, or a new one; None if the model uses none."""
        return self.model.new_baseline() if given is None else given.voice_for(self.model)

    def forget(self, state: StreamingState) -> None:
        """Another speech begins."""
        state.forget()
