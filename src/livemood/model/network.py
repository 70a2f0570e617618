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

LARGEST_BATCH: Final = 8
"""Hops in one batch: more no longer fit the cache and hold up events that are ready."""

NEVER: Final = -1e9
"""The attention score of a state that is not part of the window."""

_NAMES: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
INPUTS: Final = ("features", "rows1", "rows2", "state", "states", "scores")
OUTPUTS: Final = ("logits", "new_states", "new_scores", "new_rows1", "new_rows2")
ROWS: Final = 2
"""Rows that are kept of a block's output: what a kernel three rows high sees of the past."""


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
        self.features, *rows, self.state, self.states, self.scores = inputs
        self.rows = tuple(rows)
        """Empty if the hops begin afresh."""
        self.logits, self.new_states, self.new_scores, *new_rows = outputs
        self.new_rows = tuple(new_rows)
        self._session = session
        self._binding = session.io_binding()
        for name, array in zip(INPUTS, inputs, strict=True):
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

    The convolutions see new frames only, beside the last rows they gave; the recurrence goes on
    from a state; attention pools the new states with those kept. A window without earlier steps is
    the same call with nothing kept.
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
        if tuple(inputs) != INPUTS or tuple(o.name for o in outputs) != OUTPUTS:
            raise ModelError(
                f"{path} is not a streaming DC-RNN of this version: its inputs are "
                f"{', '.join(inputs)}, not {', '.join(INPUTS)}; export it again"
            )
        self._inputs = inputs
        self._batches: dict[tuple[int, int, int], Batch] = {}
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

    def __call__(self, *inputs: Float32) -> tuple[Float32, ...]:
        """Outputs in the order of `OUTPUTS` for inputs in the order of `INPUTS`, all float32.

        `features` (batch, frames, mels) hold the new steps' frames. `rows1` (batch, channels,
        kept, mels // 2) and `rows2` (batch, channels, kept, mels // 4), two of each or none, are
        the last rows of the first two blocks of convolution; `state` (batch, units) is the
        recurrent state before the new steps. `states` (batch, kept, units) and `scores` (batch,
        kept), at least one, are kept of the window, `NEVER` marking those to leave out.

        Logits are (batch, labels); states (batch, steps, units) and scores (batch, steps) are
        those of the new steps; then come the rows to keep.
        """
        return tuple(self._session.run(None, dict(zip(INPUTS, inputs, strict=True))))

    def new_rows(self) -> tuple[Float32, ...]:
        """Memory for the rows to keep of one stream."""
        return tuple(np.zeros(shape, np.float32) for shape in self._row_shapes(ROWS))

    def _row_shapes(self, rows: int) -> list[tuple[int, ...]]:
        return [(self._inputs[n][1], rows, self._inputs[n][3]) for n in ("rows1", "rows2")]

    def nothing_kept(self, batch: int) -> dict[str, Float32]:
        """The inputs for `batch` windows of which nothing is kept, less the features."""
        rows1, rows2 = (np.empty((batch, *s), np.float32) for s in self._row_shapes(0))
        state = np.zeros((batch, self.units), np.float32)
        return {
            "rows1": rows1,
            "rows2": rows2,
            "state": state,
            "states": state[:, np.newaxis],
            "scores": np.full((batch, 1), NEVER, np.float32),
        }

    def batch(self, size: int, frames: int, steps: int, slots: int, rows: int) -> Batch:
        """Buffers for `size` hops, at most `LARGEST_BATCH`, of `frames` frames and `steps` steps.

        `slots` is how many states are kept of each, the same in every call; `rows`, 0 or `ROWS`,
        how many rows of each block.
        """
        found = self._batches.get((size, frames, rows))
        if found is None:
            mels, units, labels = (int(str(x)) for x in (self.shape.mels, self.units, self.labels))
            first, second = self._row_shapes(rows)
            new_first, new_second = self._row_shapes(ROWS)
            shapes: list[tuple[object, tuple[int, ...]]] = [
                (("features", frames), (frames, mels)),
                (("rows1", rows), first),
                (("rows2", rows), second),
                ("state", (units,)),
                ("states", (slots, units)),
                ("scores", (slots,)),
                ("logits", (labels,)),
                (("new_states", steps), (steps, units)),
                (("new_scores", steps), (steps,)),
                ("new_rows1", new_first),
                ("new_rows2", new_second),
            ]
            arrays = [self._buffer(key, shape)[:size] for key, shape in shapes]
            split = len(INPUTS)
            found = Batch(self._session, tuple(arrays[:split]), tuple(arrays[split:]))
            self._batches[size, frames, rows] = found
        return found

    def _buffer(self, key: object, shape: tuple[int, ...]) -> Float32:
        """One buffer for all batch sizes: a smaller batch is its beginning."""
        if key not in self._buffers:
            self._buffers[key] = np.empty((LARGEST_BATCH, *shape), np.float32)
        return self._buffers[key]

    def whole(self, windows: Frames) -> Float32:
        """Logits (batch, labels) of whole windows (batch, frames, mels), nothing kept."""
        return self(windows, *self.nothing_kept(len(windows)).values())[0]
