"""Which domain each clip belongs to: its corpus, its language or its speaker."""

from collections.abc import Sequence

from torch import Tensor, tensor

from livemood.errors import UsageError
from livemood.training.data.clips import Clip


def domain_names(clips: Sequence[Clip], over: str) -> list[str]:
    """The domain of each clip; `over` is `corpus`, `language` or `speaker`.

    Raises `UsageError` for a clip that does not say.
    """
    names = [str(getattr(clip, over)) for clip in clips]
    for clip, name in zip(clips, names, strict=True):
        if not name:
            raise UsageError(
                f"{clip.row}: to adapt over each {over} every row must say it: fill the column"
            )
    return names


def domain_numbers(source: Sequence[Clip], target: Sequence[Clip], over: str) -> Tensor:
    """Number of the domain of each clip, the target's behind the others, (clips,).

    Raises `UsageError` if all are of one domain.
    """
    names = domain_names([*source, *target], over)
    order = {name: number for number, name in enumerate(dict.fromkeys(names))}
    if len(order) < 2:
        raise UsageError(
            f"to unlearn what tells each {over} apart needs two of them: there is only {names[0]}"
        )
    return tensor([order[name] for name in names])
