"""The recipe of a text encoder: what decides how a model of words comes out, in one TOML file."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import Field, model_validator

from livemood.training.recipe.base import Section
from livemood.training.recipe.schema import has_text_corpora, read_as

SOUND: Final = frozenset({"adapt", "augment", "distill", "features", "search", "tasks", "voices"})
"""Sections that recipes of models of sound alone have."""


class SentenceCorpus(Section):
    """Tables of sentences: text, numbers of its labels joined by commas, id; tab-separated."""

    name: str
    """Its folder under the corpora directory."""
    train: str = "train.tsv"
    """The table that is learnt from."""
    dev: str = "dev.tsv"
    """The table that temperature and thresholds are fitted on."""
    test: str = "test.tsv"
    """The table that is measured on, and nothing else."""
    labels: tuple[str, ...]
    """What the numbers in the tables mean, from 0."""
    licence: str
    """The terms under which it may be used."""
    reference: str = ""
    """Who is to be named."""


class TextNetwork(Section):
    """The pretrained encoder under the head."""

    section: ClassVar[str] = "text.network"

    pretrained: str
    """A folder under the folder of encoders, or `package:NAME/FOLDER`: the folder FOLDER of an
    installed Python package. It holds `config.json`, `model.safetensors` and `tokenizer.json`, as
    transformers writes them. The configuration says which class: BERT and XLNet are known."""
    licence: str
    """The terms of its weights."""
    reference: str = ""
    """Who is to be named."""
    longest: int = Field(64, ge=8, le=512)
    """Tokens of a sentence that are read; the rest is left out."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Share of the sentence's vector that is dropped in training."""


class TextFit(Section):
    """The optimisation."""

    section: ClassVar[str] = "text.fit"

    epochs: int = Field(12, gt=0)
    """How often a checkpoint is written; each draws `sentences`."""
    sentences: int = Field(6000, gt=0)
    """Sentences of one epoch, drawn without putting back until all were drawn."""
    batch_size: int = Field(32, gt=0)
    """Sentences in a batch; those of similar length lie together."""
    learning_rate: float = Field(8e-5, gt=0)
    """Of AdamW for the encoder, at its highest; it rises for a tenth of all steps, then falls to
    nothing on a straight line."""
    head_lr_scale: float = Field(10.0, gt=0)
    """The head's, as a multiple of it."""
    layer_lr_decay: float = Field(0.9, gt=0, le=1)
    """Learning rate of each layer as a part of that of the layer above it."""
    frozen_layers: int = Field(0, ge=0)
    """Layers of the encoder, from the bottom, that never learn."""
    weight_decay: float = Field(0.01, ge=0)
    """Of AdamW."""
    ema_decay: float = Field(0.99, ge=0, lt=1)
    """The exported weights are a moving average; this is its decay a step."""


class TextRecipe(Section):
    """The whole recipe of a text encoder."""

    name: str
    """Of the model it makes."""
    version: str = "0.1.0"
    """Of the model it makes."""
    seed: int
    """All that is random follows from it."""
    labels: tuple[str, ...] = Field(min_length=2)
    """The order of the network's outputs."""
    label_map: dict[str, str] = Field(default_factory=dict)
    """Labels of the corpora that go by another name here."""
    shares: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(default_factory=dict)
    """Of sentences whose only label this is, how many are drawn; all where none is said. The
    outputs are corrected for it, so that they have the corpus's priors."""
    corpora: tuple[SentenceCorpus, ...] = Field(min_length=1)
    """What is learnt from."""
    network: TextNetwork
    """The encoder."""
    fit: TextFit = TextFit()
    """The optimisation."""
    licence: str = "Apache-2.0"
    """Terms of the model."""
    limits: str = ""
    """The model card's text about its limits, in Markdown."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_sound(cls, document: Any) -> Any:  # noqa: ANN401 - any JSON
        if not has_text_corpora(document) and SOUND.intersection(document):
            raise ValueError("it is the recipe of a model of sound: use livemood train")
        return document

    @model_validator(mode="after")
    def _check(self) -> Self:
        known = set(self.labels)
        if len(known) != len(self.labels):
            raise ValueError("labels must be different names")
        for corpus in self.corpora:
            named = {self.label_map.get(label, label) for label in corpus.labels}
            if unknown := named - known:
                raise ValueError(
                    f"corpus {corpus.name} has labels that are not listed: {sorted(unknown)}; "
                    "list them, or rename them in label_map"
                )
        if unknown := set(self.shares) - known:
            raise ValueError(f"shares names labels that are not listed: {sorted(unknown)}")
        return self


def read_text_recipe(path: Path) -> TextRecipe:
    """The recipe in the file at `path`, TOML or JSON. Raises `UsageError` with what is wrong."""
    return read_as(TextRecipe, path)
