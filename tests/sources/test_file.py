"""Sound files as sources."""

import struct

import numpy as np
import pytest
import soundfile as sf

from livemood.errors import FileError, SourceError
from livemood.sources import FileSource
from livemood.sources.container import RawFormat


def joined(source):
    blocks = list(source.blocks())
    starts = [block.start for block in blocks]
    assert starts == [0, *np.cumsum([len(b.samples) for b in blocks])[:-1]]
    return np.concatenate([block.samples for block in blocks])


@pytest.mark.parametrize(
    ("form", "subtype", "rate"),
    [
        ("wav", "PCM_16", 8000),
        ("wav", "FLOAT", 44100),
        ("flac", "PCM_24", 96000),
        ("mp3", None, 44100),
        ("ogg", "VORBIS", 22050),
        ("opus", "OPUS", 48000),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_formats_rates_and_channels(tmp_path, form, subtype, rate, channels):
    sound = 0.1 * np.random.default_rng(0).standard_normal((2 * rate, channels))
    path = tmp_path / f"x.{form}"
    sf.write(path, sound, rate, format="OGG" if form == "opus" else None, subtype=subtype)
    source = FileSource(path)
    assert (source.sample_rate, source.channels, source.live) == (rate, channels, False)
    heard = joined(source)
    assert heard.shape == (sf.info(path).frames, channels)
    assert heard.dtype == np.float32


@pytest.mark.slow
def test_capture_times_follow_the_clock_of_the_sound(demo_file):
    source = FileSource(demo_file, speed=20.0)
    blocks = list(source.blocks())
    elapsed = blocks[-1].captured_at - blocks[0].captured_at
    assert elapsed == pytest.approx((blocks[-1].end - blocks[0].end) / 48000 / 20, abs=1e-6)


def test_stopping_ends_the_sound(demo_file):
    source = FileSource(demo_file, speed=1.0)
    heard = 0
    for block in source.blocks():
        heard += len(block.samples)
        source.stop()
    assert 0 < heard < 48000


@pytest.mark.parametrize(
    "keep", [0.5, *(pytest.param(k, marks=pytest.mark.slow) for k in (0.1, 0.9))]
)
def test_a_truncated_file_is_read_as_far_as_it_goes(demo_file, tmp_path, keep):
    sound, rate = sf.read(demo_file, dtype="float32")
    sf.write(tmp_path / "whole.flac", sound, rate)
    data = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(data[: round(keep * len(data))])
    heard = []
    source = FileSource(tmp_path / "cut.flac")
    with pytest.raises(SourceError, match=r"cut\.flac is (damaged|truncated)") as error:
        heard.extend(block for block in _noted(source.blocks(), heard))
    assert "\n" not in str(error.value)
    assert "kept" in str(error.value)
    assert sum(len(block.samples) for block in heard) > 0.5 * keep * len(sound)


def _noted(blocks, heard):
    """Takes each block into `heard` as it comes, so that an error loses none."""
    for block in blocks:
        heard.append(block)
        yield from ()


def test_a_name_that_is_not_utf_8_is_one_clear_line(demo_file, tmp_path):
    import os

    path = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.opus")
    with open(path, "wb") as file:  # noqa: PTH123 - pathlib adds nothing here
        file.write(demo_file.read_bytes())
    with pytest.raises(SourceError, match="UTF-8"):
        FileSource(path)


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("quiet_s", [0, 3])
def test_floats_of_integer_scale_are_refused_in_one_line(tmp_path, subtype, quiet_s):
    noise = np.random.default_rng(0).normal(0, 3000, 16000)
    sound = np.concatenate((np.zeros(quiet_s * 16000), noise))
    path = tmp_path / "big.wav"
    sf.write(path, sound, 16000, subtype=subtype)
    with pytest.raises(
        FileError, match=r"big\.wav cannot be read: the sound's values reach"
    ) as said:
        joined(FileSource(path))
    assert "\n" not in str(said.value)
    assert "full scale" in str(said.value)


def test_values_too_large_for_a_float_are_of_a_wrong_scale_and_not_lost(tmp_path):
    path = tmp_path / "huge.wav"
    sf.write(path, np.random.default_rng(0).normal(0, 1e300, 16000), 16000, subtype="DOUBLE")
    with pytest.raises(FileError, match="values reach"):
        joined(FileSource(path))


@pytest.mark.parametrize("rate", [1, 999, 768_001])
def test_a_rate_that_no_sound_has_is_not_believed(tmp_path, rate):
    path = tmp_path / "odd.wav"
    sf.write(path, np.zeros(16000, np.float32), 16000, subtype="PCM_16")
    whole = bytearray(path.read_bytes())
    at = whole.index(b"fmt ") + 12
    whole[at : at + 8] = struct.pack("<II", rate, 2 * rate)
    path.write_bytes(whole)
    with pytest.raises(FileError, match=rf"odd\.wav says that it has {rate} samples a second"):
        FileSource(path)


def test_raw_floats_of_integer_scale_are_refused(tmp_path):
    path = tmp_path / "big.raw"
    np.arange(-5000, 5000, dtype="<f4").tofile(path)
    with pytest.raises(FileError, match="full scale"):
        joined(FileSource(path, raw=RawFormat(16000, "f32le")))


def test_overdriven_floats_are_read(tmp_path):
    path = tmp_path / "loud.wav"
    sound = np.random.default_rng(0).normal(0, 2, 16000).astype(np.float32)
    sf.write(path, sound, 16000, subtype="FLOAT")
    assert np.array_equal(joined(FileSource(path))[:, 0], sound)
