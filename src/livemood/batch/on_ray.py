"""Files read on the machines of a Ray cluster: paths travel there, timelines come back."""

import os
import socket
from collections.abc import Iterator
from typing import Any, Final

from livemood.batch.files import ArchiveFile
from livemood.batch.reading import FileReader, Outcome
from livemood.errors import LivemoodError, UsageError
from livemood.version import __version__

LOCAL: Final = "local"
"""The address that starts a cluster on this machine, for one run."""
AHEAD = 2
"""Files given to Ray for each of its processors: the next one waits there already."""
FEWEST = 8
REACHED_S = 10.0
RETRIES = 3
"""How often a file is read anew because its machine or process was lost."""


def read_on_ray(
    files: list[ArchiveFile], reader: FileReader, address: str, jobs: int | None = None
) -> Iterator[Outcome]:
    """What comes of `files`, in any order.

    `address` is that of a cluster (`auto`, `HOST:PORT`, `ray://HOST:PORT`), or `local`: then a
    cluster is started here, with `jobs` processors. Each of its machines needs this version of
    livemood, the model, and the files under the same paths. A machine that is lost costs the files
    that it was reading: they are read anew elsewhere. Raises `LivemoodError` where the cluster
    cannot be reached, or its machines lack livemood.
    """
    ray = connect(address, jobs)
    try:
        yield from _outcomes(ray, files, reader)
    finally:
        ray.shutdown()


def connect(address: str, jobs: int | None) -> Any:  # noqa: ANN401 - the module
    """Ray, connected to a cluster, or to one started here. Raises `LivemoodError`."""
    # Ray reports how it is used to its makers unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise UsageError("--ray needs Ray: pip install 'livemood[ray]'") from None
    _check_reached(address)
    own: dict[str, Any] = {"include_dashboard": False, "num_cpus": jobs} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()
        raise LivemoodError(
            f"no Ray cluster answers at {address}: {reason[0] if reason else type(error).__name__}"
        ) from None
    return ray


def _check_reached(address: str) -> None:
    """Ray itself tries for minutes, and says nothing."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), REACHED_S).close()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise LivemoodError(f"no Ray cluster answers at {address}: {reason}") from None
    elif address not in (LOCAL, "auto"):
        raise UsageError(f"--ray {address}: give auto, HOST:PORT, ray://HOST:PORT or {LOCAL}")


def _outcomes(ray: Any, files: list[ArchiveFile], reader: FileReader) -> Iterator[Outcome]:  # noqa: ANN401
    read = ray.remote(num_cpus=1, max_retries=RETRIES)(_read)
    shared = ray.put(reader)
    waiting, held = list(reversed(files)), dict[Any, ArchiveFile]()
    while waiting or held:
        while waiting and len(held) < max(FEWEST, AHEAD * processors(ray)):
            file = waiting.pop()
            held[read.remote(shared, file, __version__)] = file
        ready, _ = ray.wait(list(held), num_returns=1)
        for reference in ready:
            yield _outcome(ray, reference, held.pop(reference))


def _outcome(ray: Any, reference: Any, file: ArchiveFile) -> Outcome:  # noqa: ANN401
    try:
        found: Outcome = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise described(error.cause) from None
    except ray.exceptions.RayError as error:
        lost = f"lost with the machine or process that read it, {RETRIES + 1} times"
        return Outcome(file, failure=f"{file.path}: {lost} ({type(error).__name__})")
    return found


def described(cause: Exception) -> LivemoodError:
    """What was raised on a machine of the cluster, in one line."""
    if isinstance(cause, LivemoodError):
        return cause
    return LivemoodError(
        "a machine of the Ray cluster cannot run livemood: install the same version on each "
        f"({type(cause).__name__}: {cause})"
    )


def processors(ray: Any) -> int:  # noqa: ANN401
    """How many the cluster has."""
    return int(ray.cluster_resources().get("CPU", 0))


def _read(reader: FileReader, file: ArchiveFile, version: str) -> Outcome:
    """What a machine of the cluster does."""
    check_version(version)
    return reader(file)


def check_version(version: str) -> None:
    """Raise `LivemoodError` unless this machine has the version of the one that asks."""
    if version != __version__:
        raise LivemoodError(
            f"a machine of the Ray cluster has livemood {__version__}, this one {version}: "
            "install the same version on each"
        )
