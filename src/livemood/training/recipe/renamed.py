"""Names that recipes had before: each is refused with a line that says the new one."""

from collections.abc import Mapping
from typing import Any, Final

RENAMED: Final[dict[str, str]] = {
    "network.carried": "network.state_carryover",
    "network.readout": "network.step_projection",
    "network.moments": "network.statistics_pooling",
    "network.bands": "network.kernel_bands",
    "network.source": "network.pretrained",
    "network.source_sha256": "network.pretrained_sha256",
    "network.source_head": "network.pretrained_head",
    "augment.sound": "augment.waveform",
    "augment.views": "augment.copies",
    "fit.source_rate": "fit.encoder_lr_scale",
    "fit.head_rate": "fit.head_lr_scale",
    "fit.layer_decay": "fit.layer_lr_decay",
    "fit.frozen": "fit.frozen_blocks",
    "fit.others": "fit.masked_label_weight",
    "fit.validation": "fit.validation_share",
    "fit.averaging": "fit.ema_decay",
    "distill.table": "distill.soft_labels",
    "distill.features": "distill.feature_weight",
    "distill.share": "distill.soft_label_weight",
}
"""By the section and the key in it."""

RENAMED_KINDS: Final[dict[str, str]] = {
    "jitter": "gain_transition",
    "mixing": "background_speech",
    "losses": "packet_loss",
}
"""Kinds of changes of sound."""


def renamed(key: str) -> str | None:
    """What `key`, as `fit.source_rate` or `augment.sound.noise.p`, is called now; None if so.

    >>> renamed("augment.sound.losses.p")
    'augment.waveform.packet_loss.p'
    """
    for old, new in RENAMED.items():
        if key == old or key.startswith(f"{old}."):
            key = new + key[len(old) :]
            break
    else:
        new = ""
    words = key.split(".")
    if words[:2] == ["augment", "waveform"] and len(words) > 2 and words[2] in RENAMED_KINDS:
        new = words[2] = RENAMED_KINDS[words[2]]
    return ".".join(words) if new else None


def refuse_renamed(section: str, given: Mapping[str, Any]) -> None:
    """Raise `ValueError` for a key of `section` that has another name now."""
    for key in given:
        if new := RENAMED.get(f"{section}.{key}"):
            raise ValueError(f"{key} is now called {new.rpartition('.')[2]}")
