"""What can be told of an alert, each behind one small interface."""

from typing import Protocol

from livemood.notify.message import AlertMessage


class DeliveryError(Exception):
    """A delivery failed; the message says why, without secrets."""

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.for_good = for_good
        """Whether trying again is of no use."""


class Target(Protocol):
    """Delivers messages, one after the other, from a thread of its own."""

    @property
    def name(self) -> str:
        """What logs and the outbox call it; it holds no secret."""

    def deliver(self, message: AlertMessage, attempt: int) -> None:
        """Deliver or raise `DeliveryError`. `attempt` counts from 1; more than 1 is a repeat."""

    def close(self) -> None:
        """Let connections go."""
