"""A model as torch computes it, from sound to logits, so that its gradient can be followed."""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from livemood.errors import ModelError, UsageError
from livemood.model.manifest import Manifest, read_manifest
from livemood.training.network.checkpoint import RECIPE
from livemood.training.network.dcrnn import DcRnn
from livemood.training.network.initial_weights import load_initial_weights, network_shape
from livemood.training.network.log_mel import TorchLogMel
from livemood.training.network.streaming_encoder import (
    BLOCK_FRAMES,
    CONTEXT_FRAMES,
    HEAD,
    StreamingEncoderModel,
    VoiceHead,
    pretrained_encoder,
)


class DifferentiableModel:
    """A model in float32; what the int8 model in the same folder does differs slightly."""

    def __init__(self, manifest: Manifest, network: nn.Module) -> None:
        # Weights stay as if they learnt: a DC-RNN passes no gradient through frozen blocks.
        self.manifest, self.network = manifest, network.eval()
        self.blocks = manifest.network.kind == "streaming-encoder"
        first, group = (CONTEXT_FRAMES, BLOCK_FRAMES) if self.blocks else (16, 8)
        self.log_mel = TorchLogMel(manifest.features, first=first, group=group)

    def features(self, sound: Tensor) -> Tensor:
        """Sound (samples,) to features (1, frames, mels), the sound filled up to whole blocks."""
        s = self.manifest.features
        least, hop = s.samples_for(CONTEXT_FRAMES), BLOCK_FRAMES * s.hop_length
        missing = max(0, least - len(sound)) or (-(len(sound) - least) % hop if self.blocks else 0)
        frames: Tensor = self.log_mel(nn.functional.pad(sound, (0, missing)))
        return frames[None]

    def logits(self, features: Tensor) -> Tensor:
        """Features (1, frames, mels) to logits (1, labels), nothing known of the voice."""
        out: Tensor = self.network(features)
        return out


def open_differentiable(folder: Path, encoders: Path | None) -> DifferentiableModel:
    """The model in `folder`, a DC-RNN or the streaming encoder of a run.

    Of a streaming encoder the head lies in the run's folder, above `folder`, and the weights of
    Whisper in `encoders`. Raises `UsageError` if they are not there, `ModelError` if they misfit.
    """
    manifest = read_manifest(folder)
    if manifest.network.kind == "dc-rnn":
        shape = network_shape(folder)
        section = shape.model_copy(update={"pretrained": folder.name, "pretrained_head": True})
        network = DcRnn(section, manifest.features.mels, len(manifest.labels))
        load_initial_weights(network, manifest.features.mels, folder.parent)
        return DifferentiableModel(manifest, network)
    run = folder.resolve().parent
    if not ((run / HEAD).is_file() and (run / RECIPE).is_file()):
        raise UsageError(
            f"to attack a streaming encoder needs the run that made it, with {HEAD}: {run} has "
            "none. Train it again, or attack its features with a model that has one"
        )
    if encoders is None:
        raise UsageError("to attack a streaming encoder give the folder of Whisper by --encoders")
    section = json.loads((run / RECIPE).read_text("utf-8"))["network"]
    encoder = pretrained_encoder(encoders, section["blocks"])
    head = VoiceHead(
        encoder.width,
        len(manifest.labels),
        0.0,
        section["step_projection"] or 256,
        section["recurrent"],
        len(manifest.dimensions),
    )
    try:
        head.load_state_dict(torch.load(run / HEAD, weights_only=True))
    except (RuntimeError, OSError, EOFError) as error:
        raise ModelError(f"{run / HEAD} cannot be read: {str(error).splitlines()[0]}") from None
    return DifferentiableModel(manifest, StreamingEncoderModel(encoder, head))
