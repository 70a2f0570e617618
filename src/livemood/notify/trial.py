"""A test message to each receiver: whether alerts would arrive."""

from collections.abc import Iterator
from dataclasses import dataclass

from livemood.notify.message import trial_message
from livemood.notify.settings import NotifySettings
from livemood.notify.targets import DeliveryError


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of the test message to one receiver."""

    receiver: str
    """Its name in the settings."""
    error: str | None
    """Why it did not arrive, without secrets; none where it did."""


def try_receivers(settings: NotifySettings) -> Iterator[Tried]:
    """Send a test message to each receiver, over connections of its own, one after the other.

    Nothing is retried and nothing waits in an outbox. Raises `UsageError` for a missing secret.
    """
    name = settings.alerts[0].name if settings.alerts else "test"
    for target in settings.targets():
        try:
            target.deliver(trial_message(name), 1)
            yield Tried(target.name, None)
        except DeliveryError as error:
            yield Tried(target.name, str(error))
        finally:
            target.close()
