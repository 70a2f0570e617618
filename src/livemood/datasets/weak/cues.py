"""Words with their times: subtitles (SRT, WebVTT), lyrics (LRC), transcripts."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livemood.errors import UsageError

_STAMP: Final = re.compile(r"\[(\d{1,3}):(\d{1,2})(?:[.:](\d{1,3}))?\]")
_TIMES: Final = re.compile(r"\s*(\d+:)?\d+:\d+[.,]\d+\s+-->\s+(\d+:)?\d+:\d+[.,]\d+")
_TAG: Final = re.compile(r"\[([a-zA-Z#]+):(.*)\]")
_WORD_STAMP: Final = re.compile(r"<\d{1,3}:\d{1,2}(?:[.:]\d{1,3})?>")
_MARKUP: Final = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_ASIDE: Final = re.compile(r"\[[^\]]*\]|\([^)]*\)|♪|#")
"""What nobody says: (laughs), [music]."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What is said in one stretch of a recording."""

    start: float
    """Seconds from the recording's beginning."""
    end: float | None
    """None for the end of the recording."""
    text: str
    where: str
    """The file and the place in it, for messages."""
    speaker: str = ""
    """Who says it, where that is known."""


def read_cues(file: Path) -> list[Cue]:
    """The cues of a file, by its ending, in the order of time; those without words are left out.

    Raises `UsageError` with the place and the reason for whatever is wrong in it.
    """
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise UsageError(f"{file} is no file of words: use {', '.join(READERS)}, or a table .csv")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not UTF-8 text: save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    cues = sorted(reader(text, file), key=lambda cue: cue.start)
    for cue in cues:
        if cue.end is not None and cue.end <= cue.start:
            raise UsageError(f"{cue.where}: it ends at {cue.end:g} s, before it begins")
    if not (spoken := [cue for cue in cues if cue.text]):
        raise UsageError(f"{file} holds no words")
    return spoken


def plain(text: str) -> str:
    """What is said: without markup, line breaks, dashes of who speaks, and asides."""
    bare = _ASIDE.sub(" ", _MARKUP.sub("", text))
    lines = [line.strip().removeprefix("-").strip() for line in bare.splitlines()]
    return " ".join(" ".join(lines).split())


def _subtitles(text: str, file: Path) -> list[Cue]:
    from webvtt import WebVTT
    from webvtt.errors import MalformedCaptionError, MalformedFileError

    form = file.suffix.lower().removeprefix(".")
    try:
        found = WebVTT.from_buffer(io.StringIO(text), format=form, strict=True)
    except (MalformedFileError, MalformedCaptionError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{file} is not {form.upper()}: {reason}") from None
    # A cue whose times are damaged is passed over by the library, or is text of the one before.
    if missing := [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if "-->" in line and not _TIMES.match(line)
    ]:
        raise UsageError(f"{file} line {missing[0]}: these times cannot be read")
    cues = []
    for number, caption in enumerate(found.captions, 1):
        where = f"{file} cue {number}"
        start, end = (t.in_milliseconds() / 1000 for t in (caption.start_time, caption.end_time))
        cues.append(Cue(start, end, plain(caption.raw_text), where, caption.voice or ""))
    return cues


def _lyrics(text: str, file: Path) -> list[Cue]:
    """A line lasts until the next begins. A line without words ends the one before it."""
    offset, found = 0.0, []
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{file} line {number}"
        rest, times = line.strip(), []
        while stamp := _STAMP.match(rest):
            minutes, seconds, part = stamp.groups()
            times.append(60 * int(minutes) + int(seconds) + float(f"0.{part or 0}"))
            rest = rest[stamp.end() :].strip()
        if times:
            found += [(time, plain(_WORD_STAMP.sub("", rest)), where) for time in times]
        elif tag := _TAG.fullmatch(rest):
            if tag[1].lower() == "offset":
                offset = _milliseconds(tag[2], where)
        elif rest:
            raise UsageError(f"{where}: a line of lyrics begins with its time, [01:23.45]")
    found.sort(key=lambda row: row[0])
    starts = [max(0.0, time - offset) for time, _, _ in found]
    ends = [next((s for s in starts[n:] if s > start), None) for n, start in enumerate(starts)]
    return [
        Cue(start, end, words, where)
        for start, end, (_, words, where) in zip(starts, ends, found, strict=True)
    ]


def _milliseconds(text: str, where: str) -> float:
    try:
        return int(text.strip()) / 1000
    except ValueError:
        raise UsageError(f"{where}: the offset is a whole number of milliseconds") from None


def _transcript(text: str, file: Path) -> list[Cue]:
    return [Cue(0.0, None, plain(text), str(file))]


READERS: Final[dict[str, Callable[[str, Path], list[Cue]]]] = {
    ".srt": _subtitles,
    ".vtt": _subtitles,
    ".lrc": _lyrics,
    ".txt": _transcript,
}
"""How a file is read, by its ending. A `.txt` is all that is said in a recording."""
