"""A local speech recogniser: Whisper on CTranslate2, in a process of its own at low priority."""

import json
import logging
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from livemood.audio import AudioBlock
from livemood.errors import ModelError, UsageError

log = logging.getLogger(__name__)

Done = Callable[[str | None], object]
"""Told what was said, empty if nothing was, or None if it could not be recognised."""
KEPT_S: Final = 40.0
"""Seconds of each channel that are kept to be cut from."""
WAITING: Final = 8
"""Stretches that wait at most, of all sessions; more are not taken."""
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Job:
    sound: Callable[[], Float32]
    rate: int
    done: Done


class RecogniserProcess:
    """Recognises one stretch after the other. Sessions may share it; close it after them."""

    def __init__(self, folder: Path, language: str = "en") -> None:
        """`folder` holds a Whisper model as CTranslate2 files.

        Raises `ModelError` if it cannot be loaded, `UsageError` if the extra `whisper` is missing.
        """
        if not (folder / "model.bin").is_file():
            lacks = "model.bin in it" if folder.is_dir() else "such folder"
            raise ModelError(f"no Whisper model at {folder}: there is no {lacks}")
        self._jobs: queue.Queue[_Job | None] = queue.Queue(WAITING + 1)
        self._child = subprocess.Popen(  # noqa: S603 - livemood's own module
            [sys.executable, "-m", "livemood.text.recogniser_process", str(folder), language],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        answer = self._answer()
        if answer is None or "failure" in answer:
            self._child.kill()
            self._child.wait()
            failure = str((answer or {}).get("failure", "its process ended"))
            if "pip install" in failure:
                raise UsageError(failure)
            raise ModelError(f"the Whisper model at {folder} cannot be loaded: {failure}")
        self._thread = threading.Thread(target=self._work, name="livemood-recogniser", daemon=True)
        self._thread.start()

    def put(self, sound: Callable[[], Float32], rate: int, done: Done) -> None:
        """Have mono sound of `rate` Hz recognised. Never waits; None if too many stretches do."""
        if self._jobs.qsize() >= WAITING:
            done(None)
            return
        try:
            self._jobs.put_nowait(_Job(sound, rate, done))
        except queue.Full:
            done(None)

    def close(self) -> None:
        """Recognise what waits, then end."""
        self._jobs.put(None)
        self._thread.join(30.0)
        self._child.kill()
        self._child.wait()

    def _work(self) -> None:
        failed = False
        while (job := self._jobs.get()) is not None:
            text = None
            try:
                text = self._recognise(job)
            except (OSError, ValueError) as error:
                if not failed:  # once, and never the words
                    log.error("speech could not be recognised: %s", type(error).__name__)
                failed = True
            job.done(text)

    def _recognise(self, job: _Job) -> str | None:
        stdin: IO[bytes] | None = self._child.stdin
        assert stdin is not None  # noqa: S101 - it is a pipe
        sound = job.sound()
        head = {"samples": len(sound), "rate": job.rate}
        stdin.write(json.dumps(head).encode() + b"\n" + sound.tobytes())
        stdin.flush()
        answer = self._answer()
        if answer is None:
            raise OSError("the process ended")
        return str(answer["text"])

    def _answer(self) -> dict[str, object] | None:
        assert self._child.stdout is not None  # noqa: S101 - it is a pipe
        line = self._child.stdout.readline()
        return json.loads(line) if line else None


class SessionRecogniser:
    """The last sound of one session's channels, to be cut and recognised."""

    def __init__(self, process: RecogniserProcess, rate: int, channels: int) -> None:
        self._process, self._rate = process, rate
        self._kept: list[deque[tuple[int, Float32]]] = [deque() for _ in range(channels)]
        self._lock = threading.Lock()

    def push(self, block: AudioBlock) -> None:
        """Take the next block of sound, of all channels or of one. Never waits."""
        first = block.channel or 0
        with self._lock:
            for place in range(block.samples.shape[1] if len(block.samples) else 0):
                kept = self._kept[first + place]
                kept.append((block.start, np.array(block.samples[:, place], np.float32)))
                while kept and kept[0][0] < block.end - KEPT_S * self._rate:
                    kept.popleft()

    def cut(self, channel: int, start_ms: int, end_ms: int, done: Done) -> None:
        """Have what was said on a channel in this time recognised; lost sound counts as silence."""
        start, end = (round(ms * self._rate / 1000) for ms in (start_ms, end_ms))
        start = max(start, end - round(KEPT_S * self._rate))
        with self._lock:
            pieces = list(self._kept[channel])
        self._process.put(partial(_joined, pieces, start, end), self._rate, done)


def _joined(pieces: list[tuple[int, Float32]], start: int, end: int) -> Float32:
    """The sound from sample `start` to `end`; the recogniser's thread joins it."""
    sound = np.zeros(max(0, end - start), np.float32)
    for at, samples in pieces:
        begin, until = max(at, start), min(at + len(samples), end)
        if begin < until:
            sound[begin - start : until - start] = samples[begin - at : until - at]
    return sound
