"""The DC-RNN on ONNX Runtime: batches of new log-mel frames in, what each step says out."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from livemood.errors import ModelError
from livemood.model.features import Frames

Provider = Literal["auto", "cpu", "cuda"]
Float32 = NDArray[np.float32]

LARGEST_BATCH: Final = {"cpu": 8, "cuda": 64}
"""Hops in one batch: on a CPU more no longer fit its cache, and hold up events that are ready."""

_NAMES: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
INPUTS: Final = ("features", "rows1", "rows2", "state")
OUTPUTS: Final = ("votes", "scores", "new_state", "new_rows1", "new_rows2")
MOMENTS: Final = "livemood.moments"
"""Where a file carries what makes logits of mean and deviation: float32, little-endian, base64."""
LEAST_VARIANCE: Final = np.float32(1e-5)
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
        inputs: tuple[NDArray[Any], ...],
        outputs: tuple[NDArray[Any], ...],
    ) -> None:
        self.features, self.rows1, self.rows2, self.state = inputs
        """`rows1` and `rows2` are empty if the hops begin afresh."""
        self.votes, self.scores, self.new_state, self.new_rows1, self.new_rows2 = outputs
        self._session = session
        self._binding = session.io_binding()
        for name, array in zip(INPUTS, inputs, strict=True):
            self._binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for node, array in zip(session.get_outputs(), outputs, strict=True):
            self._binding.bind_output(
                node.name, "cpu", 0, array.dtype, array.shape, array.ctypes.data
            )

    def run(self) -> None:
        """Compute the outputs."""
        self._session.run_with_iobinding(self._binding)


class OnnxNetwork:
    """One ONNX file that says of each new step how it sounds and how much that counts.

    The convolutions see new frames only, beside the last rows they gave, and the recurrence goes on
    from a state. A window is read by `pooled` from what all of its steps say. A window without
    earlier steps is the same call with nothing kept.
    """

    def __init__(
        self,
        path: Path,
        provider: Provider = "auto",
        threads: int = 1,
        largest_batch: int | None = None,
    ) -> None:
        """`largest_batch` is for trials: `LARGEST_BATCH` says what is best."""
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
                str(path),
                options,
                providers=[_NAMES[w] for w in wanted if _NAMES[w] in available],
                # It would quantize what the first convolution gives before pooling, not after.
                disabled_optimizers=["QDQPropagationTransformer"],
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no public base class
            line = str(error).splitlines()[0]
            raise ModelError(f"ONNX Runtime cannot load {path}: {line}") from None
        inputs = {i.name: i.shape for i in self._session.get_inputs()}
        kinds = {i.name: i.type for i in self._session.get_inputs()}
        outputs = self._session.get_outputs()
        if tuple(inputs) != INPUTS or tuple(o.name for o in outputs) != OUTPUTS:
            raise ModelError(
                f"{path} is not a streaming DC-RNN of this version: its inputs are "
                f"{', '.join(inputs)}, not {', '.join(INPUTS)}; export it again"
            )
        self.largest_batch = largest_batch or LARGEST_BATCH[self.provider]
        """Most hops in one batch."""
        self._inputs = inputs
        self._rows_type = np.uint8 if kinds["rows1"] == "tensor(uint8)" else np.float32
        self._batches: dict[tuple[int, int, int], Batch] = {}
        self._buffers: dict[tuple[str, tuple[int, ...]], NDArray[Any]] = {}
        self.said = int(str(outputs[0].shape[-1]))
        """Values in what one step says: as many as there are labels, or what is pooled."""
        written = self._session.get_modelmeta().custom_metadata_map
        self.moments = moments_of(written, self.said, path)
        """From mean and deviation over a window to its logits, (2 x said + 1, labels), the bias
        last; none if steps vote for labels."""
        labels = self.said if self.moments is None else self.moments.shape[1]
        self.shape = Shape(inputs["features"][-1], inputs["state"][-1], labels)

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

    def __call__(self, *inputs: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Outputs in the order of `OUTPUTS` for inputs in the order of `INPUTS`.

        `features` (batch, frames, mels) hold the new steps' frames. `rows1` and `rows2`, two of
        each or none, are the last rows of the first two blocks of convolution: (batch, channels,
        kept, mels // 2 or 4) in a float32 network, (batch, kept, mels // 2 or 4, channels) as uint8
        in a quantized one. `state` (1, batch, units) is the recurrent state before the new steps.

        Votes are (steps, batch, said), scores (steps, batch); then come the state to go on from
        and the rows to keep.
        """
        return tuple(self._session.run(None, dict(zip(INPUTS, inputs, strict=True))))

    def no_rows(self, rows: int = ROWS) -> tuple[NDArray[Any], ...]:
        """Zeros for what is kept of the convolutions of one stream, `rows` rows of each block."""
        return tuple(np.zeros(shape, self._rows_type) for shape in self._row_shapes(rows))

    def _row_shapes(self, rows: int) -> list[tuple[int, ...]]:
        sizes = (self._inputs[name][1:] for name in ("rows1", "rows2"))
        return [tuple(s if isinstance(s, int) else rows for s in shape) for shape in sizes]

    def nothing_kept(self, batch: int) -> dict[str, NDArray[Any]]:
        """The inputs for `batch` windows of which nothing is kept, less the features."""
        shapes = self._row_shapes(0)
        rows1, rows2 = (np.empty((batch, *shape), self._rows_type) for shape in shapes)
        state = np.zeros((1, batch, self.units), np.float32)
        return {"rows1": rows1, "rows2": rows2, "state": state}

    def batch(self, size: int, frames: int, steps: int, rows: int) -> Batch:
        """Buffers for `size` hops, at most `largest_batch`, of `frames` frames and `steps` steps.

        `rows`, 0 or `ROWS`, is how many rows are kept of each block.
        """
        found = self._batches.get((size, frames, rows))
        if found is None:
            mels = int(str(self.shape.mels))
            first, second = self._row_shapes(rows)
            new_first, new_second = self._row_shapes(ROWS)
            kind = self._rows_type
            inputs = (
                self._buffer(size, "features", (frames, mels)),
                self._buffer(size, "rows1", first, kind),
                self._buffer(size, "rows2", second, kind),
                self._buffer(size, "state", (self.units,))[np.newaxis],
            )
            outputs = (
                np.empty((steps, size, self.said), np.float32),
                np.empty((steps, size), np.float32),
                self._buffer(size, "new_state", (self.units,))[np.newaxis],
                self._buffer(size, "new_rows1", new_first, kind),
                self._buffer(size, "new_rows2", new_second, kind),
            )
            found = Batch(self._session, inputs, outputs)
            self._batches[size, frames, rows] = found
        return found

    def _buffer(
        self, size: int, name: str, shape: tuple[int, ...], kind: type = np.float32
    ) -> NDArray[Any]:
        """One buffer for all batch sizes: a smaller batch is its beginning."""
        key = (name, shape)
        if key not in self._buffers:
            self._buffers[key] = np.empty((self.largest_batch, *shape), kind)
        return self._buffers[key][:size]

    def whole(self, windows: Frames) -> Float32:
        """Logits (batch, labels) of whole windows (batch, frames, mels), nothing kept."""
        votes, scores, *_ = self(windows, *self.nothing_kept(len(windows)).values())
        return pooled(votes.swapaxes(0, 1), weights_of(scores.T), self.moments)


def weights_of(scores: Float32) -> Float32:
    """What each step weighs by its attention score: its exponential, far from over- and underflow.

    Divided by their sum, as `pooled` does, these are the softmax of any window's scores.
    """
    out: Float32 = np.maximum(scores, -_STEEPEST)
    np.minimum(out, _STEEPEST, out=out)
    return np.exp(out, out=out)


_STEEPEST: Final = np.float32(40.0)


def pooled(votes: Float32, weights: Float32, moments: Float32 | None = None) -> Float32:
    """Logits (windows, labels) of what steps say (windows, steps, said), by weights, some not 0.

    That is the mean of votes, or with `moments` what these make of mean and deviation over time
    (statistics pooling, Okabe et al. 2018). Each window is a product of its own, so it reads the
    same alone and in a batch.
    """
    heavy, total = weights[:, np.newaxis], np.add.reduce(weights, axis=1, keepdims=True)
    mean: Float32 = np.matmul(heavy, votes)[:, 0]
    mean /= total
    if moments is None:
        return mean
    # About the mean, not from the mean of squares: what hardly varies would drown in rounding.
    around = votes - mean[:, np.newaxis]
    around *= around
    variance: Float32 = np.matmul(heavy, around)[:, 0]
    variance /= total
    both = np.concatenate((mean, np.sqrt(variance + LEAST_VARIANCE)), axis=1)
    out: Float32 = np.matmul(both[:, np.newaxis], moments[:-1])[:, 0]
    out += moments[-1]
    return out


def moments_of(written: dict[str, str], said: int, path: Path) -> Float32 | None:
    """The matrix for `pooled` in the metadata of the file at `path`, if any, for `said` values.

    Raises `ModelError` if it is damaged.
    """
    if MOMENTS not in written:
        return None
    try:
        values = np.frombuffer(base64.b64decode(written[MOMENTS], validate=True), "<f4")
        out: Float32 = values.reshape(2 * said + 1, -1).astype(np.float32)
    except ValueError:
        raise ModelError(f"{path} is damaged: what pools its steps does not fit them") from None
    return out
