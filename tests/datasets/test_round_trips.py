"""What a format is given comes back from it: every stretch, label, speaker and further column."""

import logging
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livemood.datasets.convert import FORMATS, read_dataset, write_dataset
from livemood.datasets.formats.options import Reading
from livemood.datasets.item import Item, duration_of
from livemood.datasets.manifest import read_items, write_manifest

FILES = ("one.wav", "two.flac", "sub dir/one.wav", "sub dir/three.flac")
ROUND = [name for name in FORMATS if FORMATS[name].write is not None]

text = st.text(
    st.characters(exclude_categories=["C", "Zl", "Zp"], exclude_characters="\x7f"), max_size=12
).map(str.strip)
names = text.filter(bool)
labels = st.text("abcdefghijklmnopqrstuvwxyzäöü-_ ", min_size=1, max_size=8).map(str.strip)
labels = labels.filter(lambda label: label.strip("-"))


@st.composite
def items(draw, sounds):
    """Items of the four recordings: whole ones, and stretches that may lie over each other."""
    found = {}
    for _ in range(draw(st.integers(1, 6))):
        path = sounds / draw(st.sampled_from(FILES))
        last_ms = int(duration_of(path) * 1000)
        start, end = 0, None
        if draw(st.booleans()):
            start = draw(st.integers(0, last_ms - 100))
            start = 0 if start < 5 else start
            end = draw(st.integers(start + 50, last_ms))
            end = None if end > last_ms - 5 else end
        columns = {"channel": "1"} if draw(st.booleans()) else {}
        for name, value in (("text", text), ("gender", names), ("fold", st.sampled_from("12"))):
            if draw(st.booleans()) and (cell := draw(value)):
                columns[name] = cell
        item = Item(path, draw(names), draw(labels), start / 1000, end and end / 1000, columns)
        found[path, columns.get("channel"), start, end] = item
    return list(found.values())


def comparable(found):
    """Items as a set of plain values; paths as they really are."""
    out = []
    for item in found:
        columns = dict(item.columns)
        start, end = item.start, item.end
        sound = item.path.resolve()
        out.append((sound, start, end, item.speaker, item.label, tuple(sorted(columns.items()))))
    return sorted(out, key=repr)


@pytest.mark.parametrize("form", ROUND)
def test_nothing_is_lost_on_the_way_through_a_format(form, sounds, tmp_path, caplog):
    place = tmp_path / ("out" if FORMATS[form].place == "folder" else "out.file")

    @settings(
        max_examples=12 if form in ("folders", "audformat") else 40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(items(sounds))
    def check(given):
        if form == "audformat":  # one label a stretch, whatever the channel
            given = list({(i.path, i.start, i.end): i for i in given}.values())
        shutil.rmtree(place, ignore_errors=True)
        place.unlink(missing_ok=True)
        write_dataset(given, place, form)
        back = read_dataset(place, form, Reading())
        if form == "folders":  # stretches and channels are files of their own there
            assert sorted((i.speaker, i.label, *others(i)) for i in back) == sorted(
                (i.speaker, i.label, *others(i)) for i in given
            )
            assert sorted(lasting(i) for i in back) == pytest.approx(
                sorted(lasting(i) for i in given), abs=0.001
            )
        else:
            assert comparable(back) == comparable(given)

    with caplog.at_level(logging.WARNING):
        check()
    assert not [r for r in caplog.records if "not used" in r.message]


def others(item):
    """Its columns without the channel."""
    return sorted(pair for pair in item.columns.items() if pair[0] != "channel")


def lasting(item):
    start, end = item.span(duration_of(item.path))
    return end - start


def test_a_manifest_keeps_columns_that_training_does_not_use(sounds, tmp_path):
    @settings(
        max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(items(sounds))
    def check(given):
        write_manifest(given, tmp_path / "m.csv")
        assert comparable(read_items(tmp_path / "m.csv")) == comparable(given)

    check()
