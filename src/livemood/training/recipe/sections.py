"""The sections of a recipe."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from livemood.model.labels import DIMENSIONS, Dimension
from livemood.training.recipe.base import Section
from livemood.training.recipe.waveform import WaveformChange


class CorpusSection(Section):
    """One corpus to train on."""

    name: str
    """Its folder under the corpora directory, with `metadata.csv` in it."""
    manifest: str | None = None
    """A manifest in place of that, relative to the corpora directory. Then also give `licence`."""
    licence: str | None = None
    """The terms under which it may be used."""
    reference: str = ""
    """Who is to be named."""
    share: float = Field(1.0, gt=0, le=1)
    """How much of it is drawn, at random, for each epoch."""
    held_out: tuple[str, ...] = ()
    """Speakers never trained on: the figures in the model's card are measured on them."""


class NetworkSection(Section):
    """The shape of the network."""

    section: ClassVar[str] = "network"

    kind: Literal["dc-rnn", "streaming-encoder"] = "dc-rnn"
    """Which network. A `streaming-encoder` takes of this section `blocks`, `recurrent`,
    `step_projection`, `dropout` and `pretrained`, which must be `whisper-tiny-en`."""
    blocks: int = Field(2, gt=0, le=4)
    """Of a `streaming-encoder`: how many blocks of Whisper it has, from the bottom."""
    channels: int = Field(64, gt=0)
    """Channels of each convolution."""
    hidden: int = Field(512, gt=0)
    """Units of the linear layers after the convolutions."""
    rank: int = Field(0, ge=0)
    """Low rank of the second and third convolutions: each is one over time, one over mel bands.

    At 32 of 64 channels a third of the multiplications, at 16 a sixth. 0 leaves them whole.
    """
    width: int = Field(0, ge=0)
    """Values that each step hands to the recurrent layer; 0 for `hidden`."""
    recurrent: int = Field(128, gt=0)
    """Units of the causal recurrent layer."""
    cell: Literal["gru", "lstm"] = "gru"
    """Its kind."""
    recurrent_layers: int = Field(1, gt=0, le=4)
    """How many of them lie on top of each other."""
    step_projection: int = Field(0, ge=0)
    """Units of a rectified layer over each step and the recurrent state it led to. Its outputs are
    pooled; with 0 the states are. What a step says then need not pass the recurrence."""
    statistics_pooling: int = Field(0, ge=0)
    """Units of the same layer without a rectifier, in its place: mean and standard deviation over
    time of its outputs are pooled (Okabe et al. 2018)."""
    kernel_bands: Literal[1, 3, 5, 7] = 3
    """Mel bands that a convolution's kernel sees; in time it sees three frames."""
    pooling: Literal["max", "mean"] = "max"
    """What each block makes of two frames by two bands."""
    state_carryover: float = Field(0.5, ge=0, le=1)
    """Share of training examples whose recurrence begins where another example ended."""
    bidirectional: int = Field(0, ge=0)
    """Units each way of a bidirectional head trained beside it, for comparison; 0 for none."""
    dropout: float = Field(0.3, ge=0, lt=1)
    """Share of values that are dropped in training."""
    pretrained: str | None = None
    """The pretrained encoder, or the earlier run, whose layers are the initial weights."""
    pretrained_sha256: str | None = None
    """Its file must have this SHA-256, if one is given."""
    pretrained_head: bool = False
    """Whether the recurrent layer and the pooling come from there, too."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.width > self.hidden:
            raise ValueError(f"width must not exceed hidden ({self.hidden})")
        if self.step_projection and self.statistics_pooling:
            raise ValueError(
                "step_projection and statistics_pooling are one layer: set one of them"
            )
        return self

    @property
    def step_width(self) -> int:
        """Values that each step hands to the recurrent layer."""
        return self.width or self.hidden


class AugmentSection(Section):
    """Changes made to training examples, each drawn anew."""

    section: ClassVar[str] = "augment"

    waveform: tuple[WaveformChange, ...] = ()
    """Changes of the sound, in this order. The others below are changes of log-mel features."""
    noise: str = "esc10"
    """The corpus of noise, a folder under the corpora directory."""
    noise_folds: tuple[str, ...] = ("1", "2", "3", "4")
    """Folds of it that are trained with; none for all."""

    copies: int = Field(0, ge=0)
    """Augmented copies of each clip. They are made once, kept on disk and drawn from, in place of a
    new one for each epoch: so much quicker that costly changes of sound are worth having. With two
    or more `fit.frozen_blocks`, what those give is kept."""
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    """Factors of playing speed (tempo and pitch together); one is drawn for each example."""
    gain_db: float = Field(10.0, ge=0)
    """Largest change of level, either way."""
    tilt_db: float = Field(6.0, ge=0)
    """Largest change of level at the ends of the spectrum, linear over the mel bands."""
    mask_bands: int = Field(12, ge=0)
    """Widest mask over mel bands; one mask an example (SpecAugment, Park et al. 2019)."""
    mask_frames: int = Field(25, ge=0)
    """Longest mask over time, in frames; two masks an example."""
    mixup: float = Field(0.3, ge=0)
    """Parameter of the Beta distribution of mixup (Zhang et al. 2018); 0 is none."""


class FitSection(Section):
    """The optimisation."""

    section: ClassVar[str] = "fit"

    epochs: int = Field(24, gt=0)
    """Passes over the training set."""
    batch_size: int = Field(32, ge=2)
    """Examples in a batch. Batch norms and mixup need two."""
    learning_rate: float = Field(1e-3, gt=0)
    """Of AdamW, at its highest; it rises for two epochs and falls as a cosine."""
    encoder_lr_scale: float = Field(0.5, ge=0)
    """Learning rate of pretrained layers, as a part of `learning_rate`.

    0 freezes them: the encoder extracts features and the head alone is trained.
    """
    head_lr_scale: float | None = Field(None, gt=0)
    """The same for a pretrained head (`network.pretrained_head`): its recurrent layer may have more
    to learn anew than the layers below. None for `encoder_lr_scale`."""
    layer_lr_decay: float = Field(1.0, gt=0, le=1)
    """Learning rate of each pretrained layer as a part of that of the layer above it."""
    unfreeze_every: int = Field(0, ge=0)
    """Epochs after which the next pretrained layer, from the top, begins to learn too; 0 trains all
    of them from the beginning."""
    frozen_blocks: int = Field(0, ge=0, le=3)
    """Pretrained blocks of convolution, from the bottom, that never learn: epochs take less."""

    balance: Literal["weight", "sample", "none"] = "weight"
    """How rare classes are made to count as much: by weight in the loss, by how often they are
    drawn, or not at all."""
    by_corpus: bool = False
    """Whether each corpus is a matter of its own: batches of one corpus, classes balanced within
    it, and a label mask, so that each clip is compared only with the labels that its corpus has.

    Otherwise a network of several corpora learns by which rooms and microphones a label is rare,
    and a label that one small corpus has weighs that corpus more than all others."""
    masked_label_weight: float = Field(0.0, ge=0, le=1)
    """With `by_corpus`, how much the labels that its corpus lacks count against a clip's own.

    At 0 nothing is learnt of them there, and a network may call calm speech on a cheap microphone
    sad, since no corpus with such microphones told it otherwise; at 1 it learns that such
    microphones never hear anybody sad."""
    l1: float = Field(0.0, ge=0)
    """Weight of the sum of absolute weights in the loss; `weight_decay` is the L2 part."""
    validation_share: float = Field(0.0, ge=0, lt=1)
    """Share of the speakers of each corpus on whom every epoch is measured, trained on no more."""
    patience: int = Field(0, ge=0)
    """Epochs without a better validation UAR after which training stops; 0 never stops it."""
    ema_decay: float = Field(0.99, ge=0, lt=1)
    """Decay, for each step, of the moving average of weights (EMA) that becomes the model."""
    weight_decay: float = Field(1e-2, ge=0)
    """Of AdamW."""
    adversarial_weight: float = Field(0.0, ge=0)
    """Of a `streaming-encoder`: weight of the loss on examples moved by the fast gradient sign
    (Goodfellow et al. 2015). An epoch takes twice as long."""
    virtual_adversarial_weight: float = Field(0.0, ge=0)
    """The same for how far predictions move at most nearby, which needs no label (Miyato et al.
    2018). An epoch takes three times as long."""
    perturbation: float = Field(0.1, gt=0)
    """How far both move what the encoder gives, in deviations of its values."""
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    """Share of each target that is spread over all labels."""
    shortest_s: float = Field(1.0, gt=0)
    """Examples are cut to lengths from this, in seconds, as live windows are."""
    longest_s: float = Field(3.0, gt=0)
    """Examples are cut to lengths up to this, in seconds."""

    @property
    def cached_blocks(self) -> int:
        """Frozen blocks whose maps are kept with `augment.copies`, from the bottom.

        What one block alone gives takes sixteen times the room of features, and little time.
        """
        return self.frozen_blocks if self.frozen_blocks > 1 else 0


class DistillSection(Section):
    """Learning from soft labels of larger networks, beside the labels (Hinton et al. 2015)."""

    section: ClassVar[str] = "distill"

    teacher: str | None = None
    """Folder under that of the encoders: a training run, all of whose heads teach, or a model."""
    teachers: tuple[str, ...] = ()
    """More teachers of the same kind: their probabilities are averaged."""
    soft_labels: str | None = None
    """`predictions.csv` of `livemood evaluate`, or `soft_labels.csv` of `livemood encoders`, in the
    folder of the encoders: what any model at all said of clips that are trained on here."""
    feature_weight: float = Field(0.0, ge=0)
    """Weight of the distance (one less the cosine) of each step from the first teacher's."""
    unlabelled: tuple[str, ...] = ()
    """Corpora whose clips are learnt from by pseudo-labels: those of teachers or of the table."""
    unlabelled_share: float = Field(1.0, gt=0, le=1)
    """How much of them: the same clips in every recipe with this share."""
    temperature: float = Field(2.0, gt=0)
    """Softens the teacher's probabilities and ours alike."""
    soft_label_weight: float = Field(0.7, ge=0, le=1)
    """Weight of the soft labels in the loss; the rest is that of the labels."""

    @property
    def all_teachers(self) -> tuple[str, ...]:
        """Teachers that are asked while the network trains."""
        first = (self.teacher,) if self.teacher else ()
        return (*first, *self.teachers)


class RatingsSection(Section):
    """Dimensions that a streaming encoder learns from ratings in its manifests, beside labels."""

    section: ClassVar[str] = "ratings"

    learn: tuple[Dimension, ...] = ()
    """`["valence", "arousal"]`, or these and `"dominance"`: columns from -1 to 1. A row may lack
    them. The model's events then have these in place of what follows from the label."""
    loss: Literal["ccc", "mse"] = "ccc"
    """1 - concordance correlation over the rated clips of a batch (Lin 1989), or the mean square
    error. The first does not draw readings towards the mean."""
    weight: float = Field(1.0, gt=0)
    """Of this loss beside that of the labels."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.learn not in ((), DIMENSIONS[:2], DIMENSIONS):
            raise ValueError("learn is valence, arousal and maybe dominance, in this order")
        return self


class TaskSection(Section):
    """One more task, with labels and corpora of its own: a head beside the others.

    It shares all layers below the head, and is not part of the model that is made.
    """

    name: str
    """What it is called."""
    labels: tuple[str, ...]
    """The order of its outputs."""
    label_map: dict[str, str] = Field(default_factory=dict)
    """Labels of its corpora that go by another name here."""
    corpora: tuple[CorpusSection, ...]
    """Where its clips are."""
    weight: float = Field(1.0, gt=0)
    """Of its loss."""
