"""Webhooks, signed as the Standard Webhooks specification says (standardwebhooks.com)."""

from datetime import UTC, datetime
from typing import Final

import httpx
from standardwebhooks import Webhook

from livemood.notify.message import AlertMessage
from livemood.notify.targets import DeliveryError

TIMEOUT_S: Final = 10.0
_WORTH_REPEATING: Final = frozenset({408, 409, 425, 429})
"""Client errors that may pass; all others say that the request itself is wrong."""


class WebhookTarget:
    """POSTs each message as JSON to one URL, without following redirects.

    Headers: `webhook-id` (the idempotency key), `webhook-timestamp`, `webhook-signature` (HMAC of
    SHA-256), and `livemood-attempt`, which counts from 1.
    """

    def __init__(self, name: str, url: str, secret: str) -> None:
        self.name = name
        self._url = url
        self._signer = Webhook(secret)
        self._client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)

    def deliver(self, message: AlertMessage, attempt: int) -> None:
        """POST the message. Any status from 200 to 299 means that it has arrived."""
        body, now = message.model_dump_json(), datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "livemood",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message.id, now, body),
            "livemood-attempt": str(attempt),
        }
        try:
            status = self._client.post(self._url, content=body, headers=headers).status_code
        except httpx.HTTPError as error:
            raise DeliveryError(f"no answer ({type(error).__name__})") from None
        if not 200 <= status < 300:
            for_good = 300 <= status < 500 and status not in _WORTH_REPEATING
            raise DeliveryError(f"answered {status}", for_good=for_good)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
