"""The DC-RNN on ONNX Runtime: batches of log-mel windows in, logits out."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from livemood.errors import ModelError
from livemood.model.features import Frames

Provider = Literal["auto", "cpu", "cuda"]

_NAMES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxNetwork:
    """One ONNX file with input (batch, frames, mels) and output (batch, labels)."""

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
        self._input = self._session.get_inputs()[0].name

    @property
    def provider(self) -> str:
        """`cpu` or `cuda`: where the network runs."""
        first = self._session.get_providers()[0]
        return next(name for name, full in _NAMES.items() if full == first)

    @property
    def inputs(self) -> object:
        """How many mel bands go in, as the file says."""
        return _last(self._session.get_inputs()[0].shape, 3)

    @property
    def outputs(self) -> object:
        """How many logits come out, as the file says."""
        return _last(self._session.get_outputs()[0].shape, 2)

    def __call__(self, batch: Frames) -> NDArray[np.float32]:
        """Logits, shape (batch, labels), of `batch`, float32 of shape (batch, frames, mels)."""
        out: NDArray[np.float32] = self._session.run(None, {self._input: batch})[0]
        return out


def _last(shape: list[object], rank: int) -> object:
    """The last size of a shape of `rank` sizes; none for another rank."""
    return shape[-1] if len(shape) == rank else None
