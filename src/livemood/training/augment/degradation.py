"""What lines and rooms do to speech: codecs, lost packets, noise at a chosen level.

Functions of sound, float32 of shape (n,), that give as many samples back; what is random comes
from a generator that is handed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, cast

import av
import numpy as np

from livemood.audio.block import Samples
from livemood.audio.resample import resample
from livemood.errors import UsageError
from livemood.speech.bounds import speech_bounds
from livemood.speech.vad import SAMPLE_RATE, WebRtcVad
from livemood.training.data.clips import read_clip
from livemood.training.data.tables import table_rows

CODECS: Final = {
    "mulaw": ("pcm_mulaw", "pcm_mulaw", 8000),
    "alaw": ("pcm_alaw", "pcm_alaw", 8000),
    "opus": ("libopus", "libopus", 48000),
}
"""Name, encoder, decoder, and the rate they run at: G.711 has 8 kHz."""
PACKET_S: Final = 0.02


def coded(sound: Samples, rate: int, codec: str, bit_rate: int = 16000) -> Samples:
    """The sound after a codec: G.711 `mulaw` or `alaw` at 8 kHz, or `opus` at `bit_rate`."""
    encoder, decoder, inner = CODECS[codec]
    packed = resample(sound, rate, inner)
    step, lead = round(PACKET_S * inner), 0
    write = cast(av.AudioCodecContext, av.CodecContext.create(encoder, "w"))
    write.sample_rate, write.layout, write.format = inner, "mono", "s16"
    if codec == "opus":
        write.bit_rate, lead = bit_rate, 312  # the samples by which it looks ahead
    read = cast(av.AudioCodecContext, av.CodecContext.create(decoder, "r"))
    read.sample_rate, read.layout = inner, "mono"
    whole = np.pad(packed, (0, step + lead + -len(packed) % step))
    pcm = (np.clip(whole, -1, 1) * 32767).round().astype(np.int16)
    out: list[Samples] = []
    for at in range(0, len(pcm), step):
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis, at : at + step], "s16", "mono")
        frame.sample_rate, frame.pts = inner, at
        for packet in write.encode(frame):
            out += [_floats(decoded) for decoded in read.decode(packet)]
    whole = np.concatenate(out)[lead : lead + len(packed)]
    return fitted(resample(whole, inner, rate), len(sound))


def with_losses(
    sound: Samples, rate: int, share: float, rng: np.random.Generator, burst: float = 1.0
) -> Samples:
    """The sound with `share` of its 20 ms packets lost and silent, `burst` in a row on average."""
    step = round(PACKET_S * rate)
    lost = np.zeros(-(-len(sound) // step), bool)
    # A chain of two states (Gilbert 1960) that leaves "lost" with 1 / burst.
    begin = min(1.0, share / max(1e-9, burst * (1 - share)))
    state = rng.random() < share
    for packet in range(len(lost)):
        lost[packet] = state
        state = rng.random() >= 1 / burst if state else rng.random() < begin
    out = sound.copy()
    out[np.repeat(lost, step)[: len(sound)]] = 0.0
    return out


def with_noise(sound: Samples, noise: Samples, snr_db: float) -> Samples:
    """The sound with `noise`, repeated as needed, `snr_db` below the level of its speech.

    The level of speech is that between its first and its last voice: what is quiet around it would
    make the noise softer than it is said to be.
    """
    repeated = np.resize(noise, len(sound))
    span = speech_bounds(sound, WebRtcVad())
    level, other = (
        float(np.sqrt(np.mean(np.square(x)))) for x in (sound[span.start : span.end], repeated)
    )
    if other < 1e-6 or level < 1e-6:
        return sound.copy()
    out: Samples = sound + repeated * np.float32(level / other / 10 ** (snr_db / 20))
    return out


def fitted(sound: Samples, length: int) -> Samples:
    """The sound cut or filled up with silence to `length` samples."""
    out: Samples = np.pad(sound[:length], (0, max(0, length - len(sound)))).astype(np.float32)
    return out


@dataclass(frozen=True)
class NoiseBank:
    """Recordings of noise, 16 kHz, in a folder with `metadata.csv` (`path`, and `fold` if any)."""

    folder: Path
    folds: tuple[str, ...] = ()
    """Folds that may be used, all if none is named: test with others than are trained with."""

    def draw(self, length: int, rng: np.random.Generator) -> Samples:
        """`length` samples of one recording, from anywhere in it, over and over if it is short."""
        paths = self.paths()
        noise = _noise(paths[int(rng.integers(len(paths)))])
        return np.resize(np.roll(noise, -int(rng.integers(len(noise)))), length)

    def paths(self) -> Sequence[Path]:
        """The recordings. Raises `UsageError` if there is none."""
        return _paths(self.folder, self.folds)


@lru_cache(maxsize=8)
def _paths(folder: Path, folds: tuple[str, ...]) -> tuple[Path, ...]:
    table = folder / "metadata.csv"
    if not table.is_file():
        raise UsageError(f"no noise at {folder}: it needs a metadata.csv with the column path")
    rows = [r for _, r in table_rows(table, ["path"]) if not folds or r.get("fold") in folds]
    if not rows:
        raise UsageError(f"{table} has no noise of fold {', '.join(folds)}")
    return tuple(folder / row["path"] for row in rows)


@lru_cache(maxsize=512)
def _noise(path: Path) -> Samples:
    return read_clip(path, SAMPLE_RATE)


def _floats(frame: av.AudioFrame) -> Samples:
    values = frame.to_ndarray().reshape(-1)
    if values.dtype == np.int16:
        return (values / np.float32(32768)).astype(np.float32)
    return values.astype(np.float32)
