"""How much of a server one creator may have."""

from collections.abc import Iterable

from livemood.server.refused import Refused
from livemood.server.sessions.limits import Limits
from livemood.server.sessions.live import OpenSession


def check_quota(there: Iterable[OpenSession], creator: str, parties: int, limits: Limits) -> None:
    """Raise `Refused` if a further session, of so many parties, would be too much.

    `there` are the sessions that wait or are live.
    """
    every = own = 0
    waiting = parties
    for opened in there:
        every += 1
        if opened.record.created_by == creator:
            own += 1
            waiting += opened.parties if opened.record.state == "waiting" else 0
    if every >= limits.sessions:
        raise Refused(
            "too_many_sessions",
            f"{limits.sessions} sessions are open, the most that are allowed",
            503,
            10,
        )
    if own >= limits.sessions_per_token:
        raise Refused(
            "too_many_sessions",
            f"{limits.sessions_per_token} of your sessions are open, the most that one token may "
            "have: end some",
            429,
            10,
        )
    if waiting > limits.waiting_channels:
        raise Refused(
            "too_many_waiting",
            f"your sessions that wait for sound would have {waiting} channels, and one token may "
            f"have {limits.waiting_channels}: start or end some",
            429,
            10,
        )
