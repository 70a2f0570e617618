"""How still the lines of a spectrum stand."""

import numpy as np
import pytest
import soundfile as sf

from livemood.speech.spectral_lines import STEP, line_persistence

RATE = 16000
T = np.arange(2 * RATE) / RATE


def organ(hertz):
    tones = (np.sin(2 * np.pi * n * hertz * T) / n for n in range(1, 12))
    return sum(tones).astype(np.float32)


@pytest.mark.parametrize("hertz", [98, 220, 440])
def test_the_lines_of_a_note_stand_still_at_any_level(hertz):
    for level in (1.0, 1e-3):
        found = np.array(line_persistence(np.float32(level) * organ(hertz), 20))
        assert found.min() > 0.9


def test_those_of_speech_and_noise_move(clip):
    noise = np.random.default_rng(1).normal(0, 0.1, 2 * RATE).astype(np.float32)
    speech, _ = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    for sound in (noise, speech[RATE // 2 : 5 * RATE // 2]):
        _, upper = np.array(line_persistence(sound, 20)).T
        assert np.median(upper) < 0.55


def test_values_do_not_depend_on_how_much_is_handed_over():
    sound = organ(110)
    one = line_persistence(sound[: len(sound) // STEP * STEP][-2 * STEP :], 1)
    assert line_persistence(sound[: len(sound) // STEP * STEP], 20)[-1] == one[0]
