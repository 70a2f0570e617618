"""Validation on held-out speakers after every epoch."""

from collections.abc import Sequence

import numpy as np
import torch

from livemood.model.clip_windows import window_starts
from livemood.training.data.cache import FeatureCache
from livemood.training.data.clips import Clip
from livemood.training.data.predictions import Probs, Truth
from livemood.training.evaluation.metrics import confusion_matrix, uar
from livemood.training.network.base import EmotionNetwork


class Validation:
    """Clips of validation speakers as whole windows, as `predict` reads them."""

    def __init__(
        self, clips: Sequence[Clip], labels: Sequence[str], cache: FeatureCache, longest: int
    ) -> None:
        """`longest` is the most frames of a window."""
        self._windows = []
        for clip in clips:
            frames = cache.get(clip, 1.0).astype(np.float32)
            starts = window_starts(len(frames), longest)
            self._windows.append(np.stack([frames[s : s + longest] for s in starts]))
        self._truth: Truth = np.array([labels.index(clip.label) for clip in clips])

    @torch.no_grad()
    def predict(
        self, network: EmotionNetwork, mean: float, deviation: float
    ) -> tuple[Truth, Probs]:
        """True labels and probabilities, the mean over the windows of each clip."""
        network.eval()
        device = next(network.parameters()).device
        rows = []
        for windows in self._windows:
            features = torch.from_numpy((windows - mean) / deviation).to(device)
            rows.append(network(features).softmax(1).mean(0).double().cpu().numpy())
        return self._truth, np.array(rows)

    def uar(self, network: EmotionNetwork, mean: float, deviation: float) -> float:
        """Unweighted average recall, in percent."""
        return 100 * uar(confusion_matrix(*self.predict(network, mean, deviation)))
