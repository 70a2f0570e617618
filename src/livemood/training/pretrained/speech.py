"""Transformers that were trained on speech without labels, of torchaudio's pipelines."""

from torch import Tensor
from torchaudio.models import Wav2Vec2Model

from livemood.training.pretrained.base import PretrainedEncoder


class SpeechTransformer(PretrainedEncoder):
    """A wav2vec 2.0, HuBERT or WavLM (Baevski 2020, Hsu 2021, Chen 2022): 20 ms a frame."""

    sample_rate = 16000
    frames_per_second = 50.0

    def __init__(self, network: Wav2Vec2Model) -> None:
        super().__init__()
        self.network = network
        self.shortest = 400
        found = network.encoder.transformer.layers
        self.layers = tuple(int(layer.final_layer_norm.normalized_shape[0]) for layer in found)

    def stem(self, sound: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The convolutions, which nobody tunes (Baevski et al. 2020); nothing of them is given."""
        return self.network.feature_extractor(sound, None)[0], []

    def trainable(self, maps: Tensor) -> list[Tensor]:
        """The output of each layer of the transformer."""
        found: list[Tensor] = self.network.encoder.extract_features(maps, None)
        return found
