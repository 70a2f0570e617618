"""Made music of many instruments, for `train_discriminator.py`.

Parts of plucked and bowed strings, winds, organs, bells, electric pianos and pads, with bass and
drums, in a room and through a telephone. Everything is drawn: tuning, scale, rhythm and timbre.
"""

import numpy as np
import soxr

RATE = 16000
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
NYQUIST = 7600


def music(rng, seconds):
    """A piece of one to three parts, shape (seconds * RATE,)."""
    out = np.zeros(RATE * (seconds + 6))
    key, scale = rng.uniform(90, 260), SCALES[rng.integers(len(SCALES))]
    step = rng.choice([0.11, 0.14, 0.18, 0.22, 0.27, 0.33, 0.4, 0.5, 0.65]) * rng.uniform(0.9, 1.1)
    steps, bar = int(seconds / step), rng.choice([6, 8, 16])
    roots = rng.integers(0, len(scale), 4)

    def hertz(degree, octave=0):
        return key * 2 ** (octave + degree // len(scale) + scale[degree % len(scale)] / 12)

    styles = rng.choice(["melody", "arpeggio", "chords"], rng.integers(1, 3), replace=False)
    for style in styles:
        timbre, octave = instrument(rng), int(rng.integers(0, 3))
        rings, loud, degree = rng.uniform(0.7, 5), rng.uniform(0.3, 1), 0
        shape = rng.permutation([0, 2, 4, 7, 4, 2, 5, 1])
        at = 0
        while at < steps:
            root = roots[at // bar % 4]
            if style == "melody":
                length = int(rng.choice([1, 1, 2, 2, 3, 4]))
                degree = int(np.clip(degree + rng.integers(-3, 4), 0, 12))
                notes = [degree] if rng.random() < 0.9 else []
            elif style == "arpeggio":
                length, notes = 1, [root + shape[at % len(shape)]]
            else:
                length = int(rng.choice([2, 4, bar]))
                notes = [root, root + 2, root + 4]
            for note in notes:
                wave = timbre(rng, hertz(int(note), octave), min(4, rings * length * step))
                add(out, at * step, wave * loud * rng.uniform(0.6, 1))
            at += length
    if rng.random() < 0.5:
        bass = instrument(rng)
        for at in range(0, steps, int(rng.choice([2, 4, 8]))):
            add(out, at * step, bass(rng, hertz(int(roots[at // bar % 4])) / 2, 2 * step))
    if rng.random() < 0.3:
        drums(rng, out, step, steps)
    return through(rng, out[: RATE * seconds])


def add(out, at, wave):
    """Add `wave` from `at` seconds on."""
    begin = int(at * RATE)
    wave = wave[: len(out) - begin]
    out[begin : begin + len(wave)] += wave


def instrument(rng):
    """A drawn instrument: gives the wave of a note."""
    return rng.choice([plucked, plucked, sustained, sustained, bells, modulated, detuned])(rng)


def edges(seconds, attack, release=0.03):
    """Times of a note, and its rise and fall."""
    t = np.arange(int(RATE * (seconds + release))) / RATE
    return t, np.minimum(1, t / attack) * np.clip((t[-1] - t) / release, 0, 1)


def harmonics(hertz, most):
    """The numbers of the harmonics that can be heard."""
    return np.arange(1, 1 + max(1, min(most, int(NYQUIST / hertz))))


def plucked(rng):
    """A string whose upper partials are stretched and die sooner."""
    place, stretch = rng.uniform(0.08, 0.5), rng.choice([0, 1e-4, 5e-4])
    fall, faster, slope = rng.uniform(0.4, 4), rng.uniform(0.005, 0.15), rng.uniform(0.4, 1.6)

    def note(rng, hertz, seconds):
        t, shape = edges(seconds, 0.003)
        wave = np.zeros_like(t)
        for n in harmonics(hertz, 24):
            size = np.abs(np.sin(np.pi * n * place)) / n**slope * rng.uniform(0.7, 1)
            decay = np.exp(-t * fall * (1 + faster * n * n))
            pitch = n * hertz * np.sqrt(1 + stretch * n * n)
            wave += size * decay * np.sin(2 * np.pi * pitch * t + rng.uniform(0, 6.3))
        return wave * shape

    return note


def sustained(rng):
    """Organ, wind or bowed string: lasts, perhaps with vibrato and breath."""
    sizes = rng.uniform(0, 1, 24) ** 2 / np.arange(1, 25) ** rng.uniform(0.2, 1.5)
    attack, depth = rng.uniform(0.01, 0.15), rng.choice([0, 0, 0.003, 0.006, 0.012])
    vibrato, breath = rng.uniform(4, 7), rng.choice([0, 0, 0.02, 0.08])

    def note(rng, hertz, seconds):
        t, shape = edges(seconds, attack, 0.06)
        sway = depth * hertz / vibrato * np.minimum(1, t / 0.3) * np.sin(2 * np.pi * vibrato * t)
        phase = 2 * np.pi * hertz * t + sway
        wave = sum(sizes[n - 1] * np.sin(n * phase) for n in harmonics(hertz, 24))
        return (wave + breath * rng.standard_normal(len(t))) * shape

    return note


def bells(rng):
    """Partials in no simple ratio, as of a glockenspiel, a vibraphone or a bell."""
    ratios = np.concatenate(([1], rng.uniform(1.5, 9, rng.integers(2, 6))))
    falls = rng.uniform(0.5, 6, len(ratios))

    def note(_, hertz, seconds):
        t, shape = edges(seconds, 0.002)
        heard = [(r, f) for r, f in zip(ratios, falls, strict=True) if r * hertz < NYQUIST]
        return shape * sum(np.exp(-f * t) * np.sin(2 * np.pi * r * hertz * t) for r, f in heard)

    return note


def modulated(rng):
    """Frequency modulation: an electric piano, brass, a synthesizer."""
    ratio, index = rng.choice([0.5, 1, 1, 2, 3, 1.41]), rng.uniform(0.5, 4)
    fall, index_fall = rng.uniform(0, 3), rng.uniform(0.5, 6)

    def note(_, hertz, seconds):
        t, shape = edges(seconds, 0.01)
        turned = index * np.exp(-index_fall * t) * np.sin(2 * np.pi * ratio * hertz * t)
        return shape * np.exp(-fall * t) * np.sin(2 * np.pi * hertz * t + turned)

    return note


def detuned(rng):
    """A pad: some saws out of tune, that come slowly."""
    cents, slope = rng.uniform(-12, 12, 3), rng.uniform(0.9, 2)
    attack = rng.uniform(0.02, 0.5)

    def note(rng, hertz, seconds):
        t, shape = edges(seconds, attack, 0.2)
        wave = np.zeros_like(t)
        for cent in cents:
            for n in harmonics(hertz, 20):
                pitch = n * hertz * 2 ** (cent / 1200)
                wave += np.sin(2 * np.pi * pitch * t + rng.uniform(0, 6.3)) / n**slope
        return wave * shape / 3

    return note


def drums(rng, out, step, steps):
    """A drum, a snare and cymbals."""
    t = np.arange(int(0.25 * RATE)) / RATE
    loud = rng.uniform(0.2, 1) * np.abs(out).max()
    for at in range(steps):
        kind = at % 4
        noise = rng.standard_normal(len(t))
        if kind == 0:
            wave = np.sin(2 * np.pi * 55 * t + 3 * np.exp(-30 * t)) * np.exp(-12 * t)
        elif kind == 2:
            wave = 0.5 * noise * np.exp(-20 * t)
        else:
            wave = 0.3 * np.diff(noise, prepend=0) * np.exp(-60 * t)
        add(out, at * step, loud * wave)


def through(rng, sound):
    """In a room, and through a telephone, sometimes."""
    if rng.random() < 0.35:
        t = np.arange(int(RATE * rng.uniform(0.2, 1.2))) / RATE
        room = rng.standard_normal(len(t)) * np.exp(-6.9 * t / t[-1]) * rng.uniform(0.01, 0.04)
        room[0] = 1
        size = len(sound) + len(room)
        sound = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(room, size), size)[: len(sound)]
    if rng.random() < 0.4:
        narrow = soxr.resample(sound, RATE, 8000)
        spectrum = np.fft.rfft(narrow)
        hertz = np.fft.rfftfreq(len(narrow), 1 / 8000)
        spectrum *= 1 / (1 + (250 / np.maximum(hertz, 1)) ** 4)
        sound = soxr.resample(np.fft.irfft(spectrum, len(narrow)), 8000, RATE)
    return sound
