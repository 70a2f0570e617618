"""A streaming network on ONNX Runtime: new log-mel frames and a state in, step outputs out."""

from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from livemood.errors import ModelError
from livemood.model.network.batch import Batch, Buffers
from livemood.model.network.interface import AGE, BLOCK, Interface, interface_of
from livemood.model.network.pooling import (
    Speakers,
    logits_of,
    pooling_matrix,
    speakers_of,
    statistics,
    weighted_mean,
)

Provider = Literal["auto", "cpu", "cuda"]
Float32 = NDArray[np.float32]

LARGEST_BATCH: Final = {"cpu": 8, "cuda": 64}
"""Hops in one batch: on a CPU more no longer fit its cache, and hold up events that are ready."""

_NAMES: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxNetwork:
    """One ONNX file that gives the output and the weight of each new step.

    It goes on from a streaming state, whose parts `interface` lists. A window is read by what all
    of its steps say. A window without earlier steps is the same call with a fresh state.
    """

    def __init__(
        self,
        path: Path,
        provider: Provider = "auto",
        threads: int = 1,
        largest_batch: int | None = None,
    ) -> None:
        """`largest_batch` is for trials: `LARGEST_BATCH` says what is best."""
        self._session = _open(path, provider, threads)
        self.interface: Interface = interface_of(self._session, path)
        self.largest_batch = largest_batch or LARGEST_BATCH[self.provider]
        """Most hops in one batch."""
        written = self._session.get_modelmeta().custom_metadata_map
        self.pooling_matrix = pooling_matrix(written, self.interface.width, path)
        """From mean and deviation over a window to its logits, (2 x width + 1, labels), the bias
        last; none if steps vote for labels."""
        self.speakers: Speakers | None = speakers_of(written, self.interface.width, path)
        """How those statistics lie over training speakers, if the file says so."""
        self._batches: dict[tuple[int, int, bool], Batch] = {}
        self._buffers = Buffers(self.largest_batch)

    @property
    def provider(self) -> str:
        """`cpu` or `cuda`: where the network runs."""
        first = self._session.get_providers()[0]
        return next(name for name, full in _NAMES.items() if full == first)

    @property
    def labels(self) -> int:
        """Logits for one window."""
        matrix = self.pooling_matrix
        return self.interface.width if matrix is None else int(matrix.shape[1])

    def batch(self, size: int, frames: int, steps: int, *, fresh: bool) -> Batch:
        """Buffers for `size` streams, at most `largest_batch`: so many frames in, steps out.

        `fresh` only matters to a network with parts of the state that are empty at first.
        """
        key = (size, frames, fresh)
        found = self._batches.get(key)
        if found is None:
            found = Batch(
                self._session, self.interface, self._buffers, size, frames, steps, fresh=fresh
            )
            self._batches[key] = found
        return found

    def __call__(self, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Outputs by name for inputs by name, as `interface` describes them."""
        names = [node.name for node in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, inputs), strict=True))

    def fresh_state(self, batch: int) -> dict[str, NDArray[Any]]:
        """The inputs for `batch` streams that begin, less the features."""
        out: dict[str, NDArray[Any]] = {}
        for s in self.interface.states:
            state = np.zeros((batch, *s.fresh_shape), s.dtype)
            out[s.name] = state[np.newaxis] if s.batch_axis else state
        if self.interface.has_age:
            out[AGE] = np.zeros((batch, self.interface.entries), np.float32)
        if self.interface.has_block:
            out[BLOCK] = np.zeros(batch, np.float32)
        return out

    def read(self, pooled: Float32) -> Float32:
        """Logits (windows, labels) of what `pool` gave."""
        return pooled if self.pooling_matrix is None else logits_of(pooled, self.pooling_matrix)

    def pool(self, votes: Float32, weights: Float32) -> Float32:
        """What is pooled of windows: statistics, or logits where steps vote for labels.

        `votes` (windows, steps, width), `weights` (windows, steps).
        """
        pool = weighted_mean if self.pooling_matrix is None else statistics
        return pool(votes, weights)


def _open(path: Path, provider: Provider, threads: int) -> Any:  # noqa: ANN401
    """An ONNX Runtime session for the file at `path`."""
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
        return ort.InferenceSession(
            str(path),
            options,
            providers=[_NAMES[w] for w in wanted if _NAMES[w] in available],
            # It would quantize what the first convolution gives before pooling, not after.
            disabled_optimizers=["QDQPropagationTransformer"],
        )
    except Exception as error:  # ONNX Runtime's own exceptions share no public base class
        line = str(error).splitlines()[0]
        raise ModelError(f"ONNX Runtime cannot load {path}: {line}") from None
