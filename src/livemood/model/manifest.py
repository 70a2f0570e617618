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
from livemood.model.labels import CIRCUMPLEX, DIMENSIONS, UNCERTAIN, Dimension
from livemood.speech.vad import SAMPLE_RATE

MANIFEST = "manifest.json"


Coordinate = Annotated[float, Field(ge=-1, le=1)]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
"""A plain word: labels go into XML, WebVTT and column names."""


class Network(BaseModel):
    """How the network's time steps lie on the frames of features."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["dc-rnn", "streaming-encoder"] = "dc-rnn"
    step_frames: int = Field(gt=0)
    """Frames from one step to the next; a window starts on a multiple of this."""
    context_frames: int = Field(gt=0)
    """Frames that one block of steps sees, from its own first frame on."""
    kept_frames: int = Field(ge=0)
    """The first so many of these need not be seen again right after the block before."""
    block_steps: int = Field(1, gt=0)
    """Steps that the network reads together: it hears new sound in blocks of so many."""
    lead_samples: int = Field(0, ge=0)
    """Samples that a block sees before its place on the grid. A block that leads by all that it
    sees beyond its own length ends on a whole number of blocks."""


class Window(BaseModel):
    """Lengths of sound in seconds that the model was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shortest_s: float = Field(1.0, gt=0)
    longest_s: float = Field(3.0, gt=0)


class BaselineSettings(BaseModel):
    """How a voice's baseline grows from what was heard of it; see `livemood.model.baseline`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shrink_s: float = Field(10.0, gt=0)
    """A baseline that rests on so many seconds counts for one half."""
    wait_s: float = Field(0.0, ge=0)
    """Seconds that one which grows while somebody is listened to must rest on before it counts.
    What is heard of a voice at first may be of one emotion only. One that was enrolled counts at
    once.
    """
    least_window_s: float = Field(0.0, ge=0)
    """Seconds of the shortest window that it grows by while somebody is listened to. Statistics of
    shorter ones lie elsewhere whoever speaks: their deviation is smaller."""
    longest_s: float = Field(60.0, gt=0)
    """Seconds that a baseline rests on at most; what is heard later slowly takes their place."""
    neutral: str = "neutral"
    """The label that a voice at rest has."""
    least_weight: float = Field(0.1, ge=0, le=1)
    """What a second weighs that sounds certainly not neutral; one that does weighs 1."""
    most: float = Field(3.0, gt=0)
    """No statistic of a window counts as further from the training speakers' mean than so many
    of their deviations."""
    most_moved: float = Field(1.5, gt=0)
    """How far one session can move a baseline, in deviations."""
    unknown: tuple[Annotated[float, Field(ge=-20, le=20)], ...] = ()
    """Added to the logits of a voice of which nothing is known, one for each label; less of it as
    a baseline counts for more. None if empty."""


class NotSpeech(BaseModel):
    """When a window counts as no speech: laughter, music, a bark."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float = Field(0.5, gt=0, lt=1)
    """Probability from which no emotion is told."""


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
    hop_s: float | None = Field(None, gt=0)
    """Seconds from one window to the next, unless somebody says otherwise."""
    baseline: BaselineSettings | None = None
    """How voices' baselines are used; not at all if there is none."""
    not_speech: NotSpeech | None = None
    """How the network's own word for "this is no speech" is used, if it has one."""
    temperature: float = Field(ge=0.01, le=100)
    """Logits are divided by this before the softmax (Guo et al. 2017)."""
    priors: tuple[Annotated[float, Field(ge=1e-4)], ...]
    """Share of each label that the probabilities were calibrated for; sums to 1."""
    valence_arousal: Literal["derived", "learnt"] = "derived"
    """Derived: the probability-weighted mean of published circumplex coordinates. Learnt: what the
    network gives after the labels, in the order of `dimensions`."""
    dimensions: tuple[Dimension, ...] = ()
    """What it learnt from ratings, each in [-1, 1]: nothing, or these two or three."""
    places: dict[Label, tuple[Coordinate, Coordinate]] = Field(default_factory=dict)
    """Valence and arousal, in [-1, 1], of labels that stand elsewhere or have no published ones."""
    trained_on: tuple[TrainedOn, ...]
    licence: str
    metrics: dict[str, Any]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.labels)) != len(self.labels) or UNCERTAIN in self.labels:
            raise ValueError(f"labels must differ from each other and from {UNCERTAIN!r}")
        if len(self.priors) != len(self.labels) or abs(sum(self.priors) - 1) > 1e-3:
            raise ValueError("priors must give each label its share, summing to 1")
        if self.dimensions not in ((), DIMENSIONS[:2], DIMENSIONS):
            raise ValueError("dimensions are none, or valence, arousal and maybe dominance")
        if (self.valence_arousal == "learnt") != bool(self.dimensions):
            raise ValueError("valence_arousal is learnt if there are dimensions, and else derived")
        if unknown := set(self.places) - set(self.labels):
            raise ValueError(f"places has {min(unknown)!r}, which is not one of labels")
        if self.features.sample_rate != SAMPLE_RATE:
            raise ValueError(f"the features must take sound of {SAMPLE_RATE} samples a second")
        if self.window.longest_s < self.window.shortest_s:
            raise ValueError("the longest window must not be shorter than the shortest")
        self._check_network()
        if self.baseline and self.baseline.neutral not in self.labels:
            raise ValueError(f"the baseline's label {self.baseline.neutral!r} is not one of labels")
        if self.baseline and len(self.baseline.unknown) not in (0, len(self.labels)):
            raise ValueError("baseline.unknown must give each label its value, or none")
        return self

    @property
    def coordinates(self) -> list[tuple[float, float]]:
        """Valence and arousal of each label; the origin for one that nobody placed."""
        known = {**CIRCUMPLEX, **self.places}
        return [known.get(label, (0.0, 0.0)) for label in self.labels]

    def _check_network(self) -> None:
        network, rate = self.network, self.features.sample_rate
        block = network.step_frames * network.block_steps
        shortest = self.features.frames_in(round(self.window.shortest_s * rate))
        if shortest - (block - 1) < network.context_frames:
            raise ValueError("the shortest window does not hold one step of the network")
        if not 0 <= network.kept_frames < network.context_frames - block:
            raise ValueError("kept_frames must be less than what two steps in a row both see")
        hop = None if self.hop_s is None else self.hop_s * rate / (block * self.features.hop_length)
        if network.block_steps > 1 and (hop is None or hop < 1 or abs(hop - round(hop)) > 1e-6):
            raise ValueError("hop_s must be a whole number of the network's blocks")


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
    check_file(folder, manifest.file, manifest.sha256)
    return manifest


def check_file(folder: Path, name: str, sha256: str, kind: str = "model") -> None:
    """Raise `ModelError` unless `folder` holds the file that its manifest describes."""
    if digest_of(folder / name, kind) != sha256:
        raise ModelError(
            f"the {kind} at {folder} is damaged: {name} is not the file its manifest "
            "describes (SHA-256 differs); install it again"
        )


def digest_of(file: Path, kind: str = "model") -> str:
    """SHA-256 of a model's file, in hexadecimal. Raises `ModelError` if it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        raise ModelError(
            f"the {kind} at {file.parent} has no {file.name}: install it again"
        ) from None


def write_manifest(manifest: BaseModel, folder: Path) -> None:
    """Write the manifest of a model, of any kind, into `folder`."""
    text = json.dumps(manifest.model_dump(mode="json", by_alias=True), indent=2)
    (folder / MANIFEST).write_text(text + "\n", "utf-8")
