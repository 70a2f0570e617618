"""Networks for sound whose weights are published as tensors: BYOL-S, EfficientAT, GPVAD."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torchaudio.compliance.kaldi import get_mel_banks
from torchaudio.transforms import MelSpectrogram

from livemood.training.pretrained.base import PretrainedEncoder

EPS: Final = float(torch.finfo(torch.float32).eps)


class ByolS(PretrainedEncoder):
    """BYOL-S (Elbanna et al. 2022), trained on the speech of AudioSet without labels."""

    sample_rate = 16000
    frames_per_second = 12.5
    layers = (64, 64, 64, 512, 512)
    mean, deviation = -5.67, 4.97
    """Of log-mel values of emotional speech; the network wants those of the corpus."""

    def __init__(self) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for inputs in (1, 64, 64):
            blocks += [nn.Conv2d(inputs, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU()]
            blocks.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*blocks)
        self.fc = nn.Sequential(
            nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.3), nn.Linear(512, 512), nn.ReLU()
        )
        # Not among the weights that are loaded: kept out of the module's state.
        self._mel = _Mel(
            n_fft=1024, win_length=400, hop_length=160, n_mels=64, f_min=60, f_max=7800
        )

    def stem(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The first block of convolution; its mean over mel bands."""
        maps = (self._mel(sound, 16000, EPS) - self.mean) / self.deviation
        maps = self.features[:4](maps.unsqueeze(1))
        return maps.movedim(3, 1), [maps.mean(2).transpose(1, 2)]

    def trainable(self, maps: Tensor) -> list[Tensor]:
        """The other blocks, each its mean over mel bands, then both linear layers."""
        maps, found = maps.movedim(1, 3), []
        for number, layer in enumerate(list(self.features)[4:]):
            maps = layer(maps)
            if number % 4 == 3:
                found.append(maps.mean(2).transpose(1, 2))
        steps = maps.permute(0, 3, 2, 1).flatten(2)
        for number, layer in enumerate(self.fc):
            steps = layer(steps)
            if number in (1, 4):
                found.append(steps)
        return found


class EfficientAt(PretrainedEncoder):
    """A MobileNetV3 of width 0.4 (Schmid et al. 2023), distilled from a transformer on AudioSet."""

    sample_rate = 32000
    frames_per_second = 3.125
    layers = (16, 16, 32, 48, 64, 64, 384)
    after = (3, 6, 10, 12, 13, 15, 16)
    """The blocks whose maps are given."""
    stem_blocks = 7
    """Blocks that stay as they are when it is finetuned: more than half of its work."""

    def __init__(self) -> None:
        super().__init__()
        # Here, since torchvision takes a second to import, and few use it.
        from torchvision.models.mobilenetv3 import (
            InvertedResidual,
            MobileNetV3,
            _mobilenet_v3_conf,
        )

        settings, last = _mobilenet_v3_conf("mobilenet_v3_large", width_mult=0.4)
        network = MobileNetV3(
            settings,
            last,
            block=partial(InvertedResidual, se_layer=_Squeeze),
            norm_layer=partial(nn.BatchNorm2d, eps=0.001, momentum=0.01),
        )
        network.features[0][0] = nn.Conv2d(1, 8, 3, 2, 1, bias=False)
        self.features = network.features
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(1),
            nn.Linear(384, 512),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(512, 527),
        )
        banks, _ = get_mel_banks(128, 1024, 32000.0, 0.0, 15000.0, 100.0, -500.0, 1.0)
        self._banks = _Constant(nn.functional.pad(banks, (0, 1)))

    def stem(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The lower blocks; those at which the maps shrink or widen, as means over mel bands."""
        maps, found = self._passed(self._log_mel(sound).unsqueeze(1), range(self.stem_blocks))
        return maps.movedim(3, 1), found

    def trainable(self, maps: Tensor) -> list[Tensor]:
        """The same of the upper blocks."""
        return self._passed(maps.movedim(1, 3), range(self.stem_blocks, len(self.features)))[1]

    def _passed(self, maps: Tensor, blocks: range) -> tuple[Tensor, list[Tensor]]:
        found = []
        for number in blocks:
            maps = self.features[number](maps)
            if number in self.after:
                found.append(maps.mean(2).transpose(1, 2))
        return maps, found

    def tags(self, sound: Tensor) -> Tensor:
        """Logits of the 527 AudioSet classes, (batch, 527)."""
        out: Tensor = self.classifier(self.features(self._log_mel(sound).unsqueeze(1)))
        return out

    def _log_mel(self, sound: Tensor) -> Tensor:
        sharp = sound[:, 1:] - 0.97 * sound[:, :-1]
        window = torch.hann_window(800, periodic=False, device=sound.device)
        spectrum = torch.stft(sharp, 1024, 320, 800, window, return_complex=True)
        power = spectrum.abs().square()
        return (torch.log(self._banks.on(sound) @ power + 1e-5) + 4.5) / 5.0


class Gpvad(PretrainedEncoder):
    """A CRNN that tags sound (Dinkel et al. 2021), the teacher of a voice activity detector."""

    sample_rate = 22050
    frames_per_second = 12.5
    layers = (32, 128, 128, 128, 128, 256)
    stem_blocks = 4
    """Convolutions and poolings that stay as they are when it is finetuned."""

    def __init__(self) -> None:
        super().__init__()
        widths = ((1, 32), (2, 4), (32, 128), (128, 128), (2, 4), (128, 128), (128, 128), (1, 4))
        pools = (1, 4, 7)
        parts: list[nn.Module] = [
            nn.LPPool2d(4, pair) if number in pools else _Block(*pair)
            for number, pair in enumerate(widths)
        ]
        self.features = nn.Sequential(*parts, nn.Dropout(0.3))
        self.gru = nn.GRU(128, 128, bidirectional=True, batch_first=True)
        self.outputlayer = nn.Linear(256, 527)
        self._mel = _Mel(
            n_fft=2048, hop_length=441, n_mels=64, f_max=11025, norm="slaney", mel_scale="slaney"
        )

    def stem(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The first three convolutions, each its mean over mel bands."""
        maps = self._mel(sound, 22050, EPS).transpose(1, 2).unsqueeze(1)
        maps, found = self._passed(maps, list(self.features)[: self.stem_blocks])
        return maps.transpose(1, 2), found

    def trainable(self, maps: Tensor) -> list[Tensor]:
        """The same of the other two, then the recurrent layer."""
        maps, found = self._passed(maps.transpose(1, 2), list(self.features)[self.stem_blocks :])
        states, _ = self.gru(maps.transpose(1, 2).flatten(2))
        return [*found, states]

    def _passed(self, maps: Tensor, layers: Sequence[nn.Module]) -> tuple[Tensor, list[Tensor]]:
        found = []
        for layer in layers:
            maps = layer(maps)
            if isinstance(layer, _Block):
                found.append(maps.mean(3).transpose(1, 2))
        return maps, found


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.LeakyReLU(0.1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.block(maps)
        return out


class _Squeeze(nn.Module):
    """Squeeze and excitation over channels with two linear layers."""

    def __init__(self, inputs: int, inner: int, **_: Any) -> None:  # noqa: ANN401 - torchvision's own
        super().__init__()
        part = nn.Module()
        part.fc1, part.fc2 = nn.Linear(inputs, inner), nn.Linear(inner, inputs)
        self.conc_se_layers = nn.ModuleList([part])

    def forward(self, maps: Tensor) -> Tensor:
        part: Any = self.conc_se_layers[0]
        inner = torch.relu(part.fc1(maps.mean((2, 3))))
        return maps * torch.sigmoid(part.fc2(inner))[:, :, None, None]


class _Mel:
    """Log-mel features, (batch, mels, frames); made for each device, and no part of a state."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - those of MelSpectrogram
        self._settings = settings
        self._made: dict[torch.device, nn.Module] = {}

    def __call__(self, sound: Tensor, rate: int, offset: float) -> Tensor:
        if sound.device not in self._made:
            given = {"mel_scale": "htk", "power": 2.0, **self._settings}
            self._made[sound.device] = MelSpectrogram(rate, **given).to(sound.device)
        mel: Tensor = self._made[sound.device](sound)
        return torch.log(mel + offset)


class _Constant:
    """A constant tensor that is no part of a state."""

    def __init__(self, value: Tensor) -> None:
        self._value = value

    def on(self, other: Tensor) -> Tensor:
        """The constant on the device of `other`."""
        self._value = self._value.to(other.device)
        return self._value
