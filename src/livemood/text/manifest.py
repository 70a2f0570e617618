"""A text model's manifest: what it is, what made it, how good it was measured to be."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from livemood.errors import ModelError
from livemood.model.labels import UNCERTAIN
from livemood.model.manifest import MANIFEST, Label, TrainedOn, check_file

MODEL: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Gate(BaseModel):
    """How much voice and words count, learned; see `livemood.text.experts`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    voice: tuple[float, ...] = Field(min_length=5, max_length=5)
    """Coefficients of the voice's weight: see `livemood.text.experts.GATE_INPUTS`."""
    words: tuple[float, ...] = Field(min_length=5, max_length=5)
    """The same for the weight of the words."""


class TextManifest(BaseModel):
    """The whole manifest; `manifest.json` is this as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_: Literal["livemood.text/1"] = Field("livemood.text/1", alias="schema")
    name: str
    version: str
    sha256: Digest
    """Of `model.onnx`."""
    tokenizer_sha256: Digest
    """Of `tokenizer.json`."""
    precision: Literal["float32", "int8"]
    parameters: int = Field(gt=0)
    labels: tuple[Label, ...] = Field(min_length=2)
    """In the order of the network's outputs."""
    longest: int = Field(ge=8, le=512)
    """Tokens that are read of a text; the rest is left out."""
    temperature: float = Field(ge=0.01, le=100)
    """Logits are divided by this before the softmax (Guo et al. 2017)."""
    priors: tuple[Annotated[float, Field(ge=1e-4)], ...]
    """Share of each label in what it was calibrated on; sums to 1."""
    thresholds: tuple[Annotated[float, Field(ge=0, le=1)], ...]
    """Probability from which each label counts as named, where several may hold."""
    gate: Gate | None = None
    """How it is weighed against a voice; none if that was not learned."""
    trained_on: tuple[TrainedOn, ...]
    licence: str
    metrics: dict[str, Any]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.labels)) != len(self.labels) or UNCERTAIN in self.labels:
            raise ValueError(f"labels must differ from each other and from {UNCERTAIN!r}")
        if len(self.priors) != len(self.labels) or abs(sum(self.priors) - 1) > 1e-3:
            raise ValueError("priors must give each label its share, summing to 1")
        if len(self.thresholds) != len(self.labels):
            raise ValueError("thresholds must give each label its own")
        return self


def read_text_manifest(folder: Path) -> TextManifest:
    """The manifest of the text model in `folder`, checked against the files beside it.

    Raises `ModelError` if there is none, if it is malformed, or if a file is not the one that the
    manifest describes.
    """
    try:
        manifest = TextManifest.model_validate_json((folder / MANIFEST).read_bytes())
    except OSError:
        raise ModelError(
            f"no text model at {folder}: that is a folder with {MANIFEST}, {MODEL} and {TOKENIZER}"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = " ".join(".".join(str(part) for part in first["loc"]).split()) or MANIFEST
        raise ModelError(
            f"the text model at {folder} is damaged: {where}: {first['msg']}"
        ) from None
    for name, digest in ((MODEL, manifest.sha256), (TOKENIZER, manifest.tokenizer_sha256)):
        check_file(folder, name, digest, "text model")
    return manifest
