"""Manifests: read, checked against the model file, and refused with one clear line."""

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.errors import ModelError
from livemood.model import find_model
from livemood.model.manifest import MANIFEST, Manifest, read_manifest, write_manifest


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped model, to be damaged."""
    return shutil.copytree(find_model("default"), tmp_path / "model")


def content(folder):
    return json.loads((folder / MANIFEST).read_text("utf-8"))


def changed(folder, **fields):
    """Write the folder's manifest with other values for some fields."""
    (folder / MANIFEST).write_text(json.dumps(content(folder) | fields), "utf-8")


def refusal(folder):
    """The message with which the model in `folder` is refused."""
    with pytest.raises(ModelError) as caught:
        read_manifest(folder)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 400
    assert str(folder) in message
    return message


def test_the_shipped_model_matches_its_manifest(folder):
    manifest = read_manifest(folder)
    told = manifest.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert told == content(folder)
    assert manifest.schema_ == "livemood.model/1"
    assert sum(manifest.priors) == pytest.approx(1, abs=1e-3)
    assert len(manifest.priors) == len(manifest.labels)


def test_a_manifest_written_is_read_back_the_same(folder):
    manifest = read_manifest(folder)
    (folder / MANIFEST).unlink()
    write_manifest(manifest, folder)
    assert read_manifest(folder) == manifest


def test_a_folder_without_a_manifest_is_no_model(folder):
    (folder / MANIFEST).unlink()
    assert "no model at" in refusal(folder)


def test_a_folder_that_does_not_exist_is_no_model(tmp_path):
    assert "no model at" in refusal(tmp_path / "nowhere")


def test_a_manifest_without_its_model_file_says_which_file_is_missing(folder):
    (folder / "model.onnx").unlink()
    assert "has no model.onnx" in refusal(folder)


@pytest.mark.parametrize(
    "damaged", [b"", b"\xff\xfe\x00{}", b"[]", b"null", b"{}", b"not\njson\nat all"]
)
def test_what_is_no_manifest_is_refused_in_one_line(folder, damaged):
    (folder / MANIFEST).write_bytes(damaged)
    assert "is damaged" in refusal(folder)


def test_a_manifest_of_which_half_is_missing_is_refused_in_one_line(folder):
    path = folder / MANIFEST
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "is damaged" in refusal(folder)


def test_a_model_file_with_one_bit_changed_is_refused(folder):
    path = folder / "model.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    message = refusal(folder)
    assert "SHA-256" in message
    assert "model.onnx" in message


def test_a_manifest_that_names_another_checksum_is_refused(folder):
    changed(folder, sha256="0" * 64)
    assert "SHA-256" in refusal(folder)


@pytest.mark.parametrize("name", ["name", "sha256", "labels", "features", "priors", "temperature"])
def test_a_manifest_without_a_field_it_needs_says_which(folder, name):
    fields = content(folder)
    del fields[name]
    (folder / MANIFEST).write_text(json.dumps(fields), "utf-8")
    assert name in refusal(folder)


def with_label(labels, place, label):
    return [label if i == place else x for i, x in enumerate(labels)]


def test_labels_that_repeat_are_refused(folder):
    labels = content(folder)["labels"]
    changed(folder, labels=with_label(labels, 0, labels[1]))
    assert "labels must differ" in refusal(folder)


def test_uncertain_cannot_be_a_label(folder):
    changed(folder, labels=with_label(content(folder)["labels"], 0, "uncertain"))
    assert "uncertain" in refusal(folder)


def test_one_label_is_not_enough(folder):
    changed(folder, labels=["neutral"], priors=[1.0])
    assert "labels" in refusal(folder)


def priors_like(count, *first):
    """Priors that begin with `first` and sum to 1 with the rest even."""
    rest = (1 - sum(first)) / (count - len(first))
    return [*first, *[rest] * (count - len(first))]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda n: [1 / n] * (n - 1),
        lambda n: [1 / (n + 1)] * (n + 1),
        lambda n: [0.9 / n] * n,
        lambda n: [1.1 / n] * n,
        lambda n: priors_like(n, 1.5, -0.7),
        lambda n: priors_like(n, 0.0),
        lambda n: [float("nan")] * n,
        lambda n: [float("inf"), *[0.0] * (n - 1)],
    ],
)
def test_priors_must_be_a_share_above_zero_for_each_label_and_sum_to_one(folder, wrong):
    changed(folder, priors=wrong(len(content(folder)["labels"])))
    assert "priors" in refusal(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", "livemood.model/2"),
        ("sha256", "ABC"),
        ("precision", "float16"),
        ("temperature", 0),
        ("temperature", -1),
        ("parameters", 0),
        ("window", {"shortest_s": 0.01, "longest_s": 3.0}),
        ("window", {"shortest_s": 0, "longest_s": 3.0}),
        ("network", {"step_frames": 0, "context_frames": 22, "kept_frames": 12}),
        ("valence_arousal", "guessed"),
        ("file", "../model.onnx"),
        ("file", "model\0.onnx"),
        ("file", ""),
        ("colour", "blue"),
        ("two\nlines", "x"),
    ],
)
def test_a_field_with_a_wrong_value_is_refused(folder, field, value):
    changed(folder, **{field: value})
    assert "is damaged" in refusal(folder)


def test_a_window_whose_shortest_is_longer_than_its_longest_is_refused(folder):
    changed(folder, window={"shortest_s": 3.0, "longest_s": 1.0})
    refusal(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(sorted(Manifest.model_fields)), JSON)
@settings(max_examples=150, deadline=None)
def test_whatever_stands_in_a_field_the_manifest_is_read_or_refused_in_one_line(
    tmp_path_factory, field, value
):
    shipped = find_model("default")
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.onnx").symlink_to(shipped / "model.onnx")
    name = "schema" if field == "schema_" else field
    (folder / MANIFEST).write_text(json.dumps(content(shipped) | {name: value}), "utf-8")
    message = ""
    try:
        read_manifest(folder)
    except ModelError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1


@pytest.mark.parametrize(
    "change",
    [
        {"features": {"mels": 32}},
        {"features": {"sample_rate": 22050}},
        {"temperature": 1e-300},
        {"priors": [1e-320] * 6 + [1.0]},
        {"labels": ["a", "b", "c"], "priors": [0.4, 0.3, 0.3]},
    ],
)
def test_a_manifest_that_does_not_fit_its_network_does_not_load(tmp_path, change):
    from livemood.model import load_model

    shipped = find_model("default")
    (tmp_path / "model.onnx").symlink_to(shipped / "model.onnx")
    told = content(shipped)
    for key, value in change.items():
        told[key] = told[key] | value if isinstance(value, dict) else value
    (tmp_path / MANIFEST).write_text(json.dumps(told), "utf-8")
    with pytest.raises(ModelError, match="damaged") as error:
        load_model(tmp_path, "cpu")
    assert "\n" not in str(error.value)


def test_a_model_of_an_earlier_version_is_told_from_a_damaged_one(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["network"]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert "earlier livemood" in refusal(folder)


@pytest.mark.parametrize("kept", [-1, 14, 100])
def test_more_cannot_be_kept_than_two_steps_share(folder, kept):
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["network"]["kept_frames"] = kept
    (folder / MANIFEST).write_text(json.dumps(manifest))
    assert "kept_frames" in refusal(folder)
