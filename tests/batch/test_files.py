"""Which files are whose: manifests and shards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemood.batch import ArchiveFile, Shard, is_manifest, read_manifest
from livemood.errors import FileError, UsageError

names = st.lists(st.text(min_size=1, max_size=20), max_size=30)


@given(names, st.integers(1, 9))
def test_each_file_is_in_one_shard_whatever_others_there_are(found, count):
    files = [ArchiveFile(name, name) for name in found]
    shards = [Shard(number, count).of(files) for number in range(1, count + 1)]
    together = [file.name for shard in shards for file in shard]
    assert sorted(together) == sorted(set(found))
    for shard, file in ((s, f) for s, inside in enumerate(shards) for f in inside):
        assert Shard(shard + 1, count).of([file]) == [file]


def test_where_a_file_belongs_is_as_documented():
    # printf calls/a.wav | sha256sum begins with 57b2c4a278dbb617 (see the guide).
    file = ArchiveFile("calls/a.wav", "/elsewhere/calls/a.wav")
    assert [n for n in range(1, 17) if Shard(n, 16).has(file)] == [0x57B2C4A278DBB617 % 16 + 1]


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "1/0", "-1/4", "a/b", "", "1/4/2", "1.5/4"])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match="give I/N"):
        Shard.parse(text)


def test_a_shard_is_read():
    assert Shard.parse("3/16") == Shard(3, 16)


def test_a_table_names_files_relative_to_its_folder(tmp_path):
    table = tmp_path / "calls.csv"
    table.write_text("speaker,path\nA,one.wav\nB,in/two.wav\n", "utf-8-sig")
    assert read_manifest(table) == [
        ArchiveFile("one.wav", str(tmp_path / "one.wav")),
        ArchiveFile("in/two.wav", str(tmp_path / "in/two.wav")),
    ]


def test_a_list_has_one_path_a_line_and_absolute_ones_stay(tmp_path):
    lines = tmp_path / "calls.txt"
    lines.write_text("a, b.wav\n\n/sound/c.wav\r\n")
    assert read_manifest(lines) == [
        ArchiveFile("a, b.wav", str(tmp_path / "a, b.wav")),
        ArchiveFile("/sound/c.wav", "/sound/c.wav"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "file\na.wav\n", "no column 'path'"),
        ("a.csv", "path,speaker\n,A\n", "line 2: no path"),
        ("a.csv", "path\n", "names no file"),
        ("a.txt", "\n\n", "names no file"),
    ],
)
def test_a_manifest_that_names_nothing_is_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=said):
        read_manifest(tmp_path / name)


def test_a_manifest_that_cannot_be_read_is_said_to_be(tmp_path):
    with pytest.raises(FileError, match="cannot read"):
        read_manifest(tmp_path / "missing.csv")
    (tmp_path / "binary.csv").write_bytes(b"path\n\xff\xfe\x00")
    with pytest.raises(FileError, match="no table in UTF-8"):
        read_manifest(tmp_path / "binary.csv")


def test_manifests_are_known_by_their_ending():
    assert [is_manifest(name) for name in ("a.csv", "a.TSV", "list.txt", "a.wav", "csv")] == [
        True,
        True,
        True,
        False,
        False,
    ]
