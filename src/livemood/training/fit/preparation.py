"""From clips on disk to training sets: caches, augmented sound, augmented copies, validation."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from livemood.model.features import FeatureSettings
from livemood.training.augment.waveform import make_augmenter
from livemood.training.augment.workers import AugmentedSound
from livemood.training.data.cache import FeatureCache, SoundCache
from livemood.training.data.clips import Clip
from livemood.training.data.predictions import Probs
from livemood.training.fit.batches import TrainingSet
from livemood.training.fit.copies import AugmentedCopies
from livemood.training.fit.validation import Validation
from livemood.training.network.encoder import ConvolutionalEncoder
from livemood.training.recipe.sections import AugmentSection, FitSection
from livemood.training.run_folder import Workspace


class Preparation:
    """Makes training sets that share caches and changes of sound.

    Use it as a context manager: it may have processes that change sound.
    """

    def __init__(
        self,
        features: FeatureSettings,
        augment: AugmentSection,
        fit: FitSection,
        workspace: Workspace,
        background: Sequence[Clip],
    ) -> None:
        """`background` are clips that may be mixed into others."""
        self._sections = features, augment, fit
        self._workspace = workspace
        self.cache = FeatureCache(workspace.cache, features)
        self._augmenter = make_augmenter(augment, workspace.corpora, background)
        self._augmented: AugmentedSound | None = None
        if self._augmenter:
            sounds = SoundCache(workspace.cache, features.sample_rate)
            self._augmented = AugmentedSound(sounds, self._augmenter, features, workspace.workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._augmented:
            self._augmented.close()

    def training_set(
        self,
        clips: Sequence[Clip],
        shares: Sequence[float],
        labels: Sequence[str],
        soft_labels: Probs | None = None,
    ) -> TrainingSet:
        """The training set of these clips; `shares` says how much of each is drawn for an epoch."""
        more = {"augmented": self._augmented, "soft_labels": soft_labels}
        return TrainingSet(clips, shares, labels, *self._sections, self.cache, **more)  # type: ignore[arg-type]

    def copies(
        self, encoder: ConvolutionalEncoder, scale: tuple[float, float], seed: int
    ) -> AugmentedCopies:
        """Augmented copies, as features on this scale or as what frozen blocks give for them."""
        features, augment, fit = self._sections
        # Neither how many there are nor what is done to batches of them makes a copy another one.
        changes = augment.model_copy(update={"copies": 0, "mixup": 0.0})
        raw = features.model_copy(update={"mean": 0.0, "deviation": 1.0})
        background = self._augmenter.background if self._augmenter else ""
        shared = f"{changes!r} {raw!r} {scale[0]} {scale[1]}{background}"
        folder = self._workspace.cache
        return AugmentedCopies(folder, augment.copies, shared, seed, encoder, fit.cached_blocks)

    def validation(
        self, clips: Sequence[Clip], labels: Sequence[str], longest: int
    ) -> Validation | None:
        """The validation on these clips, if there are any, in windows of `longest` frames."""
        return Validation(clips, labels, self.cache, longest) if clips else None
