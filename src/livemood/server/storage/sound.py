"""Sound of sessions: kept as Opus where that was consented to, and uploads that wait to be read."""

import logging
import os
import shutil
import threading
from collections import deque
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile as sf

from livemood.audio import AudioBlock, Samples, StreamResampler
from livemood.server.storage.database import erase, erase_left
from livemood.server.storage.folder import private_folder

log = logging.getLogger(__name__)

OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


class Recording:
    """One session's sound, on its way to disk."""

    MOST_WAITING = 3000
    """Blocks; more come only where the disk hangs, and are then lost to the recording."""
    APART_S = 2.0
    """By how much channels whose sound comes apart are waited for."""
    LONGEST_SILENCE_S = 600
    """A longer hole is shortened to this, in the recording alone."""

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.path = path
        self._target = next((r for r in OPUS_RATES if r >= rate), OPUS_RATES[-1])
        self._blocks: deque[AudioBlock] = deque(maxlen=self.MOST_WAITING)
        longest = self.LONGEST_SILENCE_S * rate
        self._tracks = [_Track(rate, self._target, longest) for _ in range(channels)]
        self._file: sf.SoundFile | None = None
        self._closing = False
        self.failed = False
        self.closed = threading.Event()
        """Set once nothing more will be written, and nothing is open."""

    @property
    def settled(self) -> bool:
        """Whether nothing more will be written."""
        return self.closed.is_set()

    def push(self, block: AudioBlock) -> None:
        """Take the next block; never waits."""
        self._blocks.append(block)

    def finish(self) -> None:
        """Nothing will follow."""
        self._closing = True

    def write(self) -> bool:
        """Write what came, in one thread; whether more may follow."""
        closing = self._closing  # before looking: what was pushed before it is written
        for _ in range(len(self._blocks)):
            block = self._blocks.popleft()
            for number, track in enumerate(self._tracks):
                if block.channel is None:
                    track.push(block.start, block.samples[:, number])
                elif block.channel == number:
                    track.push(block.start, block.samples[:, 0])
        if closing and not self.settled:
            for track in self._tracks:
                track.flush()
        self._append(0 if closing else round(self.APART_S * self._target))
        if closing:
            self.close()
        return not closing

    def close(self) -> None:
        """Leave the file as it is."""
        try:
            if self._file is not None:
                self._file.close()
        finally:
            self.closed.set()

    def _append(self, apart: int) -> None:
        """Write what there is of all tracks, none being more than `apart` samples behind."""
        longest = max(track.waiting for track in self._tracks)
        for track in self._tracks:
            track.pad(longest - apart)
        ready = min(track.waiting for track in self._tracks)
        if self.failed or not ready:
            for track in self._tracks:
                track.take(ready)
            return
        if self._file is None:
            self.path.touch(mode=0o600)
            self._file = sf.SoundFile(
                str(self.path), "w", self._target, len(self._tracks), "OPUS", format="OGG"
            )
        self._file.write(np.stack([track.take(ready) for track in self._tracks], axis=1))


class _Track:
    """One channel on its way: sound on its clock, at the rate that is kept."""

    def __init__(self, rate: int, target: int, longest: int) -> None:
        self._rate, self._longest = rate, longest
        self._resampler = StreamResampler(rate, target)
        self._next = 0
        self._pieces: deque[Samples] = deque()
        self.waiting = 0
        """Samples that can be taken."""
        self._padded = 0

    def push(self, start: int, samples: Samples) -> None:
        """Take the next samples; what is missing before them was lost and shows as a gap."""
        left = min(start - self._next, self._longest)
        while left > 0:
            piece = min(left, self._rate)
            self._add(self._resampler.push(np.zeros(piece, np.float32)))
            left -= piece
        self._next = start + len(samples)
        self._add(self._resampler.push(np.nan_to_num(samples).clip(-1.0, 1.0)))

    def flush(self) -> None:
        """No more sound will come: take what the resampler still holds."""
        self._add(self._resampler.flush())

    def pad(self, waiting: int) -> None:
        """Add silence until so many samples wait; what comes late for it is dropped."""
        missing = waiting - self.waiting
        if missing > 0:
            self._pieces.append(np.zeros(missing, np.float32))
            self.waiting += missing
            self._padded += missing

    def take(self, count: int) -> Samples:
        """The next `count` samples."""
        out = np.concatenate([*self._pieces, np.empty(0, np.float32)])
        self._pieces = deque([out[count:]])
        self.waiting -= count
        return out[:count]

    def _add(self, samples: Samples) -> None:
        late = min(self._padded, len(samples))
        self._padded -= late
        self._pieces.append(samples[late:])
        self.waiting += len(samples) - late


class Recorder:
    """The folder of recordings and the thread that writes them."""

    EVERY_S = 0.5

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        private_folder(folder)
        erase_left(folder)
        self._recordings: list[Recording] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="livemood-recorder", daemon=True)
        self._thread.start()

    @property
    def recordings(self) -> int:
        """How many are being written."""
        with self._lock:
            return len(self._recordings)

    def path(self, session: str) -> Path:
        """Where a session's sound is kept."""
        return self._folder / f"{session}.opus"

    def sessions(self) -> list[str]:
        """Sessions of which there is sound."""
        return [path.stem for path in self._folder.glob("*.opus")]

    def open(self, session: str, rate: int, channels: int) -> Recording:
        """Record a session's sound from now on."""
        recording = Recording(self.path(session), rate, channels)
        with self._lock:
            self._recordings.append(recording)
        return recording

    def erase(self, session: str) -> None:
        """Leave nothing of the session's sound."""
        erase(self.path(session))

    def close(self) -> None:
        """Write what is left and end the thread."""
        self._stop.set()
        self._thread.join(10.0)

    def _work(self) -> None:
        while True:
            last = self._stop.wait(self.EVERY_S)
            with self._lock:
                recordings = list(self._recordings)
            for recording in recordings:
                if last:
                    recording.finish()
                if not self._write(recording):
                    with self._lock:
                        self._recordings.remove(recording)
            if last:
                return

    def _write(self, recording: Recording) -> bool:
        try:
            return recording.write()
        except (OSError, sf.LibsndfileError) as error:
            if not recording.failed:
                # Their whole text would name the file, and so the session.
                why = error.strerror if isinstance(error, OSError) else error.error_string
                log.error("sound cannot be kept: %s", why)
            recording.failed = True
            return not recording.closed.is_set()


class Uploads:
    """Uploaded recordings, each for its owner alone, until they have been read.

    What an earlier server left in the folder is erased.
    """

    def __init__(self, folder: Path, *, clear: bool = True) -> None:
        """Without `clear` what is in the folder is left: it may be another process's.

        Raises `OSError` for a folder that cannot be used.
        """
        self._folder = folder
        private_folder(folder)
        for left in folder.iterdir() if clear else ():
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
