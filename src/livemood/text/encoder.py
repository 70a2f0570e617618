"""A text encoder on ONNX Runtime: sentences in, probabilities of emotions out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from livemood.errors import ModelError, UsageError
from livemood.model.registry import models_folder
from livemood.text.manifest import MODEL, TOKENIZER, TextManifest, read_text_manifest

DEFAULT: Final = "words"
BATCH: Final = 16
Float64 = NDArray[np.float64]


class TextEncoder:
    """Reads sentences. Several threads may use one."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load the model in `folder`.

        Raises `ModelError` if it cannot be used, `UsageError` if the extra `words` is missing.
        """
        self.manifest: TextManifest = read_text_manifest(folder)
        self._tokenizer = _tokenizer(folder / TOKENIZER, self.manifest.longest)
        self._session = _session(folder / MODEL, threads)
        given = [node.name for node in self._session.get_inputs()]
        if given != ["tokens", "mask"]:
            raise ModelError(f"the text model at {folder} takes {given}, not tokens and mask")

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of probabilities."""
        return self.manifest.labels

    def logits(self, texts: Sequence[str]) -> Float64:
        """What the network says of each text, (texts, labels), before the temperature."""
        encodings = self._tokenizer.encode_batch(list(texts))
        order = sorted(range(len(texts)), key=lambda i: len(encodings[i].ids))
        out = np.empty((len(texts), len(self.labels)))
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            longest = len(encodings[places[-1]].ids)
            tokens = np.zeros((len(places), longest), np.int64)
            mask = np.zeros_like(tokens)
            for row, place in enumerate(places):
                ids = encodings[place].ids
                tokens[row, : len(ids)] = ids
                mask[row, : len(ids)] = 1
            out[places] = self._session.run(None, {"tokens": tokens, "mask": mask})[0]
        return out

    def read(self, texts: Sequence[str]) -> Float64:
        """Calibrated probabilities of each text, (texts, labels), each row summing to 1."""
        return softmax(self.logits(texts) / self.manifest.temperature)


def softmax(logits: Float64) -> Float64:
    """Probabilities (texts, labels) of logits, each row summing to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Float64 = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def find_text_model(name: str | Path) -> Path:
    """The folder of the shipped text model `name`, or `name` itself if it is a folder."""
    if Path(name).is_dir():
        return Path(name)
    shipped = models_folder() / "text" / str(name)
    if shipped.is_dir():
        return shipped
    raise ModelError(
        f"no text model is called {str(name)!r}: use words, which comes along, or the folder of "
        "one that livemood train-text made"
    )


def _tokenizer(path: Path, longest: int) -> Any:  # noqa: ANN401 - loaded only if it is used
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UsageError("reading words needs: pip install 'livemood[words]'") from None
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises bare Exceptions
        raise ModelError(f"{path} is no tokenizer: {' '.join(str(error).split())[:120]}") from None
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest)
    return tokenizer


def _session(path: Path, threads: int) -> Any:  # noqa: ANN401
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no public base class
        raise ModelError(f"ONNX Runtime cannot load {path}: {str(error).splitlines()[0]}") from None
