"""Recordings that were uploaded, from their first byte until they have been read."""

import logging
import os
import shutil
from pathlib import Path
from typing import BinaryIO

from livemood.server.storage.database import erase
from livemood.server.storage.folder import private_folder

log = logging.getLogger(__name__)


class Uploads:
    """A folder of files, each for its owner alone. What an earlier server left in it is erased."""

    def __init__(self, folder: Path) -> None:
        """Raises `OSError` for a folder that cannot be used."""
        self._folder = folder
        private_folder(folder)
        for left in folder.iterdir():
            self._erase(left)

    def path(self, session: str) -> Path:
        """Where the recording of a session is, if there is one."""
        return self._folder / session

    def open(self, session: str) -> BinaryIO:
        """A new file for a session's recording. Raises `OSError`."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        return os.fdopen(os.open(self.path(session), flags, 0o600), "wb")

    def erase(self, session: str) -> None:
        """Leave nothing of a session's recording."""
        self._erase(self.path(session))

    @property
    def free_bytes(self) -> int:
        """Room on the disk."""
        return shutil.disk_usage(self._folder).free

    def _erase(self, path: Path) -> None:
        try:
            erase(path)
        except OSError as error:  # its text would name the file, and so the session
            log.error("an uploaded recording cannot be erased: %s", error.strerror)
