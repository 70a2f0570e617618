"""Sound files, as fast as possible or in real time."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import soundfile as sf

from livemood.audio import AudioBlock
from livemood.errors import SourceError, UsageError

BLOCK_S = 0.02
FASTEST = 1000.0
"""Times real time; whoever wants more takes the sound as fast as it can be read."""


class FileSource:
    """A WAV, FLAC, MP3, Ogg or Opus file of any rate and any number of channels.

    With `speed` it is played at so many times real time, as a live source would deliver it;
    without, blocks come as fast as they are taken.
    """

    def __init__(
        self, path: str | Path, speed: float | None = None, block_s: float = BLOCK_S
    ) -> None:
        self._path = Path(path)
        self._speed = speed
        self.name = self._path.name
        self.live = speed is not None
        self._stopped = threading.Event()
        if speed is not None and not 0 < speed <= FASTEST:
            raise UsageError(f"the speed must be above 0 and at most {FASTEST:g}, not {speed:g}")
        if not self._path.exists():
            raise SourceError(f"no file {path}: check the path")
        if self._path.is_dir():
            raise SourceError(f"{path} is a folder: name the sound files in it")
        if not self._path.is_file():
            raise SourceError(f"{path} is not a regular file: save the sound to one")
        if self._path.stat().st_size == 0:
            raise SourceError(f"{path} is empty")
        try:
            info = sf.info(str(self._path))
        except UnicodeError:
            raise SourceError(f"{self.name!a} is not UTF-8: rename the file") from None
        except (sf.LibsndfileError, OSError) as error:
            raise SourceError(
                f"{path} is not sound that can be read ({_reason(error)}): "
                "give WAV, FLAC, MP3, Ogg or Opus"
            ) from None
        if info.frames == 0:
            raise SourceError(f"{path} holds no sound")
        self.sample_rate, self.channels = info.samplerate, info.channels
        # Never more than a second at once: the ring holds a few.
        self._block = max(1, round(min(1.0, block_s * (speed or 50.0)) * self.sample_rate))
        self._declared = info.frames
        self.duration_s: float = info.frames / info.samplerate
        """How long the file says it is."""

    def blocks(self) -> Iterator[AudioBlock]:
        """The file's sound. Raises `SourceError` where the file is damaged."""
        began, at = time.monotonic(), 0
        try:
            with sf.SoundFile(str(self._path)) as file:
                while not self._stopped.is_set():
                    samples = file.read(self._block, dtype="float32", always_2d=True)
                    if not len(samples):
                        break
                    due = began + (at + len(samples)) / (self.sample_rate * (self._speed or 1.0))
                    if self._speed is not None and self._stopped.wait(due - time.monotonic()):
                        return
                    captured = due if self._speed is not None else time.monotonic()
                    yield AudioBlock(at, samples, captured, pace=self._speed or 1.0)
                    at += len(samples)
        except (sf.LibsndfileError, OSError, RuntimeError) as error:
            raise SourceError(
                f"{self._path} is damaged after {at / self.sample_rate:.1f} s ({_reason(error)}); "
                "what was read before is kept"
            ) from None
        # A compressed file declares its length with no more precision than a packet.
        if not self._stopped.is_set() and self._declared - at > self.sample_rate // 2:
            raise SourceError(
                f"{self._path} is truncated: {at / self.sample_rate:.1f} s of "
                f"{self._declared / self.sample_rate:.1f} s; what was read is kept"
            )

    def stop(self) -> None:
        """End the sound where it is."""
        self._stopped.set()


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", None) or str(error)
    return str(text).strip().rstrip(".").splitlines()[0]
