"""The section of a recipe that says how a streaming encoder learns voices."""

from typing import ClassVar

from pydantic import Field

from livemood.training.recipe.base import Section


class NotSpeechCorpus(Section):
    """Sounds that are no speech."""

    name: str
    """Its folder under the corpora directory, with `metadata.csv` in it."""
    column: str = "emotion"
    """The column that says what kind of sound a row is."""
    left_out: tuple[str, ...] = ()
    """Kinds of sound that are neither speech nor not: screams, crying."""
    held_out: tuple[str, ...] = ()
    """Speakers or, where there are none, folds that are never trained on."""


class VoicesSection(Section):
    """How readings are related to a voice's baseline, and what is no speech."""

    section: ClassVar[str] = "voices"

    baseline_share: float = Field(0.4, ge=0, le=1)
    """Share of examples that come with a baseline of their speaker. With most of them, neutral is
    learnt relative to the voice and is hardly found where nothing is known of it."""
    longest_s: float = Field(60.0, gt=0)
    """Baselines are of up to so many seconds of other clips; half of them of up to 10 s."""
    at_rest: float = Field(0.7, ge=0, le=1)
    """Share of neutral clips among those."""
    shrink_s: float = Field(4.0, gt=0)
    """A baseline that rests on so many seconds counts for one half."""
    wait_s: float = Field(0.0, ge=0)
    """Of the model: seconds that a baseline which grows while somebody is listened to must rest on
    before it counts."""
    least_window_s: float = Field(0.0, ge=0)
    """Of the model: seconds of the shortest window that such a baseline grows by."""
    spread: float = Field(1.0, ge=0)
    """How far examples are moved to sound like other voices, in deviations of voices within a
    corpus, as far as no baseline is subtracted. What tells voices apart then counts less."""
    neutral: str = "neutral"
    """The label that a voice at rest has."""
    neutral_share: float = Field(2.5, gt=0)
    """How often it is drawn against each other label of its corpus."""
    not_speech: tuple[NotSpeechCorpus, ...] = ()
    """Corpora of sounds that are no speech; with none the model has no word for it."""
