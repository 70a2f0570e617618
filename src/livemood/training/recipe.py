"""A recipe: everything that decides how a model comes out, in one TOML file."""

import tomllib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from livemood.errors import UsageError
from livemood.model.features import FeatureSettings


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CorpusPart(_Part):
    """One corpus to train on."""

    name: str
    """Its folder under the corpora directory, with `metadata.csv` in it."""
    share: float = Field(1.0, gt=0, le=1)
    """How much of it is drawn, at random, for each epoch."""
    held_out: tuple[str, ...] = ()
    """Speakers never trained on: the figures in the model's card are measured on them."""


class NetworkPart(_Part):
    """The shape of the DC-RNN."""

    channels: int = Field(64, gt=0)
    hidden: int = Field(512, gt=0)
    rank: int = Field(0, ge=0)
    """Rank of the second and third convolutions, each then one over time and one over mel bands.

    At 32 of 64 channels a third of the multiplications, at 16 a sixth. 0 leaves them whole.
    """
    width: int = Field(0, ge=0)
    """Values that each step hands to the recurrent layer; 0 for `hidden`."""
    recurrent: int = Field(128, gt=0)
    """Units of the causal recurrent layer."""
    carried: float = Field(0.5, ge=0, le=1)
    """Share of training examples whose recurrence begins where another example ended."""
    bidirectional: int = Field(0, ge=0)
    """Units each way of a bidirectional head trained beside it, for comparison; 0 for none."""
    dropout: float = Field(0.3, ge=0, lt=1)
    source: str | None = None
    """Source model whose convolutions and linear layers are the initial weights."""
    source_sha256: str | None = None
    source_head: bool = False
    """Whether the recurrent layer and the pooling come from the source, too."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.width > self.hidden:
            raise ValueError(f"width must not exceed hidden ({self.hidden})")
        return self

    @property
    def step_width(self) -> int:
        """Values that each step hands to the recurrent layer."""
        return self.width or self.hidden


class AugmentPart(_Part):
    """Changes made to the log-mel features of training examples, each drawn anew."""

    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    """Factors of playing speed (tempo and pitch together); one is drawn for each example."""
    gain_db: float = Field(10.0, ge=0)
    """Largest change of level, either way."""
    tilt_db: float = Field(6.0, ge=0)
    """Largest change of level at the ends of the spectrum, linear over the mel bands."""
    mask_bands: int = Field(12, ge=0)
    """Widest mask over mel bands; one mask an example."""
    mask_frames: int = Field(25, ge=0)
    """Longest mask over time, in frames; two masks an example."""
    mixup: float = Field(0.3, ge=0)
    """Parameter of the Beta distribution of mixup (Zhang et al. 2018); 0 is none."""


class FitPart(_Part):
    """The optimisation."""

    epochs: int = Field(24, gt=0)
    batch_size: int = Field(32, gt=0)
    learning_rate: float = Field(1e-3, gt=0)
    source_rate: float = Field(0.5, ge=0)
    """Learning rate of layers that came from the source, as a part of `learning_rate`.

    0 freezes them: the source extracts features and the head alone is trained.
    """
    averaging: float = Field(0.99, ge=0, lt=1)
    """Decay, for each step, of the running mean of weights that becomes the model."""
    weight_decay: float = Field(1e-2, ge=0)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    shortest_s: float = Field(1.0, gt=0)
    longest_s: float = Field(3.0, gt=0)
    """Examples are cut to lengths between these, as live windows are."""


class DistillPart(_Part):
    """Learning from what a larger network says, beside the labels (Hinton et al. 2015)."""

    teacher: str | None = None
    """Folder under the source models: a training run, all of whose heads are asked, or a model."""
    temperature: float = Field(2.0, gt=0)
    """Softens the teacher's probabilities and ours alike."""
    share: float = Field(0.7, ge=0, le=1)
    """Weight of the teacher's word; the rest is that of the labels."""


class Recipe(_Part):
    """The whole recipe."""

    name: str
    version: str = "0.1.0"
    """Of the model it makes."""
    seed: int
    labels: tuple[str, ...]
    """The order of the network's outputs."""
    label_map: dict[str, str] = {}
    """Labels of the corpora that go by another name here."""
    corpora: tuple[CorpusPart, ...]
    features: FeatureSettings = FeatureSettings()
    network: NetworkPart = NetworkPart()
    augment: AugmentPart = AugmentPart()
    fit: FitPart = FitPart()
    distill: DistillPart = DistillPart()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError("labels must be at least two different names")
        if unknown := set(self.label_map.values()) - set(self.labels):
            raise ValueError(f"label_map leads to labels that are not listed: {sorted(unknown)}")
        return self


def read_recipe(path: Path) -> Recipe:
    """The recipe in the TOML file at `path`. Raises `UsageError` with the line at fault."""
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the recipe {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the recipe {path} is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "recipe"
        raise UsageError(f"the recipe {path} is wrong at {where}: {first['msg']}") from None
