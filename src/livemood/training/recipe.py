"""A recipe: everything that decides how a model comes out, in one TOML file."""

import tomllib
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from livemood.errors import UsageError
from livemood.model.features import FeatureSettings


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CorpusPart(_Part):
    """One corpus to train on."""

    name: str
    """Its folder under the corpora directory, with `metadata.csv` in it."""
    manifest: str | None = None
    """A manifest in place of that, relative to the corpora directory; then also say: """
    licence: str | None = None
    """the terms under which it may be used,"""
    reference: str = ""
    """and who is to be named."""
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
    cell: Literal["gru", "lstm"] = "gru"
    """Its kind."""
    recurrent_layers: int = Field(1, gt=0, le=4)
    bands: Literal[1, 3, 5, 7] = 3
    """Mel bands that a convolution's kernel sees; in time it sees three frames."""
    pooling: Literal["max", "mean"] = "max"
    """What each block makes of two frames by two bands."""
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


KINDS: Final = {
    "time_shift": (-0.1, 0.1, -1, 1),
    "time_stretch": (0.85, 1.15, 0.3, 3),
    "speed": (0.9, 1.1, 0.5, 2),
    "reverse": (0, 0, 0, 0),
    "gain": (-10, 10, -60, 40),
    "jitter": (-8, 6, -40, 40),
    "pitch_shift": (-3, 3, -24, 24),
    "frequency_shift": (-60, 60, -1000, 1000),
    "noise": (5, 25, -20, 60),
    "mixing": (10, 25, -20, 60),
    "reverberation": (0.15, 0.6, 0.1, 2),
    "time_mask": (0.02, 0.15, 0.001, 0.9),
    "frequency_mask": (0.2, 0.8, 0.01, 1.9),
    "tilt": (-6, 6, -30, 30),
    "telephone": (0, 0, 0, 0),
    "opus": (8, 24, 6, 128),
    "losses": (1, 10, 0, 90),
}
"""Kinds of changes of sound: the range drawn from by default, and the widest that is allowed.

Shares of the length (time_shift, time_mask), factors (time_stretch, speed), dB (gain, jitter, tilt;
noise and mixing: signal to noise), semitones (pitch_shift), Hz (frequency_shift), seconds
of reverberation RT60, fractions of the centre frequency (frequency_mask), kbit/s (opus), percent of
packets (losses). `telephone` is G.711 of either law at 8 kHz.
"""


class SoundPart(_Part):
    """One change of the sound of training examples."""

    kind: str
    """One of `KINDS`."""
    p: float = Field(0.5, ge=0, le=1)
    """How often it happens."""
    low: float | None = None
    high: float | None = None
    """The range that its value is drawn from; what it means, and the default, is in `KINDS`."""

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value."""
        low, high, *_ = KINDS[self.kind]
        return (
            low if self.low is None else self.low,
            high if self.high is None else self.high,
        )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind not in KINDS:
            raise ValueError(f"no change of sound is called {self.kind!r}: {', '.join(KINDS)}")
        *_, least, most = KINDS[self.kind]
        low, high = self.range
        if not least <= low <= high <= most:
            raise ValueError(f"{self.kind} takes a range within {least:g} to {most:g}")
        return self


class AugmentPart(_Part):
    """Changes made to training examples, each drawn anew."""

    sound: tuple[SoundPart, ...] = ()
    """Changes of the sound, in this order; the others below are changes of log-mel features."""
    noise: str = "esc10"
    """The corpus of noise, a folder under the corpora directory."""
    noise_folds: tuple[str, ...] = ("1", "2", "3", "4")
    """Folds of it that are trained with; none for all."""

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
    layer_decay: float = Field(1.0, gt=0, le=1)
    """Learning rate of each layer of the source as a part of that of the layer above it."""
    unfreeze_every: int = Field(0, ge=0)
    """Epochs after which the next layer of the source, from the top, begins to learn too; 0 trains
    all of them from the beginning."""
    balance: Literal["weight", "sample", "none"] = "weight"
    """How rare classes are made to count as much: by weight in the loss, by how often they are
    drawn, or not at all."""
    l1: float = Field(0.0, ge=0)
    """Weight of the sum of absolute weights in the loss; `weight_decay` is the L2 part."""
    validation: float = Field(0.0, ge=0, lt=1)
    """Share of the speakers of each corpus on whom every epoch is measured, trained on no more."""
    patience: int = Field(0, ge=0)
    """Epochs without a better validation UAR after which training stops; 0 never stops it."""
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
    teachers: tuple[str, ...] = ()
    """More teachers of the same kind: their probabilities are averaged."""
    table: str | None = None
    """`predictions.csv` of `livemood evaluate`, under the source models, by any model at all, of
    clips that are trained on here: one more teacher, asked beforehand."""
    features: float = Field(0.0, ge=0)
    """Weight of the distance (one less the cosine) of each step from the first teacher's."""
    unlabelled: tuple[str, ...] = ()
    """Corpora whose clips are learnt from without labels, by what the teachers say."""
    temperature: float = Field(2.0, gt=0)
    """Softens the teacher's probabilities and ours alike."""
    share: float = Field(0.7, ge=0, le=1)
    """Weight of the teacher's word; the rest is that of the labels."""


class TaskPart(_Part):
    """One more task, with labels and corpora of its own: a head beside the others.

    It shares all layers below the head, and is not part of the model that is made.
    """

    name: str
    labels: tuple[str, ...]
    label_map: dict[str, str] = {}
    corpora: tuple[CorpusPart, ...]
    weight: float = Field(1.0, gt=0)
    """Of its loss."""


Value = bool | int | float | str


class SpacePart(_Part):
    """What one field of the recipe may be: one of `choices`, or a number from `low` to `high`."""

    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    step: float | None = None
    """Whole numbers if all three are."""
    log: bool = False
    """Whether numbers are drawn evenly by their logarithm."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        ranged = self.low is not None and self.high is not None and self.low < self.high
        if ranged == bool(self.choices):
            raise ValueError("give either choices, or low and high")
        return self


class SearchPart(_Part):
    """How `livemood search` looks for a better recipe."""

    sampler: Literal["grid", "random", "tpe", "cmaes", "nsga2"] = "tpe"
    trials: int = Field(30, gt=0)
    cost: bool = False
    """Whether multiply-adds are made few as well: a front of best trade-offs (nsga2, tpe)."""
    prune: bool = True
    """Whether trials that are worse than the median at the same epoch are given up."""
    space: dict[str, SpacePart] = Field(min_length=1)
    """By the field's place: `fit.learning_rate`, or `augment.sound.noise.p` by kind."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.cost and self.sampler == "cmaes":
            raise ValueError("cmaes knows one aim only: use nsga2")
        steps = [s for s in self.space.values() if s.choices or s.step]
        if self.sampler == "grid" and len(steps) < len(self.space):
            raise ValueError("a grid needs choices or a step for each field")
        return self


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
    tasks: tuple[TaskPart, ...] = ()
    search: SearchPart | None = None
    licence: str = "CC BY-NC-SA 4.0"
    """Terms of the model: those of the corpora that livemood's recipes use allow no commerce."""

    @property
    def teachers(self) -> tuple[str, ...]:
        """All that are asked while it trains."""
        first = (self.distill.teacher,) if self.distill.teacher else ()
        return (*first, *self.distill.teachers)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError("labels must be at least two different names")
        if unknown := set(self.label_map.values()) - set(self.labels):
            raise ValueError(f"label_map leads to labels that are not listed: {sorted(unknown)}")
        if self.fit.patience and not self.fit.validation:
            raise ValueError("patience needs validation speakers: set fit.validation")
        if (self.distill.features or self.distill.unlabelled) and not self.teachers:
            raise ValueError("to distil features or unlabelled speech needs a teacher")
        return self


def read_recipe(path: Path) -> Recipe:
    """The recipe in the file at `path`, TOML or JSON. Raises `UsageError` with what is wrong."""
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".json":  # as runs and searches leave them
            return Recipe.model_validate_json(text)
        return Recipe.model_validate(tomllib.loads(text))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the recipe {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the recipe {path} is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "recipe"
        raise UsageError(f"the recipe {path} is wrong at {where}: {first['msg']}") from None
