"""Log-mel features in torch, through which gradients reach the sound."""

import torch
from torch import Tensor, nn

from livemood.model.features import FeatureSettings, level_normalisation
from livemood.model.features.mel import mel_filters


class TorchLogMel(nn.Module):
    """What `livemood.model.features.FrontEnd` computes, to 1e-4, in torch.

    The running maximum, by which the level is taken out, passes no gradient.
    """

    def __init__(self, settings: FeatureSettings, *, first: int, group: int) -> None:
        """`first` and `group` as `FrontEnd` takes them."""
        super().__init__()
        self.settings = s = settings
        scale = "htk" if s.kind == "log-mel" else "slaney"
        bands = mel_filters(s.mels, s.fft_length, s.sample_rate, s.low_hz, s.high_hz, scale)  # type: ignore[arg-type]
        self.bands, self.window = torch.from_numpy(bands), torch.hann_window(s.frame_length)
        self._level = level_normalisation(s, first=first, group=group)

    def forward(self, sound: Tensor) -> Tensor:
        """Sound (samples,) to standardised features (frames, mels) of whole frames."""
        s = self.settings
        frames = sound.unfold(0, s.frame_length, s.hop_length) * self.window
        power = torch.fft.rfft(frames, n=s.fft_length).abs().square() @ self.bands
        if s.kind == "log-mel":
            values = (power + s.log_offset).log()
        else:
            values = power.clamp_min(s.log_offset).log10()
        if self._level is None:
            standardised: Tensor = (values - s.mean) / s.deviation
            return standardised
        finished = values.detach().numpy().copy()
        self._level(finished)
        # The level is a constant of each frame: the gradient is that of the values themselves.
        moved = values / s.deviation
        out: Tensor = moved + (torch.from_numpy(finished) - moved).detach()
        return out
