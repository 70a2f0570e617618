"""What is said to be wrong with a channel's sound."""

from typing import get_args

import numpy as np
import pytest

from livemood.audio.level import FRAMES, HEIGHTS, PIECE_S, LevelPiece
from livemood.speech.level import (
    DEAD_AGAIN_S,
    DEAD_S,
    HOLD_S,
    LevelJudge,
    Problem,
)
from livemood.timeline.events import LevelProblem

NO_HEIGHTS = np.zeros((2, len(HEIGHTS)), np.uint32)


def piece(
    *, range_db=30.0, top_db=-20.0, clipped=0.0, cancelled=False, step=1 / 32768, heights=NO_HEIGHTS
):
    """Sound whose frames lie evenly in a range below its loudest."""
    powers = 10 ** (np.linspace(top_db, top_db - range_db, FRAMES) / 10)
    return LevelPiece(0, 0.5, clipped, False, cancelled, powers, step, heights)


SILENCE = LevelPiece(0, 0.0, 0.0, True, False, np.zeros(FRAMES), 0.0, NO_HEIGHTS)


def heard(pieces, speech=True):
    judge = LevelJudge()
    changes = []
    for n, each in enumerate(pieces):
        change = judge.push(each, speech=speech)
        if change:
            changes.append((n, change.problems))
    return changes


def test_the_wire_knows_the_same_problems():
    assert get_args(Problem) == get_args(LevelProblem)


def test_ordinary_speech_is_all_well():
    assert heard([piece()] * 100) == []


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (piece(range_db=4), "quiet"),
        (piece(top_db=-88), "quiet"),  # ten dB above the rounding of 16 bits
        (piece(clipped=0.1), "clipped"),
        (piece(cancelled=True), "cancelled"),
    ],
)
def test_what_is_wrong_is_said_after_a_second_of_speech_and_when_it_is_over(wrong, problem):
    first, then = heard([wrong] * 20 + [piece()] * 60)
    assert first == (1, (problem,))
    assert then[1] == ()
    assert 20 < then[0] <= 20 + 20  # quiet asks for the noise of ten seconds


def test_only_speech_is_judged():
    wrong = piece(range_db=3, clipped=0.2, cancelled=True)
    assert heard([wrong] * 40, speech=False) == []


def test_a_pause_takes_nothing_back():
    judge = LevelJudge()
    for _ in range(10):
        judge.push(piece(clipped=0.1), speech=True)
    assert judge.problems == ("clipped",)
    assert not any(judge.push(piece(), speech=False) for _ in range(100))
    assert judge.problems == ("clipped",)


def test_several_problems_are_said_together():
    changes = heard([piece(clipped=0.1, cancelled=True)] * 10)
    assert changes == [(1, ("clipped", "cancelled"))]


def test_a_dead_microphone_is_said_after_five_seconds_and_its_return_at_once():
    changes = heard([SILENCE] * 20 + [piece()], speech=False)
    assert changes == [(round(DEAD_S / PIECE_S) - 1, ("dead",)), (20, ())]


def test_after_sound_only_long_silence_is_dead():
    still = round(DEAD_AGAIN_S / PIECE_S)
    assert heard([piece()] * 4 + [SILENCE] * (still - 1)) == []
    assert heard([piece()] * 4 + [SILENCE] * still) == [(still + 3, ("dead",))]


def test_what_comes_and_goes_does_not_flap():
    rng = np.random.default_rng(0)
    pieces = [
        piece(clipped=rng.choice([0.0, 0.04]), range_db=rng.choice([5, 12])) for _ in range(2000)
    ]
    at = [n for n, _ in heard(pieces)]
    assert min(np.diff(at)) * PIECE_S >= HOLD_S
    # Near the threshold nothing changes: between one and the other nothing is said.
    assert heard([piece(clipped=c) for c in (0.03, 0.01) * 100]) == [(1, ("clipped",))]


def test_levels_are_in_decibels_of_full_scale():
    judge = LevelJudge()
    changes = [judge.push(piece(clipped=0.1, range_db=24), speech=True) for _ in range(2)]
    assert changes[-1].speech_db == pytest.approx(-21, abs=1.5)
    assert changes[-1].noise_db == pytest.approx(-41.6, abs=1.5)
    assert changes[-1].peak_db == pytest.approx(-6.0, abs=0.1)
    dead = [judge.push(SILENCE, speech=False) for _ in range(40)][-1]
    assert dead.problems == ("clipped", "dead")
    assert dead.noise_db is None
    assert dead.peak_db is None
