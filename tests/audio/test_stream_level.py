"""What is measured of a stream's level."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.audio.level import FRAMES, FirstStep, LevelMeter, LevelPiece

RATE = 16000
RNG = np.random.default_rng(0)
LIKE_SPEECH = (RNG.laplace(0, 0.05, 4 * RATE)).astype(np.float32)


def measured(sound, rate=RATE):
    found = LevelMeter(rate).push(0, np.asarray(sound, np.float32))
    return [piece for piece in found if isinstance(piece, LevelPiece)]


def clipped(sound, share):
    rail = np.quantile(np.abs(sound), 1 - share)
    return np.clip(sound, -rail, rail)


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 20_000), min_size=1, max_size=8).filter(any),
    rate=st.sampled_from([8000, 16000, 44100]),
    bits=st.sampled_from([16, 8]),
    silence=st.integers(0, 2 * RATE),
)
def test_pieces_do_not_depend_on_the_sizes_of_blocks(sizes, rate, bits, silence):
    scale = np.float32(2 ** (bits - 1))
    spoken = np.floor(LIKE_SPEECH * scale) / scale
    sound = np.concatenate((np.zeros(silence, np.float32), spoken))
    whole = LevelMeter(rate).push(0, sound)
    meter, found, at, n = LevelMeter(rate), [], 0, 0
    while at < len(sound):
        block = sound[at : at + sizes[n % len(sizes)]]
        found += meter.push(at, block)
        at, n = at + len(block), n + 1
    assert [repr(piece) for piece in whole] == [repr(piece) for piece in found]
    steps = [piece for piece in whole if isinstance(piece, FirstStep)]
    assert all(each.step == 2.0**-7 for each in steps)
    assert bits == 8 or not steps
    assert len(whole) - len(steps) == len(sound) // (round(rate / 50) * FRAMES)


def test_a_step_of_eight_bits_is_told_with_the_first_sound():
    eight = np.round(LIKE_SPEECH * 128) / np.float32(128)
    first = LevelMeter(RATE).push(0, np.concatenate((np.zeros(RATE, np.float32), eight)))[2]
    assert first == FirstStep(round(1.06 * RATE), 2.0**-7)
    fine = np.round(LIKE_SPEECH * 32768) / np.float32(32768)
    for silence in range(0, 960, 7):  # it begins anywhere in what is looked at
        late = np.concatenate((np.zeros(RATE + silence, np.float32), fine))
        assert not any(isinstance(each, FirstStep) for each in LevelMeter(RATE).push(0, late))
    click = np.zeros(2 * RATE, np.float32)
    click[100] = 0.3  # no step at all
    assert not any(isinstance(each, FirstStep) for each in LevelMeter(RATE).push(0, click))


@pytest.mark.parametrize("gain", [1.0, 0.3, 0.001])
@pytest.mark.parametrize("offset", [0.0, 0.1])
@pytest.mark.parametrize("share", [0.01, 0.03, 0.1])
def test_samples_at_a_rail_are_counted_wherever_it_is(gain, offset, share):
    pieces = measured(gain * clipped(LIKE_SPEECH, share) + offset)
    assert np.mean([piece.clipped for piece in pieces]) == pytest.approx(share, rel=0.2)


@pytest.mark.parametrize("top", [1, -1])
def test_a_rail_on_one_side_is_one(top):
    sound = np.minimum(LIKE_SPEECH, np.quantile(LIKE_SPEECH, 0.95))
    pieces = measured(top * sound)
    assert np.mean([piece.clipped for piece in pieces]) == pytest.approx(0.05, rel=0.2)


@pytest.mark.parametrize("gain", [1.0, 1e-3])
def test_sound_below_its_peak_is_not_clipped(gain):
    assert max(piece.clipped for piece in measured(gain * LIKE_SPEECH)) < 0.001


@pytest.mark.parametrize("hertz", [50, 440, 1234])
def test_a_tone_is_not_clipped(hertz):
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)
    assert [piece.clipped for piece in measured(tone)] == [0, 0]


def test_a_few_steps_of_rounding_are_no_rail():
    few = (
        np.clip(np.round(LIKE_SPEECH * 100), -10, 10) / 32768
    )  # values of -10 to 10 steps of 16 bits
    pieces = measured(few)
    assert [piece.clipped for piece in pieces] == [0] * 8
    assert pieces[0].step == pytest.approx(1 / 32768)


@pytest.mark.parametrize("value", [0.0, 0.25, -1.0])
def test_one_value_is_steady(value):
    assert all(piece.steady for piece in measured(np.full(RATE, value)))


def test_the_last_bit_of_a_microphone_is_not_steady():
    noise = RNG.integers(-1, 2, RATE) / 32768
    assert not any(piece.steady for piece in measured(noise))


def test_frames_have_the_power_of_their_sound_without_its_offset():
    pieces = measured(0.1 + 0.05 * np.sin(2 * np.pi * 400 * np.arange(RATE) / RATE))
    assert pieces[0].powers == pytest.approx(np.full(FRAMES, 0.05**2 / 2), rel=1e-3)
    assert pieces[0].peak == pytest.approx(0.15, abs=1e-3)


def test_after_a_cut_a_piece_begins_anew():
    meter = LevelMeter(RATE)
    assert not meter.push(0, LIKE_SPEECH[:5000], cancelled=True)
    meter.cut()
    [piece] = meter.push(9000, LIKE_SPEECH[:8000])
    assert piece.end == 17000
    assert not piece.cancelled


def test_a_piece_that_was_cancelled_in_part_says_so():
    meter = LevelMeter(RATE)
    meter.push(0, LIKE_SPEECH[:5000], cancelled=True)
    found = meter.push(5000, LIKE_SPEECH[5000:20000])
    assert [piece.cancelled for piece in found] == [True, False]
