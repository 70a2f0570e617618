"""A recipe: everything that decides how a model comes out, in one TOML file."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from livemood.errors import UsageError, fault_text
from livemood.model.features import FeatureSettings
from livemood.model.labels import Dimension
from livemood.training.recipe.adapt import AdaptSection
from livemood.training.recipe.base import Section
from livemood.training.recipe.search import SearchSection
from livemood.training.recipe.sections import (
    AugmentSection,
    CorpusSection,
    DistillSection,
    FitSection,
    NetworkSection,
    RatingsSection,
    TaskSection,
)
from livemood.training.recipe.voices import VoicesSection

Coordinate = Annotated[float, Field(ge=-1, le=1)]
AnyRecipe = TypeVar("AnyRecipe", bound=Section)


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """Of a recipe, what says which clips there are."""

    labels: tuple[str, ...]
    label_map: Mapping[str, str]
    corpora: tuple[CorpusSection, ...]
    tasks: tuple[TaskSection, ...] = ()
    unlabelled: tuple[str, ...] = ()
    unlabelled_share: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Of a recipe, what the manifest and the card of its model say."""

    name: str
    version: str
    seed: int
    labels: tuple[str, ...]
    corpora: tuple[CorpusSection, ...]
    licence: str
    limits: str = ""
    pretrained: str | None = None
    taught_by: tuple[str, ...] = ()
    """Teachers, and tables of soft labels."""
    places: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Valence and arousal of labels that are not on the published circumplex."""
    dimensions: tuple[Dimension, ...] = ()
    """Learnt from ratings, beside the labels."""

    @property
    def held_out(self) -> list[str]:
        """Speakers that it never learnt from."""
        return sorted({name for corpus in self.corpora for name in corpus.held_out})


class Recipe(Section):
    """The whole recipe."""

    name: str
    """Of the model it makes."""
    version: str = "0.1.0"
    """Of the model it makes."""
    seed: int
    """All that is random follows from it."""
    labels: tuple[str, ...]
    """The order of the network's outputs."""
    places: dict[str, tuple[Coordinate, Coordinate]] = Field(default_factory=dict)
    """Valence and arousal of labels, each from -1 to 1, where there are no published ones or you
    want others: `Q1 = [0.6, 0.6]`. They go into the manifest, and events follow them."""
    label_map: dict[str, str] = Field(default_factory=dict)
    """Labels of the corpora that go by another name here."""
    corpora: tuple[CorpusSection, ...]
    """What is trained on."""
    features: FeatureSettings = FeatureSettings()
    """The log-mel features."""
    network: NetworkSection = NetworkSection()
    """The shape of the network, and the weights it begins with."""
    augment: AugmentSection = AugmentSection()
    """Changes made to training examples."""
    fit: FitSection = FitSection()
    """The optimisation."""
    distill: DistillSection = DistillSection()
    """Learning from other models."""
    ratings: RatingsSection = RatingsSection()
    """Valence, arousal and dominance, learnt from ratings."""
    adapt: AdaptSection = AdaptSection()
    """Adaptation to other speech."""
    voices: VoicesSection = VoicesSection()
    """Baselines and not-speech of a streaming encoder; a `dc-rnn` has neither."""
    tasks: tuple[TaskSection, ...] = ()
    """Further tasks, each with a head of its own."""
    search: SearchSection | None = None
    """What `livemood search` may try."""
    licence: str = "CC BY-NC-SA 4.0"
    """Terms of the model: those of the corpora that livemood's recipes use allow no commerce."""
    limits: str = ""
    """The model card's text about its limits, in Markdown."""

    @property
    def dataset(self) -> DatasetSpec:
        """Which clips it names."""
        names, share = self.distill.unlabelled, self.distill.unlabelled_share
        if self.adapt.unlabelled:
            names, share = self.adapt.unlabelled, 1.0
        return DatasetSpec(self.labels, self.label_map, self.corpora, self.tasks, names, share)

    @property
    def info(self) -> ModelInfo:
        """What the manifest and the card of its model say."""
        table = filter(None, [self.distill.soft_labels])
        return ModelInfo(
            self.name,
            self.version,
            self.seed,
            self.labels,
            self.corpora,
            self.licence,
            self.limits,
            self.network.pretrained,
            (*self.distill.all_teachers, *table),
            self.places,
            self.ratings.learn,
        )

    @property
    def feature_scale(self) -> tuple[float, float] | None:
        """Mean and deviation that it gives features, or none: then those of its clips."""
        scale = self.features.mean, self.features.deviation
        return None if scale == (0.0, 1.0) else scale

    @property
    def longest_frames(self) -> int:
        """Frames in the longest window."""
        return self.features.frames_in(round(self.fit.longest_s * self.features.sample_rate))

    def for_fold(self, name: str) -> "Recipe":
        """The same with `{fold}` as the fold's name, wherever it stands."""
        filled = _filled(json.loads(self.model_dump_json()), name)
        return Recipe.model_validate(filled)

    @model_validator(mode="before")
    @classmethod
    def _refuse_text(cls, document: Any) -> Any:  # noqa: ANN401 - any JSON
        if has_text_corpora(document):
            raise ValueError("it is the recipe of a text model: use livemood train-text")
        return document

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError("labels must be at least two different names")
        if unknown := set(self.label_map.values()) - set(self.labels):
            raise ValueError(f"label_map leads to labels that are not listed: {sorted(unknown)}")
        if unknown := set(self.places) - set(self.labels):
            raise ValueError(f"places has {min(unknown)!r}, which is not one of labels")
        if self.fit.patience and not self.fit.validation_share:
            raise ValueError("patience needs validation speakers: set fit.validation_share")
        if self.fit.frozen_blocks and not self.network.pretrained:
            raise ValueError("fit.frozen_blocks are pretrained ones: set network.pretrained")
        if self.distill.feature_weight and not self.distill.all_teachers:
            raise ValueError("to distil features needs a teacher")
        self._check_kind()
        return self

    def _check_kind(self) -> None:
        adapt, streaming = self.adapt, self.network.kind == "streaming-encoder"
        if adapt.method != "none" and not streaming:
            raise ValueError(
                f"adapt.method {adapt.method!r} is for a streaming-encoder: set network.kind"
            )
        if adapt.method in ("adversarial", "contrastive") and self.augment.mixup:
            raise ValueError(
                f"with adapt.method {adapt.method!r} set augment.mixup = 0: a mix of two clips is "
                "of no one domain or label"
            )
        if not streaming and (self.fit.adversarial_weight or self.fit.virtual_adversarial_weight):
            raise ValueError("adversarial training is for a streaming-encoder: set network.kind")
        if self.ratings.learn and not streaming:
            raise ValueError("ratings.learn is for a streaming-encoder: set network.kind")
        if streaming and self.voices.neutral not in self.labels:
            raise ValueError(
                f"voices.neutral is {self.voices.neutral!r}, which is not one of labels: name the "
                "label that a voice at rest has"
            )
        if streaming and (self.distill.all_teachers or self.distill.soft_labels):
            raise ValueError("a streaming-encoder has no teachers: leave [distill] out")


def read_recipe(path: Path) -> Recipe:
    """The recipe in the file at `path`, TOML or JSON. Raises `UsageError` with what is wrong."""
    return read_as(Recipe, path)


def read_as(kind: type[AnyRecipe], path: Path) -> AnyRecipe:
    """The recipe of this kind in the file at `path`. Raises `UsageError` with what is wrong."""
    try:
        text = path.read_text("utf-8")
        if path.suffix == ".json":  # as runs and searches leave them
            return kind.model_validate_json(text)
        return kind.model_validate(tomllib.loads(text))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"the recipe {path} cannot be read: {reason}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the recipe {path} is not TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(f"the recipe {path} is wrong at {first_error(error)}") from None


def has_text_corpora(document: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether a recipe's corpora are tables of text: those alone list their labels."""
    corpora = document.get("corpora") if isinstance(document, dict) else None
    if not isinstance(corpora, list):
        return False
    return any("labels" in corpus for corpus in corpora if isinstance(corpus, dict))


def first_error(error: ValidationError) -> str:
    """Where the first error is, and what it says."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "recipe"
    return f"{where}: {fault_text(first)}"


def _filled(value: Any, name: str) -> Any:  # noqa: ANN401 - any JSON
    """The value with `{fold}` as `name` in all of its words."""
    if isinstance(value, str):
        return value.replace("{fold}", name)
    if isinstance(value, list):
        return [_filled(each, name) for each in value]
    if isinstance(value, dict):
        return {_filled(key, name): _filled(each, name) for key, each in value.items()}
    return value
