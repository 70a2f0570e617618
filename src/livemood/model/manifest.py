"""A model's manifest: what it is, what it takes, what made it, how good it was measured to be."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from livemood.errors import ModelError
from livemood.model.features import FeatureSettings
from livemood.model.labels import UNCERTAIN
from livemood.speech.vad import SAMPLE_RATE

MANIFEST = "manifest.json"


Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
"""A plain word: labels go into XML, WebVTT and column names."""


class Network(BaseModel):
    """How the network's time steps lie on the frames of features."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    step_frames: int = Field(gt=0)
    """Frames from one step to the next; a window starts on a multiple of this."""
    context_frames: int = Field(gt=0)
    """Frames that one step sees, from its own first frame on."""
    kept_frames: int = Field(ge=0)
    """The first so many of these need not be seen again right after the step before."""


class Window(BaseModel):
    """Lengths of sound in seconds that the model was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shortest_s: float = Field(1.0, gt=0)
    longest_s: float = Field(3.0, gt=0)


class TrainedOn(BaseModel):
    """One corpus that the model learnt from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpus: str
    licence: str
    reference: str


class Manifest(BaseModel):
    """The whole manifest; `manifest.json` is this as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_: Literal["livemood.model/1"] = Field("livemood.model/1", alias="schema")
    name: str
    version: str
    file: str = Field("model.onnx", pattern=r"^[\w.-]+$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    precision: Literal["float32", "int8"]
    parameters: int = Field(gt=0)
    labels: tuple[Label, ...] = Field(min_length=2)
    """In the order of the network's outputs."""
    features: FeatureSettings
    network: Network
    window: Window
    temperature: float = Field(ge=0.01, le=100)
    """Logits are divided by this before the softmax (Guo et al. 2017)."""
    priors: tuple[Annotated[float, Field(ge=1e-4)], ...]
    """Share of each label that the probabilities were calibrated for; sums to 1."""
    valence_arousal: Literal["derived"] = "derived"
    """Derived: the probability-weighted mean of published circumplex coordinates."""
    trained_on: tuple[TrainedOn, ...]
    licence: str
    metrics: dict[str, Any]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.labels)) != len(self.labels) or UNCERTAIN in self.labels:
            raise ValueError(f"labels must differ from each other and from {UNCERTAIN!r}")
        if len(self.priors) != len(self.labels) or abs(sum(self.priors) - 1) > 1e-3:
            raise ValueError("priors must give each label its share, summing to 1")
        if self.features.sample_rate != SAMPLE_RATE:
            raise ValueError(f"the features must take sound of {SAMPLE_RATE} samples a second")
        if self.window.longest_s < self.window.shortest_s:
            raise ValueError("the longest window must not be shorter than the shortest")
        shortest = round(self.window.shortest_s * self.features.sample_rate)
        usable = self.features.frames_in(shortest) - (self.network.step_frames - 1)
        if usable < self.network.context_frames:
            raise ValueError("the shortest window does not hold one step of the network")
        if (
            not 0
            <= self.network.kept_frames
            < self.network.context_frames - self.network.step_frames
        ):
            raise ValueError("kept_frames must be less than what two steps in a row both see")
        return self


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the model in `folder`, checked against the model file beside it.

    Raises `ModelError` if there is none, if it is malformed, or if the file is not the one that
    the manifest describes.
    """
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError:
        raise ModelError(
            f"no model at {folder}: a model is a folder with {MANIFEST} and model.onnx"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        # Names in the file are anybody's: the message stays one line whatever they hold.
        if first["type"] == "missing" and first["loc"][0] == "network":
            raise ModelError(
                f"the model at {folder} was made by an earlier livemood: export it again, or "
                "install it again"
            ) from None
        where = " ".join(".".join(str(part) for part in first["loc"]).split()) or MANIFEST
        raise ModelError(f"the model at {folder} is damaged: {where}: {first['msg']}") from None
    file = folder / manifest.file
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        raise ModelError(
            f"the model at {folder} has no {manifest.file}: install it again"
        ) from None
    if digest != manifest.sha256:
        raise ModelError(
            f"the model at {folder} is damaged: {manifest.file} is not the file its manifest "
            "describes (SHA-256 differs); install it again"
        )
    return manifest


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write `manifest` into `folder`."""
    text = json.dumps(manifest.model_dump(mode="json", by_alias=True), indent=2)
    (folder / MANIFEST).write_text(text + "\n", "utf-8")
