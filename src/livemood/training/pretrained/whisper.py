"""The encoder of Whisper tiny.en as a pretrained encoder."""

from pathlib import Path

import torch
from torch import Tensor

from livemood.errors import ModelError
from livemood.model.features import WHISPER, FeatureSettings
from livemood.model.features.mel import mel_filters
from livemood.training.network.whisper import WhisperStack
from livemood.training.network.whisper_weights import find_weights, read_weights
from livemood.training.pretrained.base import PretrainedEncoder

SETTINGS = FeatureSettings.model_validate(WHISPER)


class WhisperEncoder(PretrainedEncoder):
    """The stem and all four blocks with full attention, on a clip as it is: nothing fills it up.

    Log-mel values are related to the clip's loudest, as Whisper does it (Radford et al. 2022).
    """

    sample_rate = 16000
    frames_per_second = 50.0

    def __init__(self, stack: WhisperStack | None = None) -> None:
        super().__init__()
        self.stack = stack or WhisperStack()
        self.layers = (self.stack.width,) * (1 + len(self.stack.blocks))
        s = SETTINGS
        bands = mel_filters(
            self.stack.mels, s.fft_length, s.sample_rate, s.low_hz, s.high_hz, "slaney"
        )
        self.bands: Tensor
        self.window: Tensor
        # Not among the weights: neither is learnt.
        self.register_buffer("bands", torch.from_numpy(bands), persistent=False)
        self.register_buffer("window", torch.hann_window(s.frame_length), persistent=False)

    def log_mel(self, sound: Tensor) -> Tensor:
        """Sound (batch, samples) to (batch, frames, mels), at most 8 below the clip's loudest."""
        s = SETTINGS
        missing = max(0, s.samples_for(5) - sound.shape[1])
        frames = torch.nn.functional.pad(sound, (0, missing))
        frames = frames.unfold(1, s.frame_length, s.hop_length) * self.window
        power = torch.fft.rfft(frames, n=s.fft_length).abs().square() @ self.bands
        values = power.clamp_min(s.log_offset).log10()
        loudest = values.amax((1, 2), keepdim=True)
        out: Tensor = (values.maximum(loudest - 8.0) + 4.0) / 4.0
        return out

    def stem(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The two convolutions and the positions."""
        maps = self.stack.stem(self.log_mel(sound), padded=True)
        return maps, [maps]

    def trainable(self, maps: Tensor) -> list[Tensor]:
        """The output of each block."""
        return self.stack.through(maps)


def open_whisper(folder: Path, weights: bool) -> WhisperEncoder:
    """With the weights of the file in `folder`, or random ones. Raises `ModelError`."""
    encoder = WhisperEncoder()
    if weights:
        try:
            encoder.stack.load(read_weights(find_weights(folder)))
        except ValueError as error:
            raise ModelError(str(error)) from None
    return encoder
