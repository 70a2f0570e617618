"""Log-mel features, as the models take them."""

from livemood.model.features.front_end import (
    WHISPER,
    FeatureSettings,
    Frames,
    FrontEnd,
    LogMel,
    level_normalisation,
)

__all__ = ["WHISPER", "FeatureSettings", "Frames", "FrontEnd", "LogMel", "level_normalisation"]
