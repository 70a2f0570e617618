"""Whatever Apprise reaches: mail, chat, telephones. See its documentation for the URLs."""

import apprise

from livemood.notify.message import AlertMessage
from livemood.notify.targets import DeliveryError


class AppriseTarget:
    """Sends the sentence of each message to one Apprise URL."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url):
            raise DeliveryError("Apprise does not know such a URL", for_good=True)

    def deliver(self, message: AlertMessage, attempt: int) -> None:
        """Send the sentence; a repeat says so."""
        body = message.sentence + (" (sent again)" if attempt > 1 else "")
        if not self._apprise.notify(title="livemood", body=body):
            raise DeliveryError("Apprise could not send it")

    def close(self) -> None:
        """Nothing is kept open."""
