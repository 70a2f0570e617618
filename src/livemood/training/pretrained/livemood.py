"""Earlier models of livemood as pretrained encoders."""

import json
from pathlib import Path

import torch
from torch import Tensor

from livemood.errors import ModelError, reason
from livemood.model.features import FeatureSettings
from livemood.model.manifest import MANIFEST
from livemood.training.network.dcrnn import DcRnn
from livemood.training.network.initial_weights import load_initial_weights, network_shape
from livemood.training.pretrained.audio import _Mel
from livemood.training.pretrained.base import PretrainedEncoder


class LivemoodEncoder(PretrainedEncoder):
    """A livemood model, float or int8: its convolutions, its steps, its recurrent states."""

    frames_per_second = 12.5

    def __init__(self, folder: Path, *, weights: bool = True) -> None:
        super().__init__()
        part = network_shape(folder).model_copy(
            update={"pretrained": folder.name, "pretrained_head": True}
        )
        try:
            made = json.loads((folder / MANIFEST).read_bytes())
            features = FeatureSettings.model_validate(made["features"])
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"the model at {folder} has no manifest: {reason(error)}") from None
        self.network = DcRnn(part, features.mels, len(made["labels"]))
        if weights:
            load_initial_weights(self.network, features.mels, folder.parent)
        self.sample_rate = features.sample_rate
        self._scale = features.mean, features.deviation, features.log_offset
        self.layers = (*[part.channels] * 3, part.step_width, part.recurrent)
        self._mel = _Mel(
            n_fft=features.fft_length,
            win_length=features.frame_length,
            hop_length=features.hop_length,
            n_mels=features.mels,
            f_min=features.low_hz,
            f_max=features.high_hz,
        )

    def stem(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The first block of convolution; its mean over mel bands."""
        mean, deviation, offset = self._scale
        features = (self._mel(sound, self.sample_rate, offset) - mean) / deviation
        maps = self.network.encoder.layers()[0](features.transpose(1, 2).unsqueeze(1))
        return maps.transpose(1, 2), [maps.mean(3).transpose(1, 2)]

    def trainable(self, maps: Tensor) -> list[Tensor]:
        """The other blocks, each its mean over mel bands; steps; states of the GRU."""
        maps, found = maps.transpose(1, 2), []
        for block in self.network.encoder.layers()[1:3]:
            maps = block(maps)
            found.append(maps.mean(3).transpose(1, 2))
        steps = self.network.encoder.linear(maps.permute(0, 2, 3, 1).flatten(2))
        head = self.network.head
        states, _ = head.run(steps, torch.zeros(len(steps), head.width, device=steps.device))
        return [*found, steps, states]
