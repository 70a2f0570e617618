"""The level meter of the terminal."""

import io

import numpy as np
import pytest
from rich.console import Console

from livemood.audio import AudioBlock
from livemood.cli.live.level_meter import SILENT_DB, LevelMeter, Metered
from livemood.cli.live.listen import DEMO
from livemood.cli.terminal.state import ViewState
from livemood.sources import FileSource
from livemood.timeline import parse_event

RATE = 16000


def tone(level_db, seconds=0.02, channels=1):
    """A tone whose root mean square has this level."""
    wave = np.sin(2 * np.pi * 500 * np.arange(round(RATE * seconds)) / RATE)
    sound = wave * np.sqrt(2) * 10 ** (level_db / 20)
    return np.repeat(sound[:, None], channels, axis=1).astype(np.float32)


def test_it_rises_at_once_and_falls_slowly():
    meter = LevelMeter(RATE, 2)
    meter.push(AudioBlock(0, np.hstack([tone(-20), tone(-50)]), 0.0))
    assert meter.levels_db == pytest.approx([-20, -50], abs=0.2)
    meter.push(AudioBlock(320, tone(-80, channels=2), 0.0))
    assert meter.levels_db == pytest.approx([-20.48, -50.48], abs=0.2)
    meter.push(AudioBlock(640, tone(-10), 0.0, channel=1))
    assert meter.levels_db == pytest.approx([-20.48, -10], abs=0.2)
    meter.push(AudioBlock(9000, np.zeros((0, 2), np.float32), 0.0))
    assert meter.levels_db == [SILENT_DB, SILENT_DB]


def test_sound_that_is_measured_is_the_same_sound():
    plain, metered = list(FileSource(DEMO).blocks()), Metered(FileSource(DEMO))
    heard = list(metered.blocks())
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(plain, heard, strict=True))
    assert metered.duration_s == pytest.approx(FileSource(DEMO).duration_s)
    assert max(metered.meter.levels_db) > SILENT_DB


STARTED = """{"session": "s", "seq": 1, "start_ms": 0, "end_ms": 0, "time": "2026-01-01T00:00:00Z",
"type": "session.started", "source": "mic", "channels": 1, "model": {"name": "m", "version": "1",
"labels": ["neutral", "angry"],
"precision": "int8", "provider": "cpu", "valence_arousal": "labels"},
"settings": {"window_ms": 3000, "hop_ms": 250, "budget_ms": 150,
"vad": "webrtc"}}"""


@pytest.mark.parametrize(
    ("level_db", "said", "cells"), [(-20, "-20 dB", 6), (-65, "-65 dB", 1), (-90, "no sound", 0)]
)
def test_the_view_shows_it(level_db, said, cells):
    state = ViewState(None)
    state.take(parse_event(STARTED))
    state.levels_db = [level_db]
    console = Console(file=io.StringIO(), width=80)
    console.print(state.render(80))
    text = console.file.getvalue()
    assert said in text
    assert text.count("▮") == cells
    assert text.count("▮") + text.count("▯") == 8
