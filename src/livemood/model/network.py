"""The DC-RNN on ONNX Runtime: batches of new log-mel frames in, logits and states out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from livemood.errors import ModelError
from livemood.model.features import Frames

Provider = Literal["auto", "cpu", "cuda"]
Float32 = NDArray[np.float32]

LARGEST_BATCH: Final = 64
"""Hops in one batch; a larger one would hold events up that are ready."""

NEVER: Final = -1e9
"""The attention score of a state that is not part of the window."""

_NAMES: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_INPUTS: Final = ("features", "state", "states", "scores")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network takes and gives, as its file says."""

    mels: object
    units: object
    labels: object


class Batch:
    """Bound buffers for hops of one number of frames: fill the inputs, `run`, read the outputs.

    Nothing is allocated or copied between them and ONNX Runtime. Valid until the next batch of
    the same network.
    """

    def __init__(
        self,
        session: Any,  # noqa: ANN401 - onnxruntime has no types
        inputs: tuple[Float32, ...],
        outputs: tuple[Float32, ...],
    ) -> None:
        self.features, self.state, self.states, self.scores = inputs
        self.logits, self.new_states, self.new_scores = outputs
        self._session = session
        self._binding = session.io_binding()
        for name, array in zip(_INPUTS, inputs, strict=True):
            self._binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        for node, array in zip(session.get_outputs(), outputs, strict=True):
            self._binding.bind_output(
                node.name, "cpu", 0, np.float32, array.shape, array.ctypes.data
            )

    def run(self) -> None:
        """Compute the outputs."""
        self._session.run_with_iobinding(self._binding)


class OnnxNetwork:
    """One ONNX file that reads the new frames of windows of which earlier steps are kept.

    The convolutions see new frames only; the recurrence goes on from a state; attention pools
    the new states with those kept. A window without earlier steps is the same call with nothing
    kept.
    """

    def __init__(self, path: Path, provider: Provider = "auto", threads: int = 1) -> None:
        import onnxruntime as ort

        available = ort.get_available_providers()
        if provider == "cuda" and _NAMES["cuda"] not in available:
            raise ModelError(
                "no CUDA provider is installed: pip install onnxruntime-gpu, or use provider cpu"
            )
        wanted = ["cuda", "cpu"] if provider in ("auto", "cuda") else ["cpu"]
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(
                str(path), options, providers=[_NAMES[w] for w in wanted if _NAMES[w] in available]
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no public base class
            line = str(error).splitlines()[0]
            raise ModelError(f"ONNX Runtime cannot load {path}: {line}") from None
        inputs = {i.name: i.shape for i in self._session.get_inputs()}
        outputs = self._session.get_outputs()
        if tuple(inputs) != _INPUTS or len(outputs) != 3:
            raise ModelError(
                f"{path} is not a streaming DC-RNN of this version: its inputs are "
                f"{', '.join(inputs)}, not {', '.join(_INPUTS)}; export it again"
            )
        self._batches: dict[tuple[int, int], Batch] = {}
        self._buffers: dict[object, Float32] = {}
        self.shape = Shape(inputs["features"][-1], inputs["state"][-1], outputs[0].shape[-1])

    @property
    def provider(self) -> str:
        """`cpu` or `cuda`: where the network runs."""
        first = self._session.get_providers()[0]
        return next(name for name, full in _NAMES.items() if full == first)

    @property
    def labels(self) -> int:
        """Logits for one window."""
        return int(str(self.shape.labels))

    @property
    def units(self) -> int:
        """Values in one recurrent state."""
        return int(str(self.shape.units))

    def __call__(
        self, features: Frames, state: Float32, states: Float32, scores: Float32
    ) -> tuple[Float32, Float32, Float32]:
        """Logits (batch, labels); states (batch, steps, units) and scores (batch, steps) new.

        All float32: `features` (batch, frames, mels) hold the new steps' frames; `state` (batch,
        units) is the state before them; `states` (batch, kept, units) and `scores` (batch, kept),
        at least one, are kept of the window, `NEVER` marking those to leave out.
        """
        logits, new_states, new_scores = self._session.run(
            None, dict(zip(_INPUTS, (features, state, states, scores), strict=True))
        )
        return logits, new_states, new_scores

    def batch(self, size: int, frames: int, steps: int, slots: int) -> Batch:
        """Buffers for `size` hops, at most `LARGEST_BATCH`, of `frames` frames and `steps` steps.

        `slots` is how many states are kept of each; the same in every call.
        """
        found = self._batches.get((size, frames))
        if found is None:
            mels, units, labels = (int(str(x)) for x in (self.shape.mels, self.units, self.labels))
            shapes: list[tuple[object, tuple[int, ...]]] = [
                (("features", frames), (frames, mels)),
                ("state", (units,)),
                ("states", (slots, units)),
                ("scores", (slots,)),
                ("logits", (labels,)),
                (("new_states", steps), (steps, units)),
                (("new_scores", steps), (steps,)),
            ]
            arrays = [self._buffer(key, shape)[:size] for key, shape in shapes]
            found = Batch(self._session, tuple(arrays[:4]), tuple(arrays[4:]))
            self._batches[size, frames] = found
        return found

    def _buffer(self, key: object, shape: tuple[int, ...]) -> Float32:
        """One buffer for all batch sizes: a smaller batch is its beginning."""
        if key not in self._buffers:
            self._buffers[key] = np.empty((LARGEST_BATCH, *shape), np.float32)
        return self._buffers[key]

    def whole(self, windows: Frames) -> Float32:
        """Logits (batch, labels) of whole windows (batch, frames, mels), nothing kept."""
        batch = len(windows)
        state = np.zeros((batch, self.units), np.float32)
        scores = np.full((batch, 1), NEVER, np.float32)
        return self(windows, state, state[:, np.newaxis], scores)[0]
