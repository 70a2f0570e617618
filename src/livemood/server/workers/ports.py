"""Ports for calls, divided among workers. Pure."""

from livemood.errors import UsageError
from livemood.server.inputs.settings import RtpSettings


def share_of(rtp: RtpSettings, worker: int, workers: int) -> RtpSettings:
    """The part of a range of ports that is one worker's; each begins at an even port.

    The first worker has the port that calls share. Raises `UsageError` for a range that is too
    small.
    """
    first, last = rtp.first_port + rtp.first_port % 2, rtp.last_port
    pairs = (last + 1 - first) // 2
    if pairs < workers:
        raise UsageError(
            f"rtp.first_port to rtp.last_port: {workers} workers need two ports each at least"
        )
    begin, end = (first + 2 * (pairs * n // workers) for n in (worker, worker + 1))
    changed: dict[str, int | None] = {"first_port": begin, "last_port": end - 1}
    if worker:
        changed["shared_port"] = None
    return rtp.model_copy(update=changed)
