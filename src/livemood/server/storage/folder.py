"""The data folder: for its owner alone, and for one server at a time; what one process does."""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from livemood.errors import LivemoodError

log = logging.getLogger(__name__)


def default_folder() -> Path:
    """Where data is kept unless the settings say otherwise."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "livemood"


def private_folder(folder: Path) -> None:
    """Make the folder, or take one that is there, for its owner alone. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.name != "posix" or not folder.stat().st_mode & 0o077:
        return
    try:
        folder.chmod(0o700)
    except PermissionError:
        log.warning(
            "other users can read the data folder, and it is not yours to change: let its owner "
            "run chmod 700 on it"
        )


def lock(folder: Path) -> Callable[[], None]:
    """Keep other servers out of the folder. Raises `LivemoodError` if one is in it."""
    try:
        import fcntl
    except ImportError:  # Windows; there a second server finds the port taken
        return lambda: None
    file = _lock_file(folder)
    deadline = time.monotonic() + 2.0  # one that was just killed may take a moment
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file.close
        except OSError:
            if time.monotonic() > deadline:
                file.close()
                raise LivemoodError(
                    f"another livemood serve keeps its data in {folder}: stop it, or choose "
                    "another folder with --data"
                ) from None
            time.sleep(0.05)


def _lock_file(folder: Path) -> BinaryIO:
    path = folder / "lock"
    for replaced in (False, True):
        try:
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        except PermissionError:
            if replaced or not _own(folder):
                raise LivemoodError(
                    f"{path} belongs to another user: run livemood serve as that user, or choose "
                    "another folder with --data"
                ) from None
            path.unlink()  # the folder is ours: a lock that another user left in it is stale
        except OSError as error:
            raise LivemoodError(f"cannot lock {folder}: {error.strerror or error}") from None
        else:
            if _own(path):
                path.chmod(0o600)
            return file
    raise AssertionError("the second time either opens or raises")


def _own(path: Path) -> bool:
    return path.stat().st_uid == os.getuid()


class Keeper:
    """Decides which process does a kind of work: the first that asks, for as long as it lives.

    A lock on a file goes with the process that holds it, however that ends; then the next one that
    asks gets it. Any thread may call.
    """

    def __init__(self, folder: Path) -> None:
        """The lock files lie in `folder`, which all processes share."""
        self._folder = folder
        self._held: dict[str, int] = {}
        self._lock = threading.Lock()

    def may(self, work: str) -> bool:
        """Whether this process does `work`, a name that can be part of a file's."""
        with self._lock:
            if work in self._held:
                return True
            import fcntl  # where it is missing there is one process

            path = self._folder / f"{work}.lock"
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(file)
                return False
            self._held[work] = file
            return True

    def close(self) -> None:
        """Leave it all to others."""
        with self._lock:
            while self._held:
                os.close(self._held.popitem()[1])
