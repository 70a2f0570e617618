"""Several channels of the same voice as one."""

import numpy as np

from livemood.audio.block import Samples


class Downmix:
    """Mixes channels to one by their mean, unless they cancel each other in it.

    A stereo cable or a wrongly wired microphone can bring the same voice twice with opposite signs,
    [x, -x]: their mean is silence. Where the mean holds far less energy than the channels do, the
    louder channel is taken instead. A pure object.
    """

    CANCELLED, SOUND = 0.1, 0.2
    """Energy of the mean, as a share of the channels' mean energy: below, and again above. Of two
    unrelated channels it is 0.5, of two alike 1."""
    MEMORY_S = 0.1
    """Over which energies are averaged."""
    FAINT = 1e-8
    """Energy that is taken for silence: -80 dB."""

    def __init__(self, rate: int) -> None:
        """`rate` samples a second."""
        self._rate = rate
        self._energies = np.zeros(0)
        self._mixed = 0.0
        self._weights = np.zeros(0, np.float32)
        self.cancelled = False
        """Whether channels cancelled each other at some time."""

    @property
    def cancels(self) -> bool:
        """Whether channels cancel each other now, so that one of them is taken."""
        return len(self._weights) > 1 and self._weights.max() == 1

    def push(self, samples: Samples) -> Samples:
        """Shape (n, channels) to (n, 1)."""
        channels = samples.shape[1]
        first = samples[:, :1]
        if channels == 1 or not len(samples):
            return first
        if (samples == first).all():
            if self.cancels and first.any():  # alike again; any weights would give the same
                self._weights = np.full(channels, 1 / channels, np.float32)
            return first
        if len(self._energies) != channels:
            self._energies, self._mixed = np.zeros(channels), 0.0
            self._weights = np.full(channels, 1 / channels, np.float32)
        began = not self._energies.any()
        before, self._weights = self._weights, self._choose(samples)
        if began or np.array_equal(before, self._weights):
            return (samples @ self._weights)[:, None]
        share = np.linspace(0, 1, len(samples), dtype=np.float32)[:, None]
        faded = (1 - share) * before + share * self._weights
        out: Samples = (samples * faded).sum(axis=1, keepdims=True, dtype=np.float32)
        return out

    def _choose(self, samples: Samples) -> Samples:
        """The weight of each channel."""
        channels = samples.shape[1]
        kept = (
            0.0 if not self._energies.any() else np.exp(-len(samples) / self._rate / self.MEMORY_S)
        )
        loud = samples.astype(np.float64)
        self._energies = kept * self._energies + (1 - kept) * (loud**2).mean(axis=0)
        self._mixed = kept * self._mixed + (1 - kept) * (loud.mean(axis=1) ** 2).mean()
        each = self._energies.mean()
        one = self._weights.max() == 1
        if each > self.FAINT and self._mixed < (self.SOUND if one else self.CANCELLED) * each:
            self.cancelled = True
            chosen = np.zeros(channels, np.float32)
            best = int(self._energies.argmax())
            if one and self._energies[best] < 2 * self._energies[self._weights.argmax()]:
                return self._weights
            chosen[best] = 1
            return chosen
        return np.full(channels, 1 / channels, np.float32) if one else self._weights
