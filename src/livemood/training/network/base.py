"""What training asks of a network, whatever its kind."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from livemood.training.recipe.sections import NetworkSection


class EmotionNetwork(nn.Module, ABC):
    """Log-mel frames in, one logit for each label out, over steps that a streaming state keeps."""

    step_frames: int
    """Frames from one step to the next."""
    context_frames: int
    """Frames that a step sees."""
    kept_frames: int
    """Of those, how many at its beginning need not be seen again right after the step before."""
    section: NetworkSection
    """Its section of the recipe."""
    encoder: nn.Module
    """Frames to steps (batch, steps, width)."""
    head: nn.Module
    """Steps to logits."""
    task_heads: nn.ModuleList
    """Heads of further tasks, which only training has."""
    teacher_projection: nn.Linear | None
    """Steps to values that are to be near a teacher's, which only training has."""

    @property
    @abstractmethod
    def step_width(self) -> int:
        """Values in each of its steps."""

    @abstractmethod
    def heads_and_steps(self, features: Tensor, task: int = -1) -> tuple[list[Tensor], Tensor]:
        """Logits of the heads, or of the one of a further task, and the steps they come from.

        `features` are standardised, (batch, frames, mels), or what frozen blocks gave for them.
        """

    @abstractmethod
    def pretrained_layers(self) -> list[nn.Module]:
        """The layers that are pretrained, from the top to the bottom; none if it has none."""

    def heads(self, features: Tensor) -> list[Tensor]:
        """Logits of the head, and of those it is compared with, if there are any."""
        return self.heads_and_steps(features)[0]

    def forward(self, features: Tensor) -> Tensor:
        """Features (batch, frames, mels), standardised, to logits (batch, labels)."""
        return self.heads(features)[0]

    def without_training_heads(self) -> "EmotionNetwork":
        """Itself, less what only training needs."""
        self.task_heads, self.teacher_projection = nn.ModuleList(), None
        return self
