"""Sound and video files, as fast as possible or in real time."""

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from livemood.audio import AudioBlock, Samples
from livemood.errors import FileError, UsageError
from livemood.sources.completeness import NOTHING, promise
from livemood.sources.container import AudioReader, Piece, RawFormat
from livemood.sources.opened import Corrected, open_sound

BLOCK_S = 0.02
FASTEST = 1000.0
"""Times real time; whoever wants more takes the sound as fast as it can be read."""


class FileSource:
    """The sound of a file, of any rate and any number of channels: WAV, FLAC, MP3, Ogg, Opus, M4A,
    MP4, MOV, MKV, WebM, WMA, AMR, AAC and other containers that FFmpeg reads.

    A path of `-` is standard input. With `speed` it is played at so many times real time, as a
    live source would deliver it; without, blocks come as fast as they are taken. The sound is read
    to its real end, whatever length the file states. Sound that is missing in the middle is a
    gap of its length.
    """  # noqa: D205 - one sentence

    SLACK_S = 0.5
    """A compressed file declares its length with no more precision than a few packets."""

    def __init__(
        self,
        path: str | Path,
        speed: float | None = None,
        block_s: float = BLOCK_S,
        *,
        track: int | None = None,
        raw: RawFormat | None = None,
        urls: bool = False,
    ) -> None:
        """Open it at once.

        `track` counts a file's audio tracks from 1 (default: the first). With `raw` it holds
        nothing but samples. With `urls` the path may be an http or https address. Raises
        `FileError` if it cannot be read, `UsageError` for a track that it does not have, or a
        speed that makes no sense.
        """
        if speed is not None and not 0 < speed <= FASTEST:
            raise UsageError(f"the speed must be above 0 and at most {FASTEST:g}, not {speed:g}")
        self._speed = speed
        self.live = speed is not None
        self._stopped = threading.Event()
        self._file, self._called = open_sound(path, live=self.live, urls=urls)
        self.name = Path(self._called).name
        self._promised, self._size = NOTHING, 0
        self._streamed = self.live and not self._file.seekable()
        try:
            if self._file.seekable() and raw is None:
                self._promised = promise(self._file)
                self._size = self._file.seek(0, 2)
                self._file.seek(0)
            self._reader = AudioReader(self._corrected(), self._called, track, raw)
            self._heard = self._begun()
        except BaseException:
            self._file.close()
            raise
        self.sample_rate, self.channels = self._reader.rate, self._reader.channels
        # Never more than a second at once: the ring holds a few.
        self._block = max(1, round(min(1.0, block_s * (speed or 50.0)) * self.sample_rate))
        self.duration_s: float | None = self._promised.seconds or self._reader.duration_s
        """How long the file says it is, or seems to be; none if nothing tells."""

    def blocks(self) -> Iterator[AudioBlock]:
        """The file's sound. Raises `FileError` where it is damaged, cut off or has no sound."""
        began, at = time.monotonic(), 0
        try:
            for start, samples in self._pieces():
                at = start + len(samples)
                due = began + at / (self.sample_rate * (self._speed or 1.0))
                if self._streamed and time.monotonic() > due:  # it comes at its own pace
                    began += time.monotonic() - due
                    due = time.monotonic()
                if self._speed is not None and self._stopped.wait(due - time.monotonic()):
                    return
                if self._stopped.is_set():
                    return
                captured = due if self._speed is not None else time.monotonic()
                yield AudioBlock(
                    start, samples, captured, "missing_in_file", pace=self._speed or 1.0
                )
        finally:
            self._reader.close()
            self._file.close()
        self._check(at)

    def stop(self) -> None:
        """End the sound where it is."""
        self._stopped.set()

    def _begun(self) -> Iterator[Piece]:
        """The decoded sound, of which the beginning has been read: there is some."""
        pieces = self._reader.pieces()
        first = next(pieces, None)
        if first is None:
            raise FileError(f"{self._called} holds no sound")
        return itertools.chain([first], pieces)

    def _corrected(self) -> BinaryIO:
        if not self._promised.corrections:
            return self._file
        return cast(BinaryIO, Corrected(self._file, self._promised.corrections))

    def _pieces(self) -> Iterator[tuple[int, Samples]]:
        """The sound in pieces of one block, each with where it starts."""
        held: list[Samples] = []
        count = at = 0
        for samples, missing in self._heard:
            if missing:
                yield from _joined(held, at, self._block)
                at += count + missing
                held, count = [], 0
            held.append(samples)
            count += len(samples)
            if count >= self._block:
                whole = count - count % self._block
                joined = np.concatenate(held)
                yield from _joined([joined[:whole]], at, self._block)
                held, at, count = [joined[whole:]], at + whole, count - whole
        yield from _joined(held, at, self._block)

    def _check(self, at: int) -> None:
        """Raise if the sound ended, after `at` samples, otherwise than the file promised."""
        reader, end_s = self._reader, at / self.sample_rate
        promised = self._promised
        if promised.end is not None and self._size < promised.end:
            of = f" of {promised.seconds:.1f} s" if promised.seconds else ""
            self._fail(f"is truncated: {end_s:.1f} s{of}, the rest of the file is missing")
        if promised.unfinished:
            self._fail(f"is truncated: it ends after {end_s:.1f} s without its end mark")
        # What cannot be decoded at the very end was cut, and no slack is needed to tell.
        cut = reader.damaged and reader.damaged_at >= at
        slack_s = 0.0 if cut else self.SLACK_S
        if promised.seconds is not None and end_s < promised.seconds - slack_s:
            self._fail(f"is truncated: {end_s:.1f} s of {promised.seconds:.1f} s")
        if reader.damaged:
            where = f"{reader.damaged_at / self.sample_rate:.1f} s"
            self._fail(f"is damaged after {where} ({reader.reason})")

    def _fail(self, what: str) -> None:
        raise FileError(f"{self._called} {what}; what was read is kept")


def _joined(held: list[Samples], at: int, block: int) -> Iterator[tuple[int, Samples]]:
    if not held:
        return
    joined = held[0] if len(held) == 1 else np.concatenate(held)
    for first in range(0, len(joined), block):
        yield at + first, joined[first : first + block]
