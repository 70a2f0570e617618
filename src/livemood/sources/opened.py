"""Opening what a user names as a sound file: a path, or standard input."""

import http.client
import io
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO, Final, cast
from urllib.parse import urlsplit

from livemood.errors import FileError

FETCH_S: Final = 30.0
"""A server that is silent for so long has failed."""
STDIN: Final = "-"
"""Names standard input."""


def is_address(name: str | Path) -> bool:
    """Whether `name` is an http or https address."""
    return str(name).startswith(("http://", "https://"))


def open_sound(path: str | Path, *, live: bool, urls: bool = False) -> tuple[BinaryIO, str]:
    """The open file and what to call it. Raises `FileError` if there is none.

    With `urls` it may be an http or https address, which is fetched in whole. Standard input is
    read as it comes if `live`, else taken in whole first: some containers have
    what describes them at their end.
    """
    if str(path) == STDIN:
        return _stdin(live), "standard input"
    if is_address(path):
        if not urls:
            raise FileError(f"{path} is an address: add --urls to fetch it")
        return _fetched(str(path)), urlsplit(str(path)).path.rsplit("/", 1)[-1] or str(path)
    place = Path(path)
    if not place.exists():
        raise FileError(f"no file {path}: check the path")
    if place.is_dir():
        raise FileError(f"{path} is a folder: name the sound files in it")
    if not place.is_file():
        raise FileError(f"{path} is not a regular file: save the sound to one")
    try:
        place.name.encode()
    except UnicodeError:
        raise FileError(f"{place.name!a} is not UTF-8: rename the file") from None
    try:
        file = place.open("rb")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror}") from None
    if os.fstat(file.fileno()).st_size == 0:
        file.close()
        raise FileError(f"{path} is empty")
    return file, str(path)


def _stdin(live: bool) -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        raise FileError("standard input is a terminal: pipe sound into this command")
    raw = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115 - given on
    if raw.seekable():
        return cast(BinaryIO, io.BufferedReader(raw))
    return cast(BinaryIO, raw) if live else spooled(cast(BinaryIO, raw))


def _fetched(url: str) -> BinaryIO:
    try:
        with urllib.request.urlopen(url, timeout=FETCH_S) as answer:  # noqa: S310 - http(s) alone
            return spooled(answer)
    except (OSError, ValueError, http.client.HTTPException) as error:
        # What urllib says of a server that does not answer has the reason within.
        why = error.reason if type(error) is urllib.error.URLError else error
        why = getattr(why, "strerror", None) or why
        raise FileError(f"{url} cannot be fetched: {why}") from None


def spooled(stream: BinaryIO) -> BinaryIO:
    """All of a stream, in a file without a name that goes away when it is closed."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - given on
    try:
        shutil.copyfileobj(stream, file, 1 << 20)
    except OSError as error:
        file.close()
        raise FileError(f"sound cannot be taken in: {error.strerror or error}") from None
    file.seek(0)
    return cast(BinaryIO, file)


class Corrected(io.RawIOBase):
    """A file in which a few bytes read otherwise than they were written."""

    def __init__(self, file: BinaryIO, corrections: tuple[tuple[int, bytes], ...]) -> None:
        self._file, self._corrections = file, corrections

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The place in the file."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        """Bytes from here on, as they should be."""
        at = self._file.tell()
        data = bytearray(self._file.read(size))
        for offset, right in self._corrections:
            first, last = max(at, offset), min(at + len(data), offset + len(right))
            if first < last:
                data[first - at : last - at] = right[first - offset : last - offset]
        return bytes(data)
