"""A recipe: everything that decides how a model comes out, in one TOML file."""

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from livemood.errors import UsageError
from livemood.model.features import FeatureSettings
from livemood.training.recipe.parts import Part, SearchPart, SoundPart


class CorpusPart(Part):
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


class NetworkPart(Part):
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
    readout: int = Field(0, ge=0)
    """Units of a rectified layer that reads each step beside the recurrent state it led to, and is
    what is pooled; with 0 the states are. What a step says then need not pass the recurrence."""
    moments: int = Field(0, ge=0)
    """The same without a rectifier, in its place: mean and deviation over time are pooled."""
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
        if self.readout and self.moments:
            raise ValueError("readout and moments are one layer: set one of them")
        return self

    @property
    def step_width(self) -> int:
        """Values that each step hands to the recurrent layer."""
        return self.width or self.hidden


class AugmentPart(Part):
    """Changes made to training examples, each drawn anew."""

    sound: tuple[SoundPart, ...] = ()
    """Changes of the sound, in this order; the others below are changes of log-mel features."""
    noise: str = "esc10"
    """The corpus of noise, a folder under the corpora directory."""
    noise_folds: tuple[str, ...] = ("1", "2", "3", "4")
    """Folds of it that are trained with; none for all."""

    views: int = Field(0, ge=0)
    """Changed versions of each clip that are made once, kept on disk and drawn from, in place of
    a new one for each epoch: so much quicker that costly changes of sound are worth having. With
    two or more `fit.frozen` blocks, what those give is kept."""
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


class FitPart(Part):
    """The optimisation."""

    epochs: int = Field(24, gt=0)
    batch_size: int = Field(32, gt=0)
    learning_rate: float = Field(1e-3, gt=0)
    source_rate: float = Field(0.5, ge=0)
    """Learning rate of layers that came from the source, as a part of `learning_rate`.

    0 freezes them: the source extracts features and the head alone is trained.
    """
    head_rate: float | None = Field(None, gt=0)
    """The same for a head that came from the source (`network.source_head`): its recurrent layer
    may have more to learn anew than the layers below. None for `source_rate`."""
    layer_decay: float = Field(1.0, gt=0, le=1)
    """Learning rate of each layer of the source as a part of that of the layer above it."""
    unfreeze_every: int = Field(0, ge=0)
    """Epochs after which the next layer of the source, from the top, begins to learn too; 0 trains
    all of them from the beginning."""
    frozen: int = Field(0, ge=0, le=3)
    """Blocks of convolution of the source, from the bottom, that never learn: epochs take less."""

    @property
    def kept(self) -> int:
        """Frozen blocks whose maps are kept with `augment.views`, from the bottom.

        What one block alone gives takes sixteen times the room of features, and little time.
        """
        return self.frozen if self.frozen > 1 else 0

    balance: Literal["weight", "sample", "none"] = "weight"
    """How rare classes are made to count as much: by weight in the loss, by how often they are
    drawn, or not at all."""
    by_corpus: bool = False
    """Whether each corpus is a matter of its own: batches of one corpus, classes balanced within
    it, and each clip asked only about the labels that its corpus has.

    Otherwise a network of several corpora learns by which rooms and microphones a label is rare,
    and a label that one small corpus has weighs that corpus more than all others."""
    others: float = Field(0.0, ge=0, le=1)
    """With `by_corpus`, how much the labels that its corpus lacks count against a clip's own.

    At 0 nothing is learnt of them there, and a network may call calm speech on a cheap microphone
    sad, since no corpus with such microphones told it otherwise; at 1 it learns that such
    microphones never hear anybody sad."""
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


class DistillPart(Part):
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
    """Corpora whose clips are learnt from without labels, by what teachers or the table say."""
    unlabelled_share: float = Field(1.0, gt=0, le=1)
    """How much of them: the same clips in every recipe with this share."""
    temperature: float = Field(2.0, gt=0)
    """Softens the teacher's probabilities and ours alike."""
    share: float = Field(0.7, ge=0, le=1)
    """Weight of the teacher's word; the rest is that of the labels."""


class TaskPart(Part):
    """One more task, with labels and corpora of its own: a head beside the others.

    It shares all layers below the head, and is not part of the model that is made.
    """

    name: str
    labels: tuple[str, ...]
    label_map: dict[str, str] = Field(default_factory=dict)
    corpora: tuple[CorpusPart, ...]
    weight: float = Field(1.0, gt=0)
    """Of its loss."""


class Recipe(Part):
    """The whole recipe."""

    name: str
    version: str = "0.1.0"
    """Of the model it makes."""
    seed: int
    labels: tuple[str, ...]
    """The order of the network's outputs."""
    label_map: dict[str, str] = Field(default_factory=dict)
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
    limits: str = ""
    """What the model's card says of its limits, in Markdown."""

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
        if self.fit.frozen and not self.network.source:
            raise ValueError("fit.frozen blocks are those of a source: set network.source")
        if self.distill.features and not self.teachers:
            raise ValueError("to distil features needs a teacher")
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
