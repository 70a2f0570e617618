"""Features beside an independent implementation, and on sound whose periods are known."""

import numpy as np
import pytest
from data_command import data
from synthetic_speech import utterance

from livemood.datasets.acoustics import frames, functionals, pitch
from livemood.errors import LivemoodError
from livemood.speech.pitch import f0

RATE = frames.RATE


def pulses(hz, jitter, shimmer, seed=0):
    """Two seconds of decaying pulses; and their jitter and shimmer, computed from the pulses."""
    rng = np.random.default_rng(seed)
    sound, at, times, heights = np.zeros(2 * RATE + 400), 100.0, [], []
    while at < 2 * RATE - 200:
        height = 1 + shimmer * rng.standard_normal()
        k = np.arange(int(at) - 40, int(at) + 200)
        x = np.maximum(k - at, -5)
        sound[k] += height * np.exp(-x / 30) * np.sin(2 * np.pi * 700 * (x + 5) / RATE)
        times.append(at)
        heights.append(height)
        at += RATE / hz * (1 + jitter * rng.standard_normal())
    lasting = np.diff(times)
    steps = np.mean(np.abs(np.diff(lasting))) / lasting.mean()
    return 0.2 * sound, steps, np.mean(np.abs(np.diff(heights))) / np.mean(heights)


@pytest.mark.parametrize("hz", [80, 100, 150, 210, 320])
def test_f0_of_pulses(hz):
    found = f0(pulses(hz, 0, 0)[0])
    assert np.nanmedian(found) == pytest.approx(hz, rel=0.005)
    assert np.isfinite(found).mean() > 0.9


def test_noise_and_silence_have_no_pitch():
    noise = np.random.default_rng(1).standard_normal(RATE)
    assert np.isfinite(f0(0.1 * noise)).mean() < 0.1
    assert not np.isfinite(f0(np.zeros(RATE))).any()


@pytest.mark.parametrize(("jitter", "shimmer"), [(0.0, 0.0), (0.005, 0.02), (0.01, 0.05)])
def test_jitter_and_shimmer_of_pulses(jitter, shimmer):
    sound, steps, changes = pulses(100, jitter, shimmer)
    found = pitch.periods(sound, f0(sound))
    assert found.number > 150
    assert found.jitter == pytest.approx(steps, abs=0.002)
    assert found.shimmer == pytest.approx(changes, abs=0.02)


@pytest.mark.slow
def test_mfcc_and_zero_crossings_are_those_of_librosa():
    librosa = pytest.importorskip("librosa", reason="needs librosa")
    sound = utterance(np.random.default_rng(2), 150).astype(np.float32)
    mel = frames.log_mel(sound)
    ours = frames.mfcc(mel)
    assert ours == pytest.approx(librosa.feature.mfcc(S=mel.T, n_mfcc=13).T, abs=1e-4)
    crossings = librosa.zero_crossings(frames.framed(sound), axis=1, threshold=0, pad=False)
    assert frames.zero_crossings(sound) == pytest.approx(crossings.sum(axis=1) / 399, abs=1e-9)


def test_rhythm_counts_syllables_and_pauses():
    rng = np.random.default_rng(3)
    time = np.arange(RATE) / RATE
    syllables = 0.2 * np.sin(2 * np.pi * 150 * time) * np.abs(np.sin(2 * np.pi * 2 * time)) ** 2
    gap = np.zeros(RATE // 2)
    sound = np.concatenate([gap, syllables, gap, syllables, gap]) + 1e-5 * rng.standard_normal(
        2 * RATE + 3 * (RATE // 2)
    )
    found = functionals.rhythm(sound.astype(np.float32))
    assert found["syllables_per_s"] == pytest.approx(8 / 2.5, rel=0.15)
    assert found["pauses_per_s"] == pytest.approx(1 / 2.5, rel=0.15)
    assert found["lead_s"] == pytest.approx(0.5, abs=0.06)
    shares = frames.energy_distribution(frames.power_spectrum(syllables))
    assert shares[20, 0] > 0.95  # 150 Hz lies in the lowest band


@pytest.mark.corpora
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_features_of_a_corpus(ending, corpora, tmp_path):
    import pandas as pd

    table = corpora / "emovo" / "metadata.csv"
    few = tmp_path / "few.csv"
    lines = table.read_text("utf-8").splitlines()
    few.write_text(
        "\n".join([lines[0], *lines[1::120]]).replace("audio/", f"{table.parent}/audio/")
    )
    data("features", few, "--out", tmp_path / f"f.{ending}")
    frame = (
        pd.read_csv(tmp_path / "f.csv")
        if ending == "csv"
        else pd.read_parquet(tmp_path / "f.parquet")
    )
    assert len(frame) == 5
    assert frame["f0_hz_mean"].between(80, 400).all()
    assert frame["jitter"].between(0.001, 0.1).all()
    assert frame["syllables_per_s"].between(1, 9).all()
    assert {"speaker", "label", "gender", "mfcc_0_mean", "log_mel_39_sd"} <= set(frame)
    data("features", few, "--frames", "--groups", "f0,energy", "--out", tmp_path / f"f.{ending}")
    frame = (
        pd.read_csv(tmp_path / "f.csv")
        if ending == "csv"
        else pd.read_parquet(tmp_path / "f.parquet")
    )
    assert frame.groupby("path")["time_s"].max().gt(1).all()
    assert {"f0_hz", "energy_db"} <= set(frame)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "f.xlsx"], r"written as \.csv or \.parquet"),
        (["--out", "f.csv", "--groups", "pitch"], "no group of features is called 'pitch'"),
        (["--out", "f.csv", "--groups", "rhythm", "--frames"], "choose other groups"),
    ],
)
def test_wrong_options_are_answered_in_one_line(arguments, said, sounds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.csv").write_text(f"path,speaker,label\n{sounds}/one.wav,ann,sad\n")
    with pytest.raises(LivemoodError, match=said) as caught:
        data("features", tmp_path / "m.csv", *arguments)
    assert "\n" not in str(caught.value)
