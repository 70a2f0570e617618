"""A batch whose rows lie in several processes, computed as if they lay in one.

A network's output for a row hangs on more than the row: on random numbers that are drawn for the
whole batch, on rows beside it, on the batch's mean and variance. `SharedRows` makes these what they
are in one process, so that several give the same losses and weights, but for rounding.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from livemood.training.distributed.processes import Processes


class SharedRows(TorchFunctionMode):
    """While it is entered, operations across the rows of a batch go across all processes.

    These are dropout, `torch.rand`, `Tensor.roll` by rows, and batch norms in training. Rows are
    the first axis.
    """

    def __init__(self, processes: Processes, rows: int) -> None:
        """`rows` is how many the whole batch has: no fewer than there are processes."""
        super().__init__()
        self._processes, self._rows, self._own = processes, rows, processes.share(rows)
        self._changed: dict[Any, Callable[..., Tensor]] = {
            functional.dropout: self._dropout,
            functional.batch_norm: self._batch_norm,
            torch.rand: self._rand,
            Tensor.roll: self._roll,
        }

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - what any function of torch gives
        """The function in its place, if it goes across rows."""
        del types
        found: Any = self._changed.get(func, func)
        return found(*args, **(kwargs or {}))

    def _dropout(
        self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        """Draw for all rows, as one process does, and keep what is for ours."""
        if not (training and p):
            return functional.dropout(x, p, training, inplace)
        return x * functional.dropout(x.new_ones(self._rows, *x.shape[1:]), p)[self._own]

    def _rand(self, rows: int, *shape: int, **options: Any) -> Tensor:  # noqa: ANN401 - device
        del rows
        return torch.rand(self._rows, *shape, **options)[self._own]

    def _roll(self, x: Tensor, shifts: int, dims: int) -> Tensor:
        if dims != 0:
            return x.roll(shifts, dims)
        every = x.new_zeros(self._rows, *x.shape[1:])
        every[self._own] = x
        return self._processes.sum(every).roll(shifts, 0)[self._own]

    def _batch_norm(
        self,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """By the mean and variance of all rows. torch's `SyncBatchNorm` does so on GPUs alone."""
        if not training:
            return functional.batch_norm(
                x, running_mean, running_var, weight, bias, training, momentum, eps
            )
        sum_over, given = self._processes.sum, x.float()
        axes, shape = [0, *range(2, x.ndim)], (1, -1, *[1] * (x.ndim - 2))
        values = self._rows * x[0, 0].numel()
        mean = sum_over(given.sum(axes)) / values
        centred = given - mean.view(shape)
        variance = sum_over(centred.square().sum(axes)) / values
        if running_mean is not None and running_var is not None:
            with torch.no_grad():
                running_mean.lerp_(mean, momentum)
                running_var.lerp_(variance * values / (values - 1), momentum)
        scale = (variance + eps).rsqrt()
        scale = scale if weight is None else scale * weight
        out = centred * scale.view(shape)
        return (out if bias is None else out + bias.view(shape)).to(x.dtype)
