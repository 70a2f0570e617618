"""Emotion labels: their names and their place on the circumplex of affect."""

from typing import Final, Literal

LABELS: Final = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")
"""The labels of the default model: EmotionML's big6 and neutral, in the order of its outputs."""

UNCERTAIN: Final = "uncertain"
"""Stands in place of a label when no label is likely enough."""

Dimension = Literal["valence", "arousal", "dominance"]
"""Unpleasant to pleasant, calm to excited, submissive to dominant: what people rate, too."""
DIMENSIONS: Final[tuple[Dimension, ...]] = ("valence", "arousal", "dominance")

CIRCUMPLEX: Final[dict[str, tuple[float, float]]] = {
    "neutral": (0.0, 0.0),
    "calm": (0.0, 0.0),
    "happy": (0.81, 0.51),
    "sad": (-0.63, -0.27),
    "angry": (-0.51, 0.59),
    "fear": (-0.64, 0.60),
    "disgust": (-0.60, 0.35),
    "surprise": (0.40, 0.67),
}
"""Label to (valence, arousal), each in [-1, 1].

Pleasure and arousal ratings of emotion words from Russell & Mehrabian (1977), "Evidence for a
three-factor theory of emotions", Journal of Research in Personality 11: happy, sad, angry,
fearful, disgusted and surprised; neutral is the origin by definition.
"""
