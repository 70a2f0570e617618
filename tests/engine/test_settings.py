"""Settings are checked in one place, whichever door they come by."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import livemood
from livemood.engine import MonitorSettings


def limits(name, shortest_s, longest_s):
    return SimpleNamespace(
        name=name, shortest_s=shortest_s, longest_s=longest_s, hop_s=None, block_s=None
    )


DEFAULT = limits("default", 1.0, 3.0)


def window(**fields):
    return MonitorSettings.read({"window": fields})


def test_windows_beyond_what_the_model_reads_are_refused():
    # The model's steps would no longer fit, and the window would silently be read in part.
    with pytest.raises(livemood.UsageError, match=r"3\.5 s is too long.* 1 to 3 s"):
        window(length_s=3.5).for_model(DEFAULT)
    with pytest.raises(livemood.UsageError, match=r"0\.5 s is too short"):
        window(length_s=2.0, first_s=0.5).for_model(DEFAULT)


def test_lengths_that_were_not_set_follow_the_model():
    short = limits("quick", 0.4, 1.2)
    settings = MonitorSettings().for_model(short)
    assert (settings.window.length_s, settings.window.first_s) == (1.2, 0.4)
    settings = window(hop_s=0.1, length_s=0.8).for_model(short)
    assert (settings.window.length_s, settings.window.first_s) == (0.8, 0.4)
    assert settings.window.hop_s == 0.1
    assert MonitorSettings().for_model(DEFAULT) == MonitorSettings()


@given(
    length=st.floats(0.01, 30) | st.none(),
    first=st.floats(0.01, 30) | st.none(),
    shortest=st.floats(0.1, 5),
    more=st.floats(0, 25),
)
def test_whatever_is_let_through_can_be_read(length, first, shortest, more):
    model = limits("any", shortest, shortest + more)
    given = {"length_s": length, "first_s": first}
    try:
        settings = window(**{k: v for k, v in given.items() if v is not None}).for_model(model)
    except livemood.UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either may come
        return
    chosen = settings.window
    assert model.shortest_s <= chosen.first_s <= chosen.length_s <= model.longest_s
    assert length in (None, chosen.length_s)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": {"hop_s": 0}}, "--hop 0"),
        ({"window": {"hop_s": math.nan}}, "--hop 0"),
        ({"window": {"length_s": 31}}, "window.length_s 31"),
        ({"budget_s": -1}, "budget_s -1: it should be greater than 0"),
        ({"budget_s": math.inf}, "budget_s inf"),
        ({"smoother": {"enter": 0.2, "leave": 0.5}}, "smoother: leave must not exceed enter"),
        ({"gate": {"stop_s": "soon"}}, "gate.stop_s 'soon'"),
        ({"mood": 1}, "there is no setting mood"),
        ({"window": {"lenght_s": 2}}, "there is no setting window.lenght_s"),
    ],
)
def test_a_wrong_value_is_one_line_in_the_words_of_the_user(values, message):
    with pytest.raises(livemood.UsageError, match="^" + message.replace(".", r"\.")) as refused:
        MonitorSettings.read(values, {"window.hop_s": "--hop 0"})
    assert "\n" not in str(refused.value)


def test_every_python_door_refuses_a_window_that_is_too_long(demo_file):
    settings = window(length_s=3.5)
    for door in (
        lambda: livemood.listen(demo_file, settings=settings),
        lambda: livemood.analyze(demo_file, settings=settings),
        lambda: livemood.Session(rate=16000, settings=settings),
    ):
        with pytest.raises(livemood.UsageError, match="too long"):
            door()
