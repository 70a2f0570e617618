"""What `livemood evaluate` is to measure: models, clips, folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from livemood.errors import UsageError
from livemood.model import Model, load_model
from livemood.speech import open_detector
from livemood.timeline.smoother import SmootherSettings
from livemood.toolkit.conversations import ConversationSettings
from livemood.training.augment.degradation import NoiseBank
from livemood.training.data.clips import Clip
from livemood.training.data.folds import make_folds
from livemood.training.data.manifest import read_manifest
from livemood.training.evaluation import explanation
from livemood.training.evaluation.robustness import DOMAINS, METHODS, Attack
from livemood.training.recipe.schema import read_recipe


@dataclass(frozen=True)
class Wanted:
    """What to evaluate, and how."""

    model: str
    """A shipped model or a folder; `{fold}` in it becomes the name of each fold."""
    manifests: Sequence[Path]
    label_map: dict[str, str]
    speakers: Sequence[str] = ()
    """Only these, if any is named."""
    folds: str | None = None
    conditions: Sequence[str] = ("clean",)
    noise: NoiseBank | None = None
    streaming: int = 0
    """Conversations of each speaker."""
    smoothing: SmootherSettings | None = None
    vad: str = "webrtc"
    reference: str | None = None
    """The detector whose speech alone is judged in conversations; none for all of a clip."""
    talk: ConversationSettings = field(default_factory=ConversationSettings)
    attack: Attack | None = None
    explain: explanation.Explanation | None = None
    encoders: Path | None = None
    """Where Whisper's weights lie, to attack or to explain a streaming encoder."""
    seed: int = 1
    provider: str = "cpu"


def held_out_of(recipe: Path) -> list[str]:
    """The speakers that a recipe never trains on. Raises `UsageError` if there is none."""
    speakers = [name for part in read_recipe(recipe).corpora for name in part.held_out]
    if not speakers:
        raise UsageError(f"the recipe {recipe} holds nobody out")
    return speakers


Part = tuple[Model, list[Clip], str]
"""A model, the clips it is measured on, and the name of the fold."""


def models_and_clips(wanted: Wanted) -> tuple[list[Part], list[Clip]]:
    """The model of each fold with its clips, or the one model with all; and all clips in order."""
    open_detector(wanted.vad)
    if wanted.reference:
        open_detector(wanted.reference)
    by_fold = "{fold}" in wanted.model
    if by_fold and not wanted.folds:
        raise UsageError("a model for each fold needs --folds")
    first = wanted.model if not by_fold else ""
    model = None if by_fold else load_model(first, wanted.provider)  # type: ignore[arg-type]
    labels = model.labels if model else None
    clips = [c for m in wanted.manifests for c in read_manifest(m, wanted.label_map, labels)]
    if wanted.speakers:
        names = set(wanted.speakers)
        clips = [clip for clip in clips if clip.speaker in names]
        if not clips:
            raise UsageError(f"no clip has any of these speakers: {', '.join(sorted(names))}")
    if not wanted.folds:
        assert model is not None  # noqa: S101 - without folds there is one model
        return [(model, clips, "")], clips
    parts: list[Part] = []
    for fold in make_folds(wanted.folds, clips):
        name = wanted.model.replace("{fold}", fold.slug)
        own = model or load_model(name, wanted.provider)  # type: ignore[arg-type]
        if parts and own.labels != parts[0][0].labels:
            raise UsageError(f"{name} has other labels than the model of fold {parts[0][2]}")
        test = fold.split(clips)[1]
        if unknown := {clip.label for clip in test} - set(own.labels):
            raise UsageError(f"{test[0].row}: {name} has no label {min(unknown)!r}: use --map")
        parts.append((own, test, fold.name))
    return parts, [clip for _, own, _ in parts for clip in own]


def noise_bank(folder: Path, folds: str) -> NoiseBank:
    """The noise in `folder`; `folds` names some of its folds, as `4,5`, or none for all."""
    return NoiseBank(folder, tuple(filter(None, folds.split(","))))


def read_attack(method: str, domain: str, snrs: str) -> Attack:
    """The attack that options name. Raises `UsageError` for one that there is not."""
    for value, known in ((method, METHODS), (domain, DOMAINS)):
        if value not in known:
            raise UsageError(f"no attack is called {value!r}: use {' or '.join(known)}")
    try:
        found = sorted({float(text) for text in snrs.split(",")}, reverse=True)
    except ValueError:
        found = []
    if not found or not all(-20 <= snr <= 100 for snr in found):
        raise UsageError(f"--attack-snr takes numbers of dB from -20 to 100, as 40,30: not {snrs}")
    return Attack(method, domain, found)  # type: ignore[arg-type]


def read_explanation(methods: str) -> explanation.Explanation:
    """The explanations that an option names, `A,B`. Raises `UsageError` for what there is not."""
    names = tuple(dict.fromkeys(methods.split(",")))
    for name in names:
        if name not in (known := explanation.METHODS):
            raise UsageError(f"no explanation is called {name!r}: use {' or '.join(known)}")
    return explanation.Explanation(names)  # type: ignore[arg-type]


def read_smoothing(values: Mapping[str, str]) -> SmootherSettings:
    """Settings of the smoother. Raises `UsageError` for those that make no sense."""
    try:
        return SmootherSettings.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "smoothing"
        raise UsageError(f"--smoothing: {where}: {first['msg']}") from None
