"""What is read of a file of each kind: as of the WAV that it was made of."""

import shutil

import numpy as np
import pytest
import soundfile as sf
from containers import KINDS, make

from livemood.engine import analyze_file

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg")

LOSSLESS = {
    *("wav", "24.wav", "float.wav", "w64", "aiff", "au", "caf", "flac", "alac.m4a", "mov", "wv"),
}
LOSSY = ("mp3", "no-xing.mp3", "ogg", "opus", "m4a", "aac", "mka", "webm", "wma")
TWENTY = [*sorted(LOSSLESS), *LOSSY]


@pytest.fixture(scope="module")
def wav(demo_file, tmp_path_factory):
    sound, rate = sf.read(demo_file, dtype="float32", frames=20 * 48000)
    path = tmp_path_factory.mktemp("readings") / "x.wav"
    sf.write(path, sound[:: rate // 16000, 1], 16000)
    return path


@pytest.fixture(scope="module")
def expected(wav, small_model):
    return readings(wav, small_model)


def readings(path, model):
    """Probabilities by the end of their window, in quarters of a second."""
    timeline, failure = analyze_file(path, model)
    assert failure is None
    return {e.end_ms // 250: list(e.probabilities.values()) for e in timeline.emotions(0)}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.slow) for kind in TWENTY[1:]] + [TWENTY[0]]
)
def test_a_file_of_any_kind_is_read_as_its_wav(wav, expected, small_model, kind):
    found = readings(make(wav, wav.with_name(f"y.{kind}"), KINDS[kind]), small_model)
    common = sorted(found.keys() & expected.keys())
    # Codec noise in what was digital silence opens the gate now and then.
    assert len(common) >= 0.85 * max(len(found), len(expected))
    apart = [np.abs(np.subtract(found[n], expected[n])).max() for n in common]
    if kind in LOSSLESS:
        assert max(apart) <= 0.0002  # they are rounded
    else:
        assert np.mean(apart) < 0.12
