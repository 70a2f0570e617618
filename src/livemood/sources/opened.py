"""Opening what a user names as a sound file: a path, or standard input."""

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO, Final, cast

from livemood.errors import SourceError

STDIN: Final = "-"
"""Names standard input."""


def open_sound(path: str | Path, *, live: bool) -> tuple[BinaryIO, str]:
    """The open file and what to call it. Raises `SourceError` if there is none.

    Standard input is read as it comes if `live`, else taken in whole first: some containers have
    what describes them at their end.
    """
    if str(path) == STDIN:
        return _stdin(live), "standard input"
    place = Path(path)
    if not place.exists():
        raise SourceError(f"no file {path}: check the path")
    if place.is_dir():
        raise SourceError(f"{path} is a folder: name the sound files in it")
    if not place.is_file():
        raise SourceError(f"{path} is not a regular file: save the sound to one")
    try:
        place.name.encode()
    except UnicodeError:
        raise SourceError(f"{place.name!a} is not UTF-8: rename the file") from None
    try:
        file = place.open("rb")
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None
    if os.fstat(file.fileno()).st_size == 0:
        file.close()
        raise SourceError(f"{path} is empty")
    return file, str(path)


def _stdin(live: bool) -> BinaryIO:
    if sys.stdin is None or sys.stdin.isatty():
        raise SourceError("standard input is a terminal: pipe sound into this command")
    raw = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115 - given on
    if raw.seekable():
        return cast(BinaryIO, io.BufferedReader(raw))
    return cast(BinaryIO, raw) if live else spooled(cast(BinaryIO, raw))


def spooled(stream: BinaryIO) -> BinaryIO:
    """All of a stream, in a file without a name that goes away when it is closed."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - given on
    try:
        shutil.copyfileobj(stream, file, 1 << 20)
    except OSError as error:
        file.close()
        raise SourceError(f"standard input cannot be taken in: {error.strerror}") from None
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
