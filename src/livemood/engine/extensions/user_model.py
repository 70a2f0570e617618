"""Models of your own: two small protocols, and what the engine makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livemood.audio import Samples, Span
from livemood.engine.inference import ModelReader, ReadSound, WindowReader
from livemood.errors import ModelError, UsageError
from livemood.model import Baseline, Model, Reading, load_model, shipped_models
from livemood.model.labels import CIRCUMPLEX, UNCERTAIN
from livemood.plugins import find_plugin, make_plugin
from livemood.speech.vad import SAMPLE_RATE
from livemood.timeline.events import ModelInfo

Float64 = NDArray[np.float64]


@runtime_checkable
class EmotionModel(Protocol):
    """A model that reads each window whole.

        class Loudness:
            labels = ("calm", "excited")

            def predict(self, samples, rate):
                excited = min(1.0, 10 * float(np.sqrt(np.mean(samples**2))))
                return [1 - excited, excited]

        for event in livemood.listen("call.wav", speed=None, model=Loudness()):
            print(event)

    Optional attributes: `name` and `version` (text), `shortest_s` and `longest_s` (seconds of
    sound in a window, 1 and 30 unless you say), `priors` (the share of each label that your
    probabilities are calibrated for, equal unless you say).
    """

    @property
    def labels(self) -> Sequence[str]:
        """Plain words, at least two, in the order of the probabilities."""

    def predict(self, samples: Samples, rate: int, /) -> ArrayLike:
        """Probabilities, shape (labels,), that sum to 1.

        `samples` is float32 in [-1, 1], shape (n,); `rate` is 16000 Hz.
        """


@runtime_checkable
class StreamingEmotionModel(Protocol):
    """A model that is given each piece of sound once, and keeps a state for each stream.

        class Recurrent:
            labels = ("calm", "excited")

            def new_state(self):
                return {"energy": 0.0}

            def step(self, states, sounds):
                for state, sound in zip(states, sounds):
                    state["energy"] = 0.8 * state["energy"] + 0.2 * float(np.mean(sound**2))
                excited = np.minimum(1.0, [100 * s["energy"] for s in states])
                return np.stack([1 - excited, excited], axis=1)

        for event in livemood.listen("call.wav", speed=None, model=Recurrent()):
            print(event)

    The optional attributes are those of `EmotionModel`.
    """

    @property
    def labels(self) -> Sequence[str]:
        """Plain words, at least two, in the order of the probabilities."""

    def new_state(self) -> Any:  # noqa: ANN401 - yours
        """A state at the beginning of a speech; `step` changes it in place."""

    def step(self, states: Sequence[Any], sounds: Sequence[Samples], /) -> ArrayLike:
        """Probabilities, shape (batch, labels), each row summing to 1.

        `sounds[i]` is the sound of stream i, float32 in [-1, 1], shape (n,) at 16 kHz, that
        follows on what `states[i]` has had. Lengths differ. The first of a speech is a whole
        window of at least `shortest_s`.
        """


AnyModel = Model | EmotionModel | StreamingEmotionModel


def open_model(name: str | Path, provider: str = "auto") -> AnyModel:
    """The shipped model `name`, the model in the folder `name`, or the plug-in's of that name.

    `provider` is `auto`, `cpu` or `cuda`. Raises `ModelError` or `PluginError` if there is none,
    or if it cannot be used.
    """
    if provider not in ("auto", "cpu", "cuda"):
        raise UsageError(f"no provider is called {provider!r}: use auto, cpu or cuda")
    plugin = str(name).partition(":")[0]
    given: Any = name
    if not is_shipped(name) and find_plugin("models", plugin) is not None:
        given = make_plugin("models", str(name))
    if isinstance(given, str | Path):
        given = load_model(given, provider)  # type: ignore[arg-type]  # checked above
    reader_of(given)  # says what is wrong with it
    if isinstance(given, Model):
        given.warm_up()
    return given  # type: ignore[no-any-return]  # as was just checked


def is_shipped(name: str | Path) -> bool:
    """Whether this is a shipped model or a folder."""
    return str(name) in shipped_models() or Path(name).is_dir()


def reader_of(model: AnyModel | WindowReader) -> WindowReader:
    """The model as the engine sees it. Raises `ModelError` if it is none."""
    if isinstance(model, Model):
        return ModelReader(model)
    if hasattr(model, "request"):
        return model  # type: ignore[return-value]  # a reader already
    if isinstance(model, StreamingEmotionModel):
        return _StepReader(model)
    if isinstance(model, EmotionModel):
        return _WholeReader(model)
    raise ModelError(
        f"{type(model).__name__} is no model: it needs `labels`, and either `predict` or "
        "`new_state` and `step`"
    )


@dataclass(slots=True)
class _State:
    inner: Any = None
    """The model's own; none before the first window of a speech."""
    read_until: int = 0
    """The sample after the last one that it has had."""
    last: Reading | None = None
    """How the window read last sounds."""


@dataclass(frozen=True, slots=True)
class _Request:
    state: _State
    sound: Samples
    kind: str = field(default="any", init=False)


class _UserReader:
    """What both kinds have in common."""

    LARGEST_BATCH = 16
    hop_s: float | None = None
    block_s: float | None = None
    sample_rate = SAMPLE_RATE

    def __init__(self, model: EmotionModel | StreamingEmotionModel) -> None:
        self.name = str(getattr(model, "name", type(model).__name__))
        self.labels = tuple(str(label) for label in model.labels)
        self.shortest_s = float(getattr(model, "shortest_s", 1.0))
        self.longest_s = float(getattr(model, "longest_s", 30.0))
        equal = [1 / max(1, len(self.labels))] * len(self.labels)
        self.priors = tuple(float(x) for x in getattr(model, "priors", equal))
        self._version = str(getattr(model, "version", "0"))
        self._coordinates = [CIRCUMPLEX.get(label, (0.0, 0.0)) for label in self.labels]
        self._check()

    def _check(self) -> None:
        if len(self.labels) < 2 or len({*self.labels, UNCERTAIN}) != len(self.labels) + 1:
            raise ModelError(
                f"model {self.name} needs two labels or more, different from each other and from "
                f"{UNCERTAIN!r}, not {', '.join(self.labels) or 'none'}"
            )
        if len(self.priors) != len(self.labels) or not all(p > 0 for p in self.priors):
            raise ModelError(f"model {self.name} must give each label a prior above 0")
        if not 0 < self.shortest_s <= self.longest_s:
            raise ModelError(f"model {self.name} needs 0 < shortest_s <= longest_s")

    @property
    def info(self) -> ModelInfo:
        """The model as `session.started` describes it."""
        return ModelInfo(
            name=self.name,
            version=self._version,
            precision="unknown",
            provider="user",
            labels=self.labels,
            valence_arousal="derived",
        )

    def baseline(self, given: Baseline | None) -> None:
        """None: models of your own keep theirs themselves."""
        if given is not None:
            raise ModelError(f"model {self.name} uses no baselines: leave it out")

    def new_state(self, baseline: None = None) -> _State:  # noqa: ARG002 - none is ever given
        """Nothing heard yet."""
        return _State()

    def window_of(self, window: Span) -> Span:
        """All of it."""
        return window

    def forget(self, state: _State) -> None:
        """Another speech begins."""
        state.inner = state.last = None
        state.read_until = 0

    def batch_of(self, _: _Request) -> int:
        """How many windows are read together, at most."""
        return self.LARGEST_BATCH

    def affect(self, probabilities: Sequence[float]) -> tuple[float, float]:
        """The mean of the labels' published coordinates; labels without any count as 0, 0."""
        pairs = list(zip(probabilities, self._coordinates, strict=True))
        return sum(p * v for p, (v, _) in pairs), sum(p * a for p, (_, a) in pairs)

    def _checked(self, given: ArrayLike, shape: tuple[int, ...]) -> Float64:
        """Probabilities of this shape, labels last. Raises `ModelError` if they are none."""
        try:
            rows = np.asarray(given, np.float64)
        except (TypeError, ValueError):
            raise ModelError(f"model {self.name} gave no numbers: {given!r:.80}") from None
        if rows.shape != shape:
            raise ModelError(
                f"model {self.name} gave an array of shape {rows.shape} in place of {shape}"
            )
        # Not `<`: what is no number fails, too.
        if not (np.all(rows >= 0) and np.all(np.abs(rows.sum(axis=-1) - 1) <= 1e-3)):
            raise ModelError(f"model {self.name} gave a row that is no probabilities summing to 1")
        return rows


class _WholeReader(_UserReader):
    """Reads each window by one call of `predict`."""

    def __init__(self, model: EmotionModel) -> None:
        super().__init__(model)
        self._model = model

    def request(self, state: _State, window: Span, read: ReadSound) -> _Request:
        """The whole window."""
        return _Request(state, read(window))

    def read(self, requests: Sequence[_Request]) -> list[Reading]:
        """How each window sounds."""
        given = (self._model.predict(r.sound, self.sample_rate) for r in requests)
        return [Reading(self._checked(row, (len(self.labels),))) for row in given]


class _StepReader(_UserReader):
    """Gives each piece of sound to `step` once."""

    def __init__(self, model: StreamingEmotionModel) -> None:
        super().__init__(model)
        self._model = model

    def request(self, state: _State, window: Span, read: ReadSound) -> _Request:
        """The sound since the last window; all of it where some in between was left out."""
        if state.inner is None or not window.start <= state.read_until <= window.end:
            self.forget(state)
            sound = read(window)
            state.inner = self._model.new_state()
        else:
            try:
                sound = read(Span(state.read_until, window.end))
            except Exception:
                self.forget(state)
                raise
        state.read_until = window.end
        return _Request(state, sound)

    def read(self, requests: Sequence[_Request]) -> list[Reading]:
        """How each window sounds; one without new sound reads as before."""
        new = [r.state for r in requests if len(r.sound) or r.state.last is None]
        if new:
            sounds = [r.sound for r in requests if len(r.sound) or r.state.last is None]
            given = self._model.step([state.inner for state in new], sounds)
            for state, row in zip(
                new, self._checked(given, (len(new), len(self.labels))), strict=True
            ):
                state.last = Reading(row)
        return [r.state.last for r in requests if r.state.last is not None]
