"""What a user names on the command line, as files of sound."""

import glob
from pathlib import Path
from typing import Final

from livemood.errors import FileError, UsageError
from livemood.sources import RawFormat
from livemood.sources.opened import STDIN, is_address

_ENDINGS = """
3gp aac ac3 aif aiff amr ape asf au avi caf dts eac3 flac flv m4a m4b m4v mka mkv mov mp2 mp3 mp4
mpeg mpg mts oga ogg opus tta ts voc w64 wav webm wma wmv wv
"""
ENDINGS: Final = frozenset(_ENDINGS.split())
"""Of files in a folder, those that are sound or video."""

LONGEST_NAME: Final = 200
"""Characters, as on a server."""


def find(named: list[str], *, recursive: bool) -> list[str]:
    """The files that paths, folders and patterns stand for, each once, in order.

    Raises `FileError` where one stands for none.
    """
    found: list[str] = []
    for name in named:
        found += _of_one(name, recursive)
    return list(dict.fromkeys(found))


def _of_one(name: str, recursive: bool) -> list[str]:
    if name == STDIN or is_address(name):
        return [name]
    path = Path(name)
    if path.is_dir():
        if not recursive:
            raise FileError(f"{name} is a folder: name the sound files in it, or add --recursive")
        inside = sorted(p for p in path.rglob("*") if p.suffix[1:].lower() in ENDINGS)
        if files := [str(p) for p in inside if p.is_file()]:
            return files
        raise FileError(f"{name} holds no sound files: name them one by one")
    if not path.exists() and glob.has_magic(name):
        matches = glob.iglob(name, recursive=recursive)  # noqa: PTH207 - Path takes no absolute one
        if files := sorted(match for match in matches if Path(match).is_file()):
            return files
        raise FileError(f"no file matches {name}: check the pattern")
    return [name]


def raw_format(rate: int | None, encoding: str | None, channels: int | None) -> RawFormat | None:
    """Raw samples as --rate, --encoding and --channels describe them; none if the file does.

    Raises `UsageError` if they do not say enough.
    """
    if rate is None:
        if encoding is not None or channels is not None:
            raise UsageError("--encoding and --channels describe raw samples: give --rate, too")
        return None
    return RawFormat(rate, encoding or "s16le", 1 if channels is None else channels)


def names(text: str | None) -> tuple[str, ...]:
    """The participants in `Agent,Customer`. Raises `UsageError` for what is too long for a name."""
    found = tuple(name.strip() for name in text.split(",")) if text else ()
    if any(len(name) > LONGEST_NAME for name in found):
        raise UsageError(f"--participants: a name has at most {LONGEST_NAME} characters")
    return found
