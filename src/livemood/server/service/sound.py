"""Sound of a session in Opus, where it was asked for and consented to."""

import logging
import threading
from collections import deque
from pathlib import Path

import numpy as np
import soundfile as sf

from livemood.audio import AudioBlock, Samples, StreamResampler
from livemood.server.service.database import erase

log = logging.getLogger(__name__)

OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


class Recording:
    """One session's sound, on its way to disk."""

    MOST_WAITING = 3000
    """Blocks; more come only where the disk hangs, and are then lost to the recording."""
    LONGEST_SILENCE_S = 600
    """A longer hole is shortened to this, in the recording alone."""

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.path = path
        self._rate, self._channels = rate, channels
        self._target = next((r for r in OPUS_RATES if r >= rate), OPUS_RATES[-1])
        self._blocks: deque[AudioBlock] = deque(maxlen=self.MOST_WAITING)
        self._resamplers = [StreamResampler(rate, self._target) for _ in range(channels)]
        self._file: sf.SoundFile | None = None
        self._next = 0
        self._closing = False
        self.failed = False

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
            self._silence(block.start - self._next)  # what was lost; it shows as a gap
            self._append(block.samples)
            self._next = block.end
        if closing and self._file is not None:
            self._file.close()
        return not closing

    def _silence(self, samples: int) -> None:
        left = min(samples, self.LONGEST_SILENCE_S * self._rate)
        while left > 0:
            piece = min(left, self._rate)
            self._append(np.zeros((piece, self._channels), np.float32))
            left -= piece

    def _append(self, samples: Samples) -> None:
        if self.failed:
            return
        if self._file is None:
            self.path.touch(mode=0o600)
            self._file = sf.SoundFile(
                str(self.path), "w", self._target, self._channels, "OPUS", format="OGG"
            )
        columns = np.nan_to_num(samples).clip(-1.0, 1.0).T
        pushed = [r.push(column) for r, column in zip(self._resamplers, columns, strict=True)]
        self._file.write(np.stack(pushed, axis=1))


class Recorder:
    """The folder of recordings and the thread that writes them."""

    EVERY_S = 0.5

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in folder.glob("*.erasing"):
            erase(left)
        self._recordings: list[Recording] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="livemood-recorder", daemon=True)
        self._thread.start()

    def path(self, session: str) -> Path:
        """Where a session's sound is kept."""
        return self._folder / f"{session}.opus"

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
                log.error("sound cannot be kept: %s", error)
            recording.failed = True
            return True
