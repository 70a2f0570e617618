"""What nodes say to each other, so that only those who have the cluster's secret read or say it."""

import hmac
import json
import os
import secrets
import time
from collections import OrderedDict
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from livemood.errors import LivemoodError, UsageError

NONCE: Final = 12
FEWEST_LETTERS: Final = 24
APART_S: Final = 30.0
"""By how much the clocks of two nodes may differ."""
MOST_SEEN: Final = 100_000


class UnsealedError(LivemoodError):
    """What came was not said by a node of this cluster."""


class Seals:
    """Seals and opens messages. Any thread may call.

    Each subject has a key of its own, derived from the secret (HMAC-SHA-256); messages are
    encrypted and authenticated by AES-256-GCM under a random nonce. So no message of one subject is
    taken for one of another.
    """

    def __init__(self, secret: str) -> None:
        """Raises `UsageError` for a secret that could be guessed."""
        if len(secret) < FEWEST_LETTERS:
            raise UsageError(
                f"the cluster's secret is too short: take {FEWEST_LETTERS} letters or more, from "
                "openssl rand -hex 32 say"
            )
        self._secret = secret.encode()
        self._cipher = lru_cache(4096)(self._made)

    def _made(self, subject: str) -> AESGCM:
        return AESGCM(_derived(self._secret, f"message {subject}"))

    def seal(self, subject: str, content: bytes) -> bytes:
        """The content as only nodes can read it."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher(subject).encrypt(nonce, content, subject.encode())

    def open(self, subject: str, sealed: bytes) -> bytes:
        """What a node has sealed. Raises `UnsealedError` for anything else."""
        try:
            nonce, rest = sealed[:NONCE], sealed[NONCE:]
            return self._cipher(subject).decrypt(nonce, rest, subject.encode())
        except (InvalidTag, ValueError):
            raise UnsealedError("a message is not from a node of this cluster") from None

    def signer(self) -> "Signer":
        """What signs requests, and knows signed ones again."""
        return Signer(_derived(self._secret, "request"))

    def resumes(self) -> "Resumes":
        """What makes tokens by which a session goes on at another node."""
        return Resumes(_derived(self._secret, "resume"))


class Signer:
    """Signs requests between nodes. Any thread may call `sign`; one alone calls `check`."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._seen: OrderedDict[str, float] = OrderedDict()

    def sign(self, to: int, method: str, target: str, principal: bytes, body: bytes) -> str:
        """What proves a request to node `to`: once, and within half a minute."""
        said = f"{time.time():.3f}.{secrets.token_hex(12)}"
        return f"{said}.{self._digest(said, to, method, target, principal, body)}"

    def check(
        self, signature: str, to: int, method: str, target: str, principal: bytes, body: bytes
    ) -> bool:
        """Whether a request was signed by a node, for this one, now and not before."""
        said, _, digest = signature.rpartition(".")
        right = self._digest(said, to, method, target, principal, body)
        if not hmac.compare_digest(right.encode(), digest.encode("utf-8", "replace")):
            return False
        now = time.time()
        at, _, nonce = said.rpartition(".")
        if abs(now - float(at)) > APART_S or nonce in self._seen:
            return False
        self._seen[nonce] = now
        while self._seen and (
            len(self._seen) > MOST_SEEN or now - next(iter(self._seen.values())) > 2 * APART_S
        ):
            self._seen.popitem(last=False)
        return True

    def _digest(
        self, said: str, to: int, method: str, target: str, principal: bytes, body: bytes
    ) -> str:
        parts = [said, str(to), method, target]
        parts += [sha256(content).hexdigest() for content in (principal, body)]
        return hmac.new(self._key, "\n".join(parts).encode("utf-8", "replace"), sha256).hexdigest()


class Resumes:
    """Makes and reads tokens by which a producer goes on with its session at another node.

    A token holds once, since with it the next event is said that follows number `at` of the stream;
    for half a minute; for one session of one creator and one purpose.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, session: str, creator: str, purpose: str, at: int, now: float) -> str:
        """A token made at `now`, Unix seconds."""
        said = f"{at}.{int(now)}"
        return f"{said}.{self._digest(said, session, creator, purpose)}"

    def read(self, token: str, session: str, creator: str, purpose: str, now: float) -> int:
        """The number that it holds for. Raises `UnsealedError` unless it holds for all of that."""
        said, _, digest = token.rpartition(".")
        right = self._digest(said, session, creator, purpose)
        if not hmac.compare_digest(right.encode(), digest.encode("utf-8", "replace")):
            raise UnsealedError("the token is for another session, or from elsewhere")
        at, _, made = said.partition(".")
        if abs(now - int(made)) > APART_S:
            raise UnsealedError("the token has expired")
        return int(at)

    def _digest(self, said: str, session: str, creator: str, purpose: str) -> str:
        parts = json.dumps([said, session, creator, purpose])
        return hmac.new(self._key, parts.encode(), sha256).hexdigest()


def _derived(secret: bytes, use: str) -> bytes:
    return hmac.new(secret, f"livemood cluster {use}".encode(), sha256).digest()
