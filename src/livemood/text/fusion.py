"""Late fusion: a text encoder and a product of experts meet the engine's protocol `Fusion`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from livemood.engine import AnyModel, WordsThread
from livemood.engine.extensions import reader_of
from livemood.engine.extensions.fusion import Evidence
from livemood.engine.inference import WindowReader
from livemood.errors import UsageError
from livemood.text.encoder import DEFAULT, Float64, TextEncoder, find_text_model
from livemood.text.experts import gate_weights, product
from livemood.text.packages import find_folder
from livemood.text.recogniser import RecogniserProcess, SessionRecogniser


class LateFusion:
    """Reads what is said, and joins it with how it sounds.

        session = livemood.Session(rate=16000, fusion=livemood.LateFusion())
        session.push(block)
        session.push_transcript("That is wonderful!", 0, 1400)

    `model` is a shipped text model or a folder that `livemood train-text` made. `method` says how
    voice and words are joined: `product` takes both at their word; `gate` has learned how far to
    trust each. A gate that the model lacks falls back to `product` unless you ask for it.

    `recogniser` is the folder of a Whisper model as CTranslate2 files: then speech is recognised
    here, in a process of its own that `close` ends. `package:NAME/FOLDER` is a folder in an
    installed package.

    Raises `ModelError` for a model that cannot be used, `UsageError` without the extra `words`.
    """

    def __init__(
        self,
        model: str | Path = DEFAULT,
        method: Literal["gate", "product"] | None = None,
        recogniser: str | Path | None = None,
    ) -> None:
        self.encoder = TextEncoder(find_text_model(model))
        self._gate = self.encoder.manifest.gate
        if method not in (None, "gate", "product"):
            raise UsageError(f"method is gate or product, not {method!r}")
        if method == "gate" and self._gate is None:
            raise UsageError(f"the text model {self.encoder.manifest.name} has no gate")
        if method == "product":
            self._gate = None
        self._process = None
        if recogniser is not None:
            self._process = RecogniserProcess(find_folder(recogniser))

    def close(self) -> None:
        """End the recogniser's process, if there is one."""
        if self._process is not None:
            self._process.close()

    def recogniser(self, rate: int, channels: int) -> SessionRecogniser | None:
        """What recognises the speech of one session; None without a recogniser."""
        process = self._process
        return None if process is None else SessionRecogniser(process, rate, channels)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that words are read by."""
        return self.encoder.labels

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise `UsageError` if a session of `labels` cannot be joined with what words say."""
        if unknown := [label for label in self.labels if label not in labels]:
            raise UsageError(
                f"the words' label {unknown[0]} is none of the model of sound, which has "
                f"{', '.join(labels)}"
            )

    def read(self, text: str, labels: Sequence[str]) -> Evidence:
        """What `text` says, by a session's `labels`."""
        manifest = self.encoder.manifest
        own = self.encoder.read([text])[0]
        return Evidence(
            "words",
            _spread(own, self.labels, labels),
            _spread(np.array(manifest.priors), self.labels, labels),
        )

    def fuse(self, evidence: Sequence[Evidence]) -> Float64:
        """The joint distribution; that of the voice itself where nothing else is there."""
        weights = [each.weight for each in evidence]
        by_source = {each.source: place for place, each in enumerate(evidence)}
        if self._gate and {"voice", "words"} <= set(by_source):
            voice, words = by_source["voice"], by_source["words"]
            gated = gate_weights(
                evidence[voice].probabilities,
                evidence[words].probabilities,
                self._gate.voice,
                self._gate.words,
            )
            weights[voice] *= gated[0]
            weights[words] *= gated[1]
        if len(evidence) == 1 and evidence[0].source == "voice":
            return evidence[0].probabilities
        return product(
            [each.probabilities for each in evidence], [each.priors for each in evidence], weights
        )


def open_words(
    model: str | Path, heard: AnyModel | WindowReader, recogniser: str | Path | None = None
) -> "OpenWords":
    """What reads words of sessions that `heard` reads, to be closed after them.

    Raises what `LateFusion` raises.
    """
    fusion = LateFusion(model, recogniser=recogniser)
    fusion.check_labels(reader_of(heard).info.labels)
    return OpenWords(fusion)


class OpenWords:
    """A fusion and the thread that reads for it; both are closed together."""

    def __init__(self, fusion: LateFusion) -> None:
        self._fusion = fusion
        self.thread = WordsThread(fusion)
        """What sessions are given."""

    def close(self) -> None:
        """Read what waits, then end thread and recogniser."""
        self.thread.close()
        self._fusion.close()


def _spread(own: Float64, mine: Sequence[str], labels: Sequence[str]) -> Float64:
    """A distribution over `mine` as one over `labels`, some of which it may lack."""
    out = np.full(len(labels), 1.0 / len(labels))
    for label, p in zip(mine, own, strict=True):
        out[list(labels).index(label)] = p
    spread: Float64 = out / out.sum()
    return spread
