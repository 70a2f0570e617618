"""All features of one item: by frame, and as numbers of the whole."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from livemood.audio.block import Samples
from livemood.datasets.acoustics import frames, pitch
from livemood.datasets.acoustics.frames import HOP_S, Values
from livemood.datasets.item import Item
from livemood.errors import UsageError
from livemood.speech.pitch import f0
from livemood.speech.voice_change import SyllableCounter
from livemood.training.data.clips import Clip, read_clip

GROUPS: Final = ("mfcc", "log-mel", "spectrum", "zcr", "energy", "f0", "rhythm", "periods")
"""Groups of features, by the name that --groups takes. The last two are of the whole alone."""
RHYTHM: Final = (
    "duration_s",
    "syllables_per_s",
    "pauses_per_s",
    "pause_share",
    "pause_s_mean",
    "lead_s",
    "tail_s",
)
PAUSE_DB: Final = 30.0
"""Frames so far below the loud ones (the 95th percentile) are silence."""
PAUSE_S: Final = 0.15
"""A shorter silence within speech is no pause."""


def check_groups(names: tuple[str, ...]) -> None:
    """Raise `UsageError` for a group that does not exist."""
    if unknown := [name for name in names if name not in GROUPS]:
        raise UsageError(f"no group of features is called {unknown[0]!r}: {', '.join(GROUPS)}")


def sound_of(item: Item, rate: int = frames.RATE) -> Samples:
    """The item's sound at `rate` Hz, shape (n,). Raises `UsageError` if it cannot be decoded."""
    clip = Clip(
        item.path,
        "",
        item.speaker,
        item.label,
        channel=item.channel,
        start=item.start,
        end=item.end,
    )
    return read_clip(clip, rate)


def by_frame(sound: Samples, groups: tuple[str, ...] = GROUPS) -> dict[str, Values]:
    """Each feature every 10 ms, shape (frames,) each, NaN where it is not defined."""
    found: dict[str, Values] = {}
    if {"mfcc", "log-mel"} & set(groups):
        mel = frames.log_mel(sound)
        if "mfcc" in groups:
            found |= {f"mfcc_{n}": c for n, c in enumerate(frames.mfcc(mel).T)}
        if "log-mel" in groups:
            found |= {f"log_mel_{n}": c for n, c in enumerate(mel.T)}
    if "spectrum" in groups:
        shares = frames.energy_distribution(frames.power_spectrum(sound)).T
        edges = zip(frames.EDGES[:-1], frames.EDGES[1:], strict=True)
        names = [f"energy_{low}_{high}_hz" for low, high in edges]
        found |= dict(zip(names, shares, strict=True))
    if "zcr" in groups:
        found["zcr"] = frames.zero_crossings(sound)
    if "energy" in groups:
        found["energy_db"] = frames.energy_db(sound)
    if "f0" in groups:
        found["f0_hz"] = f0(sound)
    number = min((len(values) for values in found.values()), default=0)
    return {name: values[:number] for name, values in found.items()}


def whole(sound: Samples, groups: tuple[str, ...] = GROUPS) -> dict[str, float]:
    """Mean and standard deviation of the frames' features, and what only a whole has.

    F0 is told in semitones above 55 Hz, too, so that high and low voices compare.
    """
    found: dict[str, float] = {}
    for name, values in by_frame(sound, groups).items():
        there = values[np.isfinite(values)]
        found[f"{name}_mean"] = float(there.mean()) if len(there) else np.nan
        found[f"{name}_sd"] = float(there.std()) if len(there) else np.nan
        if name == "f0_hz":
            tones = 12 * np.log2(there / 55) if len(there) else np.array([np.nan])
            low, high = np.quantile(tones, (0.05, 0.95))
            found |= {"f0_st_mean": float(tones.mean()), "f0_st_range": float(high - low)}
            found["voiced_share"] = len(there) / max(1, len(values))
    if "rhythm" in groups:
        found |= rhythm(sound)
    if "periods" in groups:
        steady = pitch.periods(sound, f0(sound))
        found |= {"jitter": steady.jitter, "shimmer": steady.shimmer}
    return found


def rhythm(sound: Samples) -> dict[str, float]:
    """Duration, nuclei of syllables a second, and pauses, from the energy alone.

    A nucleus is a peak of the energy that rises 2 dB above what lies between it and the next, of
    frames that are no silence (de Jong & Wempe 2009, without their look at the voice).
    """
    level = frames.energy_db(sound)
    smooth = np.convolve(level, np.ones(5) / 5, mode="same")
    audible = level > max(float(np.quantile(level, 0.95)) - PAUSE_DB, frames.SILENT_DB + 1)
    speech = np.flatnonzero(audible)
    seconds = len(sound) / frames.RATE
    if not len(speech):
        nothing = dict.fromkeys(RHYTHM, 0.0)
        return nothing | {"duration_s": seconds, "pause_share": 1.0, "lead_s": seconds}
    inside = ~audible[speech[0] : speech[-1] + 1]
    pauses = [(b - a) * HOP_S for a, b in pitch.runs(inside) if (b - a) * HOP_S >= PAUSE_S]
    spoken = max(HOP_S, (speech[-1] + 1 - speech[0]) * HOP_S)
    values = (
        seconds,
        _nuclei(smooth, audible) / spoken,
        len(pauses) / spoken,
        sum(pauses) / spoken,
        float(np.mean(pauses)) if pauses else 0.0,
        float(speech[0] * HOP_S),
        float((len(level) - 1 - speech[-1]) * HOP_S),
    )
    return dict(zip(RHYTHM, map(float, values), strict=True))


def _nuclei(smooth: Values, audible: NDArray[np.bool_]) -> int:
    counter = SyllableCounter()
    return sum(counter.push(smooth.tolist(), audible.tolist())) + counter.open
