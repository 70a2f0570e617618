"""How long sound that is no speech is given an emotion: ten kinds, a minute each, at three levels.

Each minute is a session of its own through the live path, for every shipped model: a gate, windows,
the model, smoothing. Counted are the seconds of the timeline with a label other than `uncertain`,
and those that were taken for speech. The sounds are made here, and not as those that the
discriminator learnt from: other pitches, rhythms, instruments and keystrokes, by other rules.
"""

import common  # first: it sets one thread before numpy is loaded
import numpy as np
from common_session import events_of

from livemood.model import load_model

RATE, SECONDS = common.RATE, 60
LEVELS_DB = (-3, -20, -40)
"""Peak, in dB of full scale."""
T = np.arange(RATE * SECONDS) / RATE


def tones(*hertz: float, on: float = 1, off: float = 0) -> np.ndarray:
    """Tones together, on and off, with edges of 5 ms."""
    gate = (T % (on + off) < on).astype(float)
    edge = np.ones(RATE // 200) / (RATE // 200)
    return np.convolve(gate, edge, "same") * sum(np.sin(2 * np.pi * f * T) for f in hertz)


def touch_tones(rng: np.random.Generator) -> np.ndarray:
    """Somebody dials numbers of nine digits, with pauses (ITU-T Q.23)."""
    out = np.zeros(len(T))
    at = 0.4
    while at < SECONDS - 0.3:
        for _ in range(9):
            low, high = rng.choice([697, 770, 852, 941]), rng.choice([1209, 1336, 1477])
            here = (at + 0.09 > T) & (at <= T)
            out[here] = np.sin(2 * np.pi * low * T[here]) + 0.8 * np.sin(2 * np.pi * high * T[here])
            at += 0.09 + rng.uniform(0.09, 0.5)
        at += rng.uniform(1, 4)
    return out


def keyboard(rng: np.random.Generator) -> np.ndarray:
    """Typing: filtered bursts down and up, in words."""
    out, at = np.zeros(len(T) + RATE), 0.3
    while at < SECONDS - 1:
        for _ in range(rng.integers(2, 9)):
            for strength, later in ((1.0, 0.0), (0.35, rng.uniform(0.05, 0.11))):
                length = rng.integers(60, 260)
                burst = rng.standard_normal(length) * np.hanning(2 * length)[length:]
                burst = np.convolve(burst, rng.uniform(-1, 1, 5), "same")
                begin = int((at + later) * RATE)
                out[begin : begin + length] += strength * burst * rng.uniform(0.5, 1)
            at += rng.gamma(6, 0.028)
        at += rng.uniform(0.15, 1.2)
    return out[: len(T)]


def hold_music(rng: np.random.Generator) -> np.ndarray:
    """Arpeggios of plucked strings (Karplus and Strong) over a bass, in four chords."""
    out = np.zeros(len(T) + 3 * RATE)
    for step in range(int(SECONDS / 0.27)):
        root = (196.0, 164.8, 130.8, 146.8)[step // 8 % 4]
        notes = [root * (1, 1.26, 1.5, 2)[step % 4]]
        notes += [root / 2] if step % 8 == 0 else []
        for hertz in notes:
            period = round(RATE / hertz)
            ring = rng.uniform(-1, 1, period)
            pieces = []
            for _ in range(int(1.2 * hertz)):
                pieces.append(ring)
                ring = 0.994 * 0.5 * (ring + np.roll(ring, 1))
            sound = np.concatenate(pieces)
            begin = int(step * 0.27 * RATE)
            out[begin : begin + len(sound)] += sound
    return out[: len(T)]


def coloured(rng: np.random.Generator, slope: float) -> np.ndarray:
    """Noise whose power falls by this power of the frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(len(T)))
    hertz = np.fft.rfftfreq(len(T), 1 / RATE)
    return np.fft.irfft(spectrum / np.maximum(hertz, 20) ** (slope / 2), len(T))


def fan(rng: np.random.Generator) -> np.ndarray:
    """Air through blades: noise that falls and swells a little, and the tone of the blades."""
    air = coloured(rng, 1.6)
    blades = sum(np.sin(2 * np.pi * 87 * n * T) / n**2 for n in range(1, 6))
    return (air / air.std()) * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * T)) + 0.5 * blades


def hum(rng: np.random.Generator) -> np.ndarray:
    """Mains of 50 Hz and its overtones."""
    phases = rng.uniform(0, 2 * np.pi, 12)
    return sum(np.sin(2 * np.pi * 50 * n * T + phases[n - 1]) / n for n in range(1, 13))


KINDS = {
    "ringback": lambda _: tones(425, on=1, off=4),
    "dial": lambda _: tones(350, 440),
    "busy": lambda _: tones(480, 620, on=0.5, off=0.5),
    "touch tones": touch_tones,
    "hum": hum,
    "keyboard": keyboard,
    "hold music": hold_music,
    "white noise": lambda rng: coloured(rng, 0),
    "pink noise": lambda rng: coloured(rng, 1),
    "fan": fan,
}


def heard(model, sound: np.ndarray) -> dict[str, float]:
    """Seconds that were given an emotion, and seconds of speech."""
    events = events_of(model, sound, RATE)
    segments = [e for e in events if e.type == "segment" and e.label != "uncertain"]
    labelled = sum(e.end_ms - e.start_ms for e in segments)
    return {
        "labelled_s": round(labelled / 1000, 2),
        "speech_s": round(events[-1].summary[0].speech_ms / 1000, 2),
    }


def main() -> None:
    options = common.arguments(__doc__).parse_args()
    around = common.surroundings()
    names = ["default", "small"] if options.model == "default" else [options.model]
    models = {name: load_model(name) for name in names}
    result: dict = {"seconds": SECONDS, "models": {name: {} for name in names}}
    for kind, make in KINDS.items():
        sound = make(np.random.default_rng(options.seed))
        sound = sound / np.abs(sound).max()
        for level in LEVELS_DB[1:2] if options.quick else LEVELS_DB:
            at_level = (sound * 10 ** (level / 20)).astype(np.float32)
            for name, model in models.items():
                found = heard(model, at_level)
                result["models"][name].setdefault(kind, {})[f"{level} dB"] = found
                print(name, kind, level, found, flush=True)
    for found in result["models"].values():
        worst = max(at["labelled_s"] for levels in found.values() for at in levels.values())
        found["worst_labelled_s"] = worst
    common.report("not_speech", result | around, quick=options.quick)


if __name__ == "__main__":
    main()
