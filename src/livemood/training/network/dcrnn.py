"""The DC-RNN in torch: convolutions with a finite context, a causal recurrent layer, attention."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from livemood.training.network.base import EmotionNetwork
from livemood.training.network.encoder import ConvolutionalEncoder
from livemood.training.network.heads import BidirectionalHead, CausalHead
from livemood.training.recipe.sections import NetworkSection


class DcRnn(EmotionNetwork):
    """Log-mel frames in, one logit for each label out, for any number of frames from 22.

    With `section.bidirectional` a second, bidirectional head is trained on the same steps: for
    comparison within one run, never exported.
    """

    encoder: ConvolutionalEncoder
    head: CausalHead
    step_frames = ConvolutionalEncoder.step_frames
    context_frames = ConvolutionalEncoder.context_frames
    kept_frames = ConvolutionalEncoder.kept_frames

    def __init__(
        self,
        section: NetworkSection,
        mels: int,
        labels: int,
        tasks: Sequence[int] = (),
        teacher_width: int = 0,
    ) -> None:
        """`tasks` are the numbers of labels of further tasks, each of which gets a head.

        With `teacher_width` steps are also turned into as many values, to be near a teacher's.
        """
        super().__init__()
        self.section = section
        self.encoder = ConvolutionalEncoder(section, mels)
        self.head = CausalHead(section, labels)
        both_ways = BidirectionalHead(section, labels) if section.bidirectional else None
        self.bidirectional_head = both_ways
        self.task_heads = nn.ModuleList(CausalHead(section, count) for count in tasks)
        projection = nn.Linear(section.step_width, teacher_width) if teacher_width else None
        self.teacher_projection = projection

    @property
    def step_width(self) -> int:
        """Values in each of its steps."""
        return self.section.step_width

    def pretrained_layers(self) -> list[nn.Module]:
        """The layers that are pretrained, from the top to the bottom."""
        if self.section.pretrained is None:
            return []
        head = [self.head] if self.section.pretrained_head else []
        return [*head, *reversed(self.encoder.layers())]

    def heads_and_steps(self, features: Tensor, task: int = -1) -> tuple[list[Tensor], Tensor]:
        """Logits of the heads, or of the one of a further task, and the steps they come from."""
        steps = self.encoder(features)
        if task >= 0:
            head = cast(CausalHead, self.task_heads[task])
            return [head(steps, self._initial_state(steps, head))], steps
        logits = [self.head(steps, self._initial_state(steps, self.head))]
        if self.bidirectional_head is not None:
            logits.append(self.bidirectional_head(steps))
        return logits, steps

    def _initial_state(self, steps: Tensor, head: CausalHead) -> Tensor:
        """Where the recurrence begins: at zero, as speech does.

        In training half of the examples begin where another one of the batch ended: speech goes
        on for longer than a window, and what was said before must not decide.
        """
        state = torch.zeros(len(steps), head.width, device=steps.device)
        if not self.training:
            return state
        with torch.no_grad():
            _, last = head.run(steps, state.to(steps.dtype))
            carry = torch.rand(len(steps), 1, device=steps.device) < self.section.state_carryover
            return torch.where(carry, last.roll(1, 0).float(), state)
