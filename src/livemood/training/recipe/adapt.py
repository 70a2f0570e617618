"""The section of a recipe that says how a network is adapted to other speech."""

from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from livemood.training.recipe.base import Section

Method = Literal[
    "none",
    "importance",
    "boosting",
    "coral",
    "deep-coral",
    "mmd",
    "adversarial",
    "target-statistics",
    "self-training",
    "contrastive",
    "pretraining",
]
NEED_TARGET: Final = frozenset(
    {"importance", "coral", "deep-coral", "mmd", "target-statistics", "self-training"}
)
"""Methods that learn from unlabelled speech of the target."""
WEIGHTS: Final = {
    "deep-coral": 0.3,
    "mmd": 1.0,
    "adversarial": 3.0,
    "self-training": 1.0,
    "contrastive": 0.3,
    "pretraining": 3.0,
}
"""Of the own loss of each method that has one: that which it was measured with."""


class AdaptSection(Section):
    """Adaptation to a target: speech of the kind that the model will hear (Pan & Yang 2010).

    Only a `streaming-encoder` is adapted. Its speech is computed once, so a run takes minutes.
    """

    section: ClassVar[str] = "adapt"

    method: Method = "none"
    """`importance` weighs clips by how likely they are in the target (Shimodaira 2000);
    `boosting` drops clips that contradict a few labelled ones of the target (Dai et al. 2007);
    `coral` gives each corpus the covariance of the target (Sun et al. 2016); `deep-coral` and
    `mmd` (Long et al. 2015) draw pooled statistics of both together; `adversarial` unlearns what
    tells domains apart (Ganin et al. 2016); `target-statistics` puts the target on a scale of its
    own (Li et al. 2017); `self-training` learns from what the network is sure of in the target;
    `contrastive` draws clips of one label together (Khosla et al. 2020); `pretraining` first learns
    to tell what is hidden of steps from the rest (Baevski et al. 2020), beside the labels."""
    target: tuple[str, ...] = ()
    """Corpora of unlabelled speech, folders under the corpora directory; whatever label they have
    is not read, and speakers who are tested are left out. For `boosting`: corpora among `corpora`
    that are the target."""
    weight: float | None = Field(None, ge=0)
    """Of the method's own loss beside that of the labels, at its highest: it rises over epochs,
    but for `pretraining`. Unless you give it, that which the method was measured with: 0.3 for
    `deep-coral` and `contrastive`, 1 for `mmd` and `self-training`, 3 for `adversarial` and
    `pretraining`. The other methods have no loss of their own."""
    over: Literal["corpus", "language", "speaker"] = "corpus"
    """What `adversarial` unlearns."""
    classifier_steps: int = Field(5, gt=0)
    """Of `adversarial`: how often the classifier of domains learns for each step of the network."""
    classifier_decay: float = Field(3.0, ge=0)
    """Of `adversarial`: its weight decay. With too little it knows domains by single speakers, and
    hiding from it hides little from any other classifier."""
    largest_weight: float = Field(5.0, ge=1)
    """Of `importance`: no clip counts more than this, or less than one part in as many."""
    components: int = Field(32, gt=0)
    """Of `importance` and `boosting`: principal components of clips that are looked at."""
    rounds: int = Field(8, gt=0)
    """Of `boosting`."""
    confidence: float = Field(0.7, gt=0, lt=1)
    """Of `self-training`: how likely a label must be to be learnt."""
    warm_up: float = Field(0.3, ge=0, lt=1)
    """Of `self-training`: share of the epochs before it begins."""
    pretraining: float = Field(0.5, gt=0, le=1)
    """Of `pretraining`: share of the epochs that it lasts. The others learn labels alone."""
    temperature: float = Field(0.1, gt=0)
    """Of `contrastive`: smaller looks at the nearest clips only."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.method in NEED_TARGET and not self.target:
            raise ValueError(
                f"method {self.method!r} learns from unlabelled speech: name corpora in target"
            )
        if self.method == "boosting" and not self.target:
            raise ValueError("method 'boosting' needs target: which of the corpora it is")
        if self.target and self.method in ("none", "contrastive", "pretraining"):
            raise ValueError(f"method {self.method!r} uses no target: leave it out")
        if self.method == "adversarial" and self.over != "corpus" and self.target:
            raise ValueError(f"over = {self.over!r} is of training speech alone: leave target out")
        return self

    @property
    def own_weight(self) -> float:
        """`weight`, or that of the method; 0 where it has no loss of its own."""
        return WEIGHTS.get(self.method, 0.0) if self.weight is None else self.weight

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """Corpora that are read without their labels."""
        return () if self.method == "boosting" else self.target
