"""What learns, and how fast: parameter groups, and layers that are frozen or begin later."""

from typing import Any

import torch

from livemood.errors import UsageError
from livemood.training.network.base import EmotionNetwork
from livemood.training.recipe.sections import FitSection


def make_optimizer(fit: FitSection, network: EmotionNetwork) -> torch.optim.Optimizer:
    """AdamW, with a smaller step for each pretrained layer, the less the deeper.

    Raises `UsageError` if nothing would learn.
    """
    rate = fit.learning_rate
    groups: list[dict[str, Any]] = []
    seen: set[int] = set()
    for depth, layer in enumerate(network.pretrained_layers()):
        parameters = [p for p in layer.parameters() if id(p) not in seen]
        seen |= {id(p) for p in parameters}
        step = rate * fit.encoder_lr_scale * fit.layer_lr_decay**depth
        if layer is network.head and fit.head_lr_scale is not None:
            step = rate * fit.head_lr_scale
        groups.append({"params": parameters, "lr": step})
    new = [p for p in network.parameters() if id(p) not in seen]
    groups = [{"params": new, "lr": rate}, *(g for g in groups if g["lr"] > 0)]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise UsageError(
            "nothing is left to learn: fit.encoder_lr_scale is 0 and the head is pretrained, too: "
            "set fit.head_lr_scale"
        )
    return torch.optim.AdamW(groups, weight_decay=fit.weight_decay)


def set_trainable(fit: FitSection, network: EmotionNetwork, epoch: int) -> None:
    """Put the network into training, less the layers that are frozen, for good or in this epoch.

    A frozen layer keeps its statistics too. With `unfreeze_every` the topmost pretrained layer
    begins to learn after so many epochs, and one more each time.
    """
    network.train()
    layers = network.pretrained_layers()
    trainable = most = len(layers) - min(fit.frozen_blocks, len(layers))
    if fit.encoder_lr_scale == 0:
        trainable = 0
    elif fit.unfreeze_every:
        trainable = min(most, epoch // fit.unfreeze_every)
    if layers and not trainable:
        network.encoder.eval()  # its dropout as well
    for number, layer in enumerate(layers):
        own_rate = layer is network.head and fit.head_lr_scale is not None
        learns = number < trainable or (own_rate and not fit.encoder_lr_scale)
        layer.requires_grad_(learns)
        layer.train(learns)
