"""Driving channels: each window alone, or the windows of many channels as one batch."""

import logging
from collections.abc import Sequence

from livemood.engine.channel import Inference
from livemood.engine.inference import Request, WindowReader

log = logging.getLogger(__name__)

Waiting = list[tuple[int, Request]]
"""Windows to be read, each with the place of its channel."""


def run_alone(inference: Inference, model: WindowReader) -> None:
    """Read every window that `inference` yields, one after the other.

    Batches of one give the same results to the last bit whatever else is going on.
    """
    try:
        request = next(inference)
        while True:
            request = inference.send(model.read([request])[0])
    except StopIteration:
        pass


def run_together(inferences: Sequence[Inference], model: WindowReader) -> list[int]:
    """Read the windows of many channels in turns, each turn the next window of every channel.

    Turns are cut into batches of one kind, so that events leave while others are being read.
    Returns the places of the inferences that failed; each failure is logged and stops no other.
    """
    failed: list[int] = []
    waiting: Waiting = []

    def step(place: int, result: object) -> None:
        try:
            request = inferences[place].send(result)  # type: ignore[arg-type]  # None starts it
            waiting.append((place, request))
        except StopIteration:
            pass
        except Exception:
            log.exception("reading a channel failed")
            failed.append(place)

    for place in range(len(inferences)):
        step(place, None)
    while waiting:
        batch, waiting = _alike(waiting, model.batch_of(waiting[0][1]))
        for (place, _), row in zip(
            batch, model.read([request for _, request in batch]), strict=True
        ):
            step(place, row)
    return failed


def _alike(waiting: Waiting, most: int) -> tuple[Waiting, Waiting]:
    """The first request and those that can run with it, up to `most`; and the rest."""
    kind = waiting[0][1].kind
    batch: Waiting = []
    rest: Waiting = []
    for item in waiting:
        alike = len(batch) < most and item[1].kind == kind
        (batch if alike else rest).append(item)
    return batch, rest
