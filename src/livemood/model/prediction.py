"""What a model says of a whole clip."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prediction:
    """How one clip sounds."""

    label: str
    """The likeliest label; `uncertain` if the model says that this is no speech."""
    probabilities: dict[str, float]
    """Calibrated probability of each label; they sum to 1."""
    valence: float
    """Unpleasant to pleasant, in [-1, 1]."""
    arousal: float
    """Calm to excited, in [-1, 1]."""
    not_speech: float | None = None
    """Probability that it is laughter, music, a bark; None if the model cannot tell."""
    dominance: float | None = None
    """Submissive to dominant, in [-1, 1]; None if the model did not learn it."""
