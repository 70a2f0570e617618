"""Resampling of streams: any blocks, the right length, the right sound."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.audio.resample import StreamResampler, resample

RATES = [(48_000, 16_000), (44_100, 16_000), (8_000, 16_000), (22_050, 16_000), (16_000, 48_000)]


def stream(samples, source_rate, target_rate, cuts=()):
    """`samples` through a resampler, cut into blocks at `cuts`."""
    resampler = StreamResampler(source_rate, target_rate)
    blocks = np.split(samples, sorted(cuts))
    return np.concatenate([*map(resampler.push, blocks), resampler.flush()])


def sine(hz, rate, seconds=0.5, level=0.5):
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


def noise(count):
    return np.random.default_rng(7).uniform(-0.5, 0.5, count).astype(np.float32)


@given(st.sampled_from(RATES), st.lists(st.integers(0, 6_000), max_size=20))
@settings(max_examples=60, deadline=None)
def test_what_comes_out_does_not_depend_on_the_sizes_of_blocks(rates, cuts):
    sound = noise(6_000)
    assert np.array_equal(stream(sound, *rates, cuts), stream(sound, *rates))


@pytest.mark.parametrize("rates", RATES)
def test_blocks_of_ten_milliseconds_give_the_same_as_one_block(rates):
    sound = noise(rates[0])
    block = rates[0] // 100
    assert np.array_equal(
        stream(sound, *rates, range(block, len(sound), block)), stream(sound, *rates)
    )


@given(st.sampled_from(RATES), st.integers(100, 20_000))
@settings(max_examples=60, deadline=None)
def test_after_the_flush_the_length_is_right_to_two_samples_however_long_the_stream(rates, count):
    source, target = rates
    assert abs(len(stream(noise(count), source, target)) - count * target / source) < 2


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("hz", [100, 440, 3_000])
def test_a_sine_keeps_its_frequency_level_and_place_in_time(rates, hz):
    source, target = rates
    out = stream(sine(hz, source), source, target)
    edge = target // 50  # the filter rings where the sine begins and ends
    at = np.arange(edge, len(out) - edge)
    carrier = np.exp(2j * np.pi * hz * at / target)
    phasor = np.linalg.lstsq(
        np.stack([carrier.real, carrier.imag], axis=1), out[at].astype(float), rcond=None
    )[0]
    level, late_s = np.hypot(*phasor), -np.arctan2(phasor[0], phasor[1]) / (2 * np.pi * hz)
    rest = out[at] - phasor @ [carrier.real, carrier.imag]
    assert level == pytest.approx(0.5, rel=2e-3)
    assert abs(late_s) < 0.2e-3
    assert np.abs(rest).max() < 1e-3


@pytest.mark.parametrize("hz", [10_000, 15_000, 20_000])
def test_what_the_new_rate_cannot_hold_is_removed_and_not_folded_back(hz):
    out = stream(sine(hz, 48_000), 48_000, 16_000)
    assert np.abs(out[400:-400]).max() < 1e-3


def test_sound_comes_out_while_it_goes_in():
    resampler = StreamResampler(48_000, 16_000)
    out = sum(len(resampler.push(noise(480))) for _ in range(50))
    held_back = 50 * 160 - out
    assert 0 <= held_back <= 0.05 * 16_000


def test_telephone_sound_is_doubled_as_whole_clips_are_and_soon():
    narrow = resample(noise(32_000), 16_000, 8_000)
    whole = resample(narrow, 8_000, 16_000)
    middle = slice(400, -400)
    out = stream(narrow, 8_000, 16_000, cuts=range(160, len(narrow), 160))
    assert len(out) == len(whole)
    # Noise up to the last hertz, of half the full scale: soxr's stream differs by ten times that.
    assert np.abs(out - whole)[middle].max() < 6e-3
    resampler = StreamResampler(8_000, 16_000)
    held_back = 2 * 8_000 - len(resampler.push(noise(8_000)))
    assert 0 <= held_back <= 0.014 * 16_000


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), max_size=10))
def test_at_the_same_rate_sound_passes_unchanged_and_at_once(sizes):
    resampler = StreamResampler(16_000, 16_000)
    for size in sizes:
        block = noise(size)
        assert np.array_equal(resampler.push(block), block)
    assert len(resampler.flush()) == 0


def test_samples_are_float32_whatever_the_layout_of_the_block():
    stereo = np.stack([noise(4_800), noise(4_800)], axis=1)
    out = stream(stereo[:, 1], 48_000, 16_000)
    assert out.dtype == np.float32
    assert np.array_equal(out, stream(noise(4_800), 48_000, 16_000))


def test_a_whole_clip_and_a_stream_sound_the_same():
    sound = sine(440, 44_100)
    whole, streamed = resample(sound, 44_100, 16_000), stream(sound, 44_100, 16_000)
    middle = slice(320, -320)
    assert abs(len(whole) - len(streamed)) <= 2
    assert np.corrcoef(whole[middle], streamed[: len(whole)][middle])[0, 1] > 0.95
    assert np.std(streamed[middle]) == pytest.approx(np.std(whole[middle]), rel=5e-3)


def test_a_whole_clip_at_the_same_rate_is_unchanged():
    assert np.array_equal(resample(noise(100), 16_000, 16_000), noise(100))
