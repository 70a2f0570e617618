"""Which kinds of network there are: `network.kind` in a recipe names one."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livemood.errors import UsageError
from livemood.model.features import FeatureSettings
from livemood.model.manifest import MANIFEST
from livemood.training.network.base import EmotionNetwork
from livemood.training.network.checkpoint import is_run, weights_of
from livemood.training.network.dcrnn import DcRnn
from livemood.training.network.initial_weights import load_initial_weights
from livemood.training.recipe.sections import NetworkSection


@dataclass(frozen=True, slots=True)
class NetworkKind:
    """How a network of one kind is made."""

    make: Callable[[NetworkSection, int, int, Sequence[int], int], EmotionNetwork]
    """With random weights, from its section, mel bands, labels, the labels of further tasks and
    the width of a teacher's steps; see `DcRnn`."""
    load_pretrained: Callable[[Any, int, Path | None], None]
    """Gives it the weights that its section names, from mel bands and the folder of encoders."""


KINDS: Final[dict[str, NetworkKind]] = {"dc-rnn": NetworkKind(DcRnn, load_initial_weights)}
"""Networks that `NetworkTrainer` trains: a new one is one more line here, and one more value of
`NetworkSection.kind`. A `streaming-encoder` has a pipeline of its own."""


def make_network(
    section: NetworkSection,
    mels: int,
    labels: int,
    tasks: Sequence[int] = (),
    teacher_width: int = 0,
) -> EmotionNetwork:
    """The network that a recipe asks for, with random weights.

    Raises `UsageError` for one of a kind that has a pipeline of its own.
    """
    if section.kind not in KINDS:
        raise UsageError(f"a {section.kind} is trained once or by folds, and nothing else, so far")
    return KINDS[section.kind].make(section, mels, labels, tasks, teacher_width)


def load_pretrained(network: EmotionNetwork, mels: int, encoders: Path | None) -> None:
    """Give it the pretrained weights that its section names, if it names any.

    Raises `ModelError` if they cannot be had or do not fit.
    """
    if network.section.pretrained is not None:
        KINDS[network.section.kind].load_pretrained(network, mels, encoders)


def load_trained(section: NetworkSection, mels: int, labels: int, run: Path) -> EmotionNetwork:
    """The network that the run in the folder `run` left, in evaluation.

    Raises `ModelError` if the run is damaged.
    """
    network = make_network(section, mels, labels)
    network.load_state_dict(weights_of(run))
    return network.eval()


def pretrained_scale(section: NetworkSection, encoders: Path | None) -> tuple[float, float] | None:
    """Mean and deviation of the features that an earlier livemood model was trained on."""
    if encoders is None or section.pretrained is None:
        return None
    folder = encoders / section.pretrained
    manifest = (folder / "float32" if is_run(folder) else folder) / MANIFEST
    if not manifest.is_file():
        return None
    # Only this section: manifests of earlier versions may lack others.
    features = FeatureSettings.model_validate(json.loads(manifest.read_bytes())["features"])
    return features.mean, features.deviation
