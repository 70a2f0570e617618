"""What learns, and how fast: parameter groups, and layers that are frozen or begin later."""

from typing import Any

import torch
from torch import nn

from livemood.training.network.dcrnn import DcRnn
from livemood.training.recipe.schema import Recipe


def optimizer_of(recipe: Recipe, network: DcRnn) -> torch.optim.Optimizer:
    """AdamW, with a smaller step for each layer that came from the source, the less the deeper."""
    rate = recipe.fit.learning_rate
    groups: list[dict[str, Any]] = []
    seen: set[int] = set()
    for depth, layer in enumerate(transferred(recipe, network)):
        parameters = [p for p in layer.parameters() if id(p) not in seen]
        seen |= {id(p) for p in parameters}
        step = rate * recipe.fit.source_rate * recipe.fit.layer_decay**depth
        if layer is network.causal and recipe.fit.head_rate is not None:
            step = rate * recipe.fit.head_rate
        groups.append({"params": parameters, "lr": step})
    new = [p for p in network.parameters() if id(p) not in seen]
    if recipe.fit.source_rate == 0:
        groups = []
    groups = [{"params": new, "lr": rate}, *groups]
    return torch.optim.AdamW(
        [g for g in groups if g["params"]], weight_decay=recipe.fit.weight_decay
    )


def transferred(recipe: Recipe, network: DcRnn) -> list[nn.Module]:
    """The layers that came from the source, from the top to the bottom."""
    if recipe.network.source is None:
        return []
    head = [network.causal] if recipe.network.source_head else []
    return [*head, *reversed(network.front.layers())]


def set_learning(recipe: Recipe, network: DcRnn, epoch: int) -> None:
    """Put the network into training, less the layers that are frozen, for good or in this epoch.

    A frozen layer keeps its statistics too. With `unfreeze_every` the topmost layer of the source
    begins to learn after so many epochs, and one more each time.
    """
    network.train()
    layers = transferred(recipe, network)
    open_layers = most = len(layers) - min(recipe.fit.frozen, len(layers))
    if recipe.fit.source_rate == 0:
        open_layers = 0
    elif recipe.fit.unfreeze_every:
        open_layers = min(most, epoch // recipe.fit.unfreeze_every)
    if layers and not open_layers:
        network.front.eval()  # its dropout as well
    for number, layer in enumerate(layers):
        learns = number < open_layers
        layer.requires_grad_(learns)
        layer.train(learns)
