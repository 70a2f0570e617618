"""Tables in the forms in which programs save them, and names that only look different."""

import csv
import io
import os
import shutil
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("safetensors", reason="needs the extra train")

from livemood.errors import UsageError
from livemood.training.data.dataset import read_unlabelled
from livemood.training.data.manifest import read_manifest
from livemood.training.data.tables import table_rows

SIGNS = string.ascii_letters + string.digits + " äé日;,\t'\"-_.\u2028\x0b\x85"
CELLS = st.text(SIGNS, min_size=1, max_size=12).map(str.strip).filter(bool)
COLUMNS = ("path", "speaker", "label")


def saved(rows, delimiter):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8),
    delimiter=st.sampled_from([",", ";", "\t"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    order=st.permutations(COLUMNS),
)
@settings(deadline=None)
def test_any_form_of_a_table_gives_the_same_rows(
    tmp_path_factory, rows, delimiter, encoding, order
):
    table = tmp_path_factory.mktemp("tables") / "m.csv"
    table.write_bytes(saved([order, *rows], delimiter).encode(encoding))
    found = list(table_rows(table, COLUMNS))
    assert [tuple(cells[name] for name in order) for _, cells in found] == rows
    assert all(row.startswith(f"{table} row ") for row, _ in found)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_a_table_or_refused_in_one_line(tmp_path_factory, raw):
    table = tmp_path_factory.mktemp("bytes") / "m.csv"
    for content in (raw, b"path,speaker,label\n" + raw, b"\xff\xfe" + raw):
        table.write_bytes(content)
        refused = ""
        try:
            list(table_rows(table, COLUMNS))
        except UsageError as error:
            refused = str(error)
        assert "\n" not in refused
        assert not refused or str(table) in refused


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "is empty: its first row must name the columns"),
        ("path,speaker,label\n".encode("utf-16-le"), "UTF-16 without its mark: save it as CSV"),
        (b"path,speaker,label\n\xe4.wav,a,b\n", "is not UTF-8: save it as CSV in UTF-8"),
        (b"\xff\xfep", "is not UTF-16, as it says"),
        (b'path,speaker,label\n"a.wav,b,c\n', "row 2 is not CSV: look at its quotation marks"),
        (b"path|speaker|label\n", "row 1: no column path, speaker, label"),
    ],
)
def test_what_is_no_table_is_refused_in_our_words(tmp_path, raw, says):
    (tmp_path / "m.csv").write_bytes(raw)
    with pytest.raises(UsageError, match=says):
        read_manifest(tmp_path / "m.csv")


@pytest.fixture
def folder(tmp_path, clip):
    for name in ("a", "b"):
        shutil.copy(clip("03-01-03-01-01-01-01"), tmp_path / f"{name}.flac")
    return tmp_path


def manifest(folder, *rows):
    (folder / "m.csv").write_text(saved([COLUMNS, *rows], ","), "utf-8")
    return folder / "m.csv"


def test_semicolons_and_utf_16_are_read_as_a_manifest(folder):
    for text, encoding in (
        ("path;speaker;emotion\na.flac;s;happy\n", "utf-8"),
        ("path\tspeaker\temotion\na.flac\ts\thappy\n", "utf-16"),
    ):
        (folder / "m.csv").write_text(text, encoding)
        (clip,) = read_manifest(folder / "m.csv")
        assert (clip.speaker, clip.label, clip.path.name) == ("s", "happy", "a.flac")
        assert [c.path.name for c in unlabelled(folder)] == ["a.flac"]


def unlabelled(folder):
    """The same table as one of speech without labels."""
    shutil.copy(folder / "m.csv", folder / "metadata.csv")
    return read_unlabelled(folder)


@pytest.mark.parametrize("way", ["dots", "link", "hard link"])
def test_the_same_file_by_another_name_is_the_same_sound(folder, way):
    (folder / "sub").mkdir()
    other = {"dots": "sub/../a.flac", "link": "c.flac", "hard link": "c.flac"}[way]
    if way == "link":
        (folder / "c.flac").symlink_to(folder / "a.flac")
    elif way == "hard link":
        os.link(folder / "a.flac", folder / "c.flac")
    table = manifest(folder, ("a.flac", "s", "happy"), (other, "s", "happy"))
    with pytest.raises(UsageError, match="row 3: the same sound as 2"):
        read_manifest(table)
    apart = manifest(folder, ("a.flac", "s", "happy"), ("b.flac", "s", "happy"))
    assert len(read_manifest(apart)) == 2


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (r"audio\a.flac", r"is a path as Windows writes it: write audio/a\.flac"),
        (r"C:\corpus\a.flac", "is a path as Windows writes it: make it relative to the manifest"),
        ("C:/corpus/a.flac", "is a path as Windows writes it: make it relative to the manifest"),
        ("none.flac", "no file"),
    ],
)
def test_a_path_of_windows_is_named_as_one(folder, path, says):
    with pytest.raises(UsageError, match=f"row 2: .*{says}"):
        read_manifest(manifest(folder, (path, "s", "happy")))


@given(name=st.text(string.ascii_letters + "éß", min_size=1, max_size=8), kind=st.booleans())
@settings(deadline=None, max_examples=30)
def test_names_that_differ_only_in_case_are_said_in_one_line(tmp_path_factory, name, kind):
    import logging

    folder = tmp_path_factory.mktemp("case")
    for file in ("a", "b"):
        (folder / f"{file}.wav").write_bytes(file.encode())
    other = name.swapcase()
    pairs = ((name, "x"), (other, "x")) if kind else (("s", name), ("s", other))
    table = manifest(folder, *((f"{f}.wav", *p) for f, p in zip("ab", pairs, strict=True)))
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())
    logger = logging.getLogger("livemood.training.data.manifest")
    logger.addHandler(handler)
    try:
        clips = read_manifest(table)
    finally:
        logger.removeHandler(handler)
    assert len(clips) == 2
    what = "speakers" if kind else "labels"
    said = [line for line in seen if f"{what} that differ only in case count apart" in line]
    assert len(said) == (name != other)
    for line in said:
        assert "\n" not in line
        assert f"{name!r} (row 2), {other!r} (row 3)" in line


def test_a_label_map_that_misses_by_case_is_said(folder, caplog):
    read_manifest(manifest(folder, ("a.flac", "s", "calm")), {"Calm": "neutral"})
    assert "the label map has 'Calm', but the label is 'calm'" in caplog.text


def test_a_label_is_not_mapped_to_nothing(folder):
    with pytest.raises(UsageError, match="row 2: the label 'calm' is mapped to nothing"):
        read_manifest(manifest(folder, ("a.flac", "s", "calm")), {"calm": ""})
