"""What is answered to whoever asks for what cannot be given."""

from collections.abc import Mapping, Sequence
from typing import Any

from livemood.errors import LivemoodError, fault_text


class Refused(LivemoodError):  # noqa: N818 - an answer, not a fault
    """A request that is refused: `code` for programs, the message for people.

    `status` is that of HTTP. `retry_after_s`, if any, says when it is worth asking again.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, dict[str, str]]:
        """The JSON of the answer."""
        return {"error": {"code": self.code, "message": str(self)}}

    def headers(self) -> dict[str, str]:
        """`Retry-After` where that is known, and how to log in where that is what lacks."""
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        if self.retry_after_s is None:
            return {}
        return {"Retry-After": str(max(1, round(self.retry_after_s)))}


def bad_request(faults: Sequence[Mapping[str, Any]], inside: str = "") -> Refused:
    """What is asked for makes no sense; `faults` are those of pydantic, `inside` what they are in.

    It says what the first of them is.
    """
    first = faults[0]
    where = inside + ".".join(str(part) for part in first["loc"] if part != "body")
    if first["type"] == "json_invalid":
        where = inside
    if first["type"] == "model_attributes_type" and not where:  # a body that is no JSON to HTTP
        words = "give a JSON object, and the header Content-Type: application/json"
        return Refused("bad_request", words, 422)
    return Refused("bad_request", f"{where or 'message'}: {fault_text(first)}", 422)


def not_found() -> Refused:
    """There is no such session, or it is none of the asker's business."""
    return Refused("not_found", "there is no such session", 404)


def busy(wait_s: float) -> Refused:
    """The machine can do no more."""
    return Refused(
        "busy",
        f"as many sessions run as this machine can keep up with: try again in {wait_s:.0f} s",
        503,
        wait_s,
    )


def already_started() -> Refused:
    """The sound of a session comes already, from elsewhere."""
    return Refused("already_started", "the session's sound has begun already", 409)


def not_live() -> Refused:
    """A session that waits, or has ended, has no timeline to note something on."""
    return Refused("not_live", "the session is not running", 409)


def token_gone() -> Refused:
    """The token that created a session cannot be used any more."""
    return Refused("bad_token", "the token was revoked or has expired", 401)


def unreadable() -> Refused:
    """What is kept cannot be read now."""
    return Refused("storage_failed", "what is kept cannot be used: try again", 503, 10)
