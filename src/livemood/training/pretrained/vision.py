"""Networks that were trained on pictures, on spectrograms: VGG, ResNet, Inception."""

from typing import Final

import torch
from torch import Tensor, nn

from livemood.training.pretrained.audio import EPS, _Mel
from livemood.training.pretrained.base import PretrainedEncoder

NODES: Final = {
    "vgg11_bn": ("features.7", "features.14", "features.21", "features.28"),
    "resnet18": ("layer1", "layer2", "layer3", "layer4"),
    "inception_v3": ("Mixed_5d", "Mixed_6e", "Mixed_7c"),
}
WIDTHS: Final = {
    "vgg11_bn": (128, 256, 512, 512),
    "resnet18": (64, 128, 256, 512),
    "inception_v3": (288, 768, 2048),
}


class ImageEncoder(PretrainedEncoder):
    """One of torchvision's networks; a log-mel spectrogram of 128 bands is its picture.

    `weights` "DEFAULT" fetches those of ImageNet at run time; None leaves them random.
    """

    sample_rate = 16000

    def __init__(self, name: str, weights: str | None) -> None:
        super().__init__()
        # Here, since torchvision takes a second to import, and few use it.
        from torchvision.models import get_model
        from torchvision.models.feature_extraction import create_feature_extractor

        more = {"init_weights": True} if name == "inception_v3" and weights is None else {}
        network: nn.Module = get_model(name, weights=weights, **more)
        nodes = NODES[name]
        self.network = create_feature_extractor(network.eval(), list(nodes))
        self.layers = WIDTHS[name]
        self.frames_per_second = 100 / 32
        self._mel = _Mel(n_fft=1024, win_length=400, hop_length=160, n_mels=128, f_max=8000)

    def stem(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The picture alone: all layers learn when it is finetuned."""
        picture = self._mel(sound, 16000, EPS)
        scale = picture.std((1, 2), keepdim=True).clamp_min(1e-3)
        picture = (picture - picture.mean((1, 2), keepdim=True)) / scale
        return picture.transpose(1, 2), []

    def trainable(self, maps: Tensor) -> list[Tensor]:
        """Stages of the network, each its mean over mel bands."""
        picture = maps.transpose(1, 2)
        # Inception's smallest picture is 75 points wide.
        picture = nn.functional.pad(picture, (0, max(0, 75 - picture.shape[2])))
        maps = self.network(picture.unsqueeze(1).expand(-1, 3, -1, -1))
        return [torch.as_tensor(found).mean(2).transpose(1, 2) for found in maps.values()]
