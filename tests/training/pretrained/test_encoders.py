"""Source models: they load whole, give what they say, and know more than at random."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("safetensors", reason="needs the extra train")

from torchaudio.models import wav2vec2_model, wavlm_model  # noqa: E402

from livemood.cli.main import app as run  # noqa: E402
from livemood.errors import ModelError, UsageError  # noqa: E402
from livemood.model import load_model  # noqa: E402
from livemood.model.features import FeatureSettings  # noqa: E402
from livemood.training.data.cache import FeatureCache  # noqa: E402
from livemood.training.data.dataset import read_unlabelled  # noqa: E402
from livemood.training.data.folds import make_folds  # noqa: E402
from livemood.training.data.manifest import read_manifest  # noqa: E402
from livemood.training.data.predictions import read_soft_labels  # noqa: E402
from livemood.training.network.dcrnn import DcRnn  # noqa: E402
from livemood.training.network.encoder import ConvolutionalEncoder  # noqa: E402
from livemood.training.network.initial_weights import load_initial_weights  # noqa: E402
from livemood.training.pretrained.audio import ByolS  # noqa: E402
from livemood.training.pretrained.finetuned import FinetunedEncoder  # noqa: E402
from livemood.training.pretrained.livemood import LivemoodEncoder  # noqa: E402
from livemood.training.pretrained.probe import embeddings, probe, rank, recommended  # noqa: E402
from livemood.training.pretrained.registry import TENSORS, encoder_names, open_encoder  # noqa: E402
from livemood.training.pretrained.speech import SpeechTransformer  # noqa: E402
from livemood.training.pretrained.vision import NODES  # noqa: E402
from livemood.training.recipe.sections import NetworkSection  # noqa: E402

MODELS = Path(__file__).parents[3] / "models"


@pytest.fixture(scope="module")
def weights(corpora):
    """The folder of source models beside the corpora, or a skip with the reason."""
    folder = Path(os.environ.get("LIVEMOOD_SOURCES", corpora.parent / "source-models"))
    if not (folder / "byol-s-d512.safetensors").is_file():
        pytest.skip(f"no pretrained encoders at {folder}: set LIVEMOOD_SOURCES to their folder")
    return folder


@pytest.fixture(scope="module")
def clips(corpora):
    found = read_manifest(corpora / "ravdess" / "metadata.csv")
    return [c for c in found if int(c.speaker[-2:]) <= 8][::6]


def check(source, seconds=2.0):
    """Layers are as wide as they are said to be, and as many frames come as are said to come."""
    samples = round(seconds * source.sample_rate)
    found = source(torch.randn(2, samples) * 0.1)
    assert [layer.shape[2] for layer in found] == list(source.layers)
    assert all(layer.shape[0] == 2 and layer.isfinite().all() for layer in found)
    assert abs(found[-1].shape[1] - seconds * source.frames_per_second) <= 2
    assert source.embed(torch.randn(2, samples)).shape == (2, 2 * sum(source.layers))
    assert source.embedding == source.layers[-1]
    # FinetunedEncoder, the layers above the maps learn, and no others.
    maps, lower = source.stem(torch.randn(2, samples) * 0.1)
    count = len(source.trainable(maps.detach()))
    assert len(lower) + count == len(source.layers)
    tuned = FinetunedEncoder(source, 3, 0.1).train()
    tuned(maps.detach()).square().sum().backward()
    learnt = [name for name, p in source.named_parameters() if p.grad is not None]
    assert learnt
    alone = source.stem(torch.randn(2, samples) * 0.1)[0].sum()
    if alone.requires_grad:
        source.zero_grad()
        alone.backward()
        assert not {n for n, p in source.named_parameters() if p.grad is not None} & set(learnt)
    source.eval().requires_grad_(False)


@pytest.mark.parametrize(
    "name",
    [
        name if name.startswith("byol") else pytest.param(name, marks=pytest.mark.slow)
        for name in TENSORS
    ],
)
@pytest.mark.slow
def test_weights_load_whole_and_are_worth_something(name, weights, clips):
    source = open_encoder(name, weights)  # strictly: no tensor missing, none left over
    check(source)
    folds = make_folds("group:2", clips)
    score = np.mean(probe(embeddings(source, clips), clips, folds))
    assert score > 1.5 * 100 / 8
    if name == "efficientat-mn04":  # from so few clips random weights of the others do as well
        at_random = open_encoder(name, None, weights=False)
        assert score > np.mean(probe(embeddings(at_random, clips), clips, folds)) + 4


def test_efficientat_hears_speech_in_speech(weights, corpora):
    """Its tags are AudioSet's: of 527 the first is Speech."""
    import soundfile as sf

    from livemood.audio.resample import resample

    sound, rate = sf.read(
        corpora / "ravdess" / "audio" / "03-01-02-01-01-01-01.flac", dtype="float32"
    )
    other = torch.from_numpy(resample(sound, rate, 32000))[None]
    with torch.no_grad():
        tags = open_encoder("efficientat-mn04", weights).tags(other)[0]
    assert int(tags.argmax()) == 0


@pytest.mark.parametrize("make", [wav2vec2_model, wavlm_model])
def test_transformers_for_speech(make):
    """A small one of the class that torchaudio's pipelines give, with random weights."""
    small = {
        "extractor_mode": "group_norm",
        "extractor_conv_layer_config": [(16, 10, 5), *[(16, 3, 2)] * 4, *[(16, 2, 2)] * 2],
        "extractor_conv_bias": False,
        "encoder_embed_dim": 32,
        "encoder_projection_dropout": 0.0,
        "encoder_pos_conv_kernel": 16,
        "encoder_pos_conv_groups": 4,
        "encoder_num_layers": 2,
        "encoder_num_heads": 4,
        "encoder_attention_dropout": 0.0,
        "encoder_ff_interm_features": 32,
        "encoder_ff_interm_dropout": 0.0,
        "encoder_dropout": 0.0,
        "encoder_layer_norm_first": False,
        "encoder_layer_drop": 0.0,
        "aux_num_out": None,
    }
    if make is wavlm_model:
        small |= {"encoder_num_buckets": 32, "encoder_max_distance": 80}
    source = SpeechTransformer(make(**small).eval())
    assert source.layers == (32, 32)
    check(source)


@pytest.mark.parametrize(
    "name", [n if n == "resnet18" else pytest.param(n, marks=pytest.mark.slow) for n in NODES]
)
def test_networks_for_pictures_take_spectrograms(name):
    source = open_encoder(name, None, weights=False)
    found = source(torch.randn(1, 16000) * 0.1)
    assert [layer.shape[2] for layer in found] == list(source.layers)
    assert all(layer.isfinite().all() for layer in found)


def test_the_shipped_model_is_a_source_and_says_what_it_says(corpora):
    source = open_encoder("small", MODELS)
    check(source)
    model = load_model("small", "cpu")
    sound = np.random.default_rng(1).normal(0, 0.05, 32000).astype(np.float32)
    features = torch.from_numpy(model.front_end(sound))[None]
    with torch.no_grad():
        logits = source.network(features)[0].numpy() / model.manifest.temperature
    expected = np.exp(logits) / np.exp(logits).sum()
    # int8 rounds activations, which the source keeps as floats.
    assert np.abs(model.classify([features[0].numpy()])[0] - expected).max() < 0.1
    at_random = LivemoodEncoder(MODELS / "small", weights=False)
    assert not torch.equal(
        at_random.network.encoder.convolutions[0].weight,
        source.network.encoder.convolutions[0].weight,
    )


@pytest.mark.slow
def test_ranking_measures_what_is_there_and_says_why_the_rest_is_not(weights, clips):
    found = rank(["byol-s-d512", "efficientat-mn04"], clips, make_folds("group:2", clips), None)
    assert [r["encoder"] for r in found["encoders"]] == ["byol-s-d512", "efficientat-mn04"]
    assert all("no pretrained encoder" in r["unavailable"] for r in found["encoders"])
    assert found["recommended"] is None
    with pytest.raises(UsageError, match="no pretrained encoder is called 'nope'"):
        rank(["nope"], clips, make_folds("group:2", clips), None)
    few = clips[::2]
    found = rank(["efficientat-mn04"], few, make_folds("group:2", few), weights)
    (row,) = found["encoders"]
    assert row["gain"] == pytest.approx(row["uar"] - row["uar_random"], abs=0.02)
    assert row["milliseconds"] > 0
    assert found["recommended"] in (None, "efficientat-mn04")


@pytest.mark.slow
def test_a_source_teaches_by_what_a_probe_says_of_speakers_it_never_heard(
    weights, clips, tmp_path, capsys
):
    table = tmp_path / "few.csv"
    with table.open("w", newline="") as out:
        csv.writer(out).writerows(
            [["path", "speaker", "label"], *([c.path, c.speaker, c.label] for c in clips)]
        )
    arguments = ["--manifest", table, "--encoders", weights, "--folds", "group:2"]
    arguments += ["--encoder", "efficientat-mn04", "--leave-out", "ravdess-01"]
    said = tmp_path / "said.csv"
    with pytest.raises(SystemExit) as end:
        run(["encoders", "soft-labels", *map(str, arguments), "--out", str(said)])
    assert end.value.code == 0
    assert f"{said}, UAR " in capsys.readouterr().out
    labels = sorted({clip.label for clip in clips})
    soft = read_soft_labels(said, clips, labels)
    known = np.array([clip.speaker != "ravdess-01" for clip in clips])
    assert np.allclose(soft[known].sum(axis=1), 1, atol=1e-3)
    assert not soft[~known].any()
    truth = np.array([labels.index(clip.label) for clip in clips])
    right = (soft.argmax(axis=1) == truth)[known].mean()
    assert 1.5 / 8 < right < 0.9  # it knows something, and not by heart
    # A table for each fold, none of which says anything of the fold's own speakers.
    arguments = ["--manifest", table, "--encoders", weights, "--folds", "group:2"]
    arguments += ["--for", "group:2"]
    arguments += ["--encoder", "efficientat-mn04,byol-s-d512"]
    with pytest.raises(SystemExit) as end:
        run(
            [
                "encoders",
                "soft-labels",
                *map(str, arguments),
                "--out",
                str(tmp_path / "of-{fold}.csv"),
            ]
        )
    assert end.value.code == 0
    for fold in make_folds("group:2", clips):
        soft = read_soft_labels(tmp_path / f"of-{fold.name}.csv", clips, labels)
        own = np.array([clip.speaker in fold.speakers for clip in clips])
        assert not soft[own].any()
        assert np.allclose(soft[~own].sum(axis=1), 1, atol=1e-3)
    with pytest.raises(UsageError, match="--out"):
        run(["encoders", "soft-labels", *map(str, arguments), "--out", str(said)])


def test_the_cheapest_that_is_as_good_is_recommended():
    def row(source, uar, gain, milliseconds):
        return {
            "encoder": source,
            "uar": uar,
            "uar_error": 1.0,
            "gain": gain,
            "milliseconds": milliseconds,
        }

    large, small, empty = row("a", 60, 20, 90), row("b", 59.5, 19, 9), row("c", 70, 0.5, 1)
    assert recommended([large, small, empty]) == "b"
    assert recommended([large, row("b", 58, 18, 9)]) == "a"
    assert recommended([empty]) is None


def test_sources_that_cannot_be_had_are_refused(tmp_path, weights):
    with pytest.raises(UsageError, match="no pretrained encoder is called 'x'"):
        open_encoder("x", None)
    with pytest.raises(ModelError, match="no pretrained encoder at"):
        open_encoder("byol-s-d512", tmp_path)
    (tmp_path / "byol-s-d512.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match="SHA-256"):
        open_encoder("byol-s-d512", tmp_path)
    assert "small" in encoder_names(MODELS)


@pytest.mark.slow
def test_a_low_rank_encoder_gives_what_the_whole_one_gave(weights, corpora, tmp_path, capsys):
    """Fitted to outputs on speech, factors are far nearer than those of the weights alone."""
    out, speech = tmp_path / "low-rank", tmp_path / "speech"
    clips = read_unlabelled(corpora / "librispeech")[-60:]
    speech.mkdir()
    (speech / "metadata.csv").write_text("path\n" + "".join(f"{c.path}\n" for c in clips))
    arguments = ["--speech", speech, "--encoders", weights, "--steps", "25"]
    arguments += ["--cache", tmp_path / "cache", "--out", out]
    with pytest.raises(SystemExit) as end:
        run(["encoders", "low-rank", *map(str, arguments)])
    assert end.value.code == 0
    said = capsys.readouterr().out
    part = NetworkSection(rank=32, pretrained="low-rank")
    low_rank = DcRnn(part, 64, 8)
    load_initial_weights(low_rank, 64, tmp_path)
    whole, plain = ConvolutionalEncoder(NetworkSection(), 64), ConvolutionalEncoder(part, 64)
    whole.load_byol_s(weights / "byol-s-d512.safetensors")
    plain.take(whole, torch.arange(512))
    features = FeatureCache(tmp_path / "cache", FeatureSettings())
    errors = {"fitted": [], "plain": []}
    for clip in read_unlabelled(speech)[-5:]:
        steps = (np.array(features.get(clip, 1.0), np.float32) - ByolS.mean) / ByolS.deviation
        given = torch.from_numpy(steps)[None]
        wanted = whole.eval().through(given, 2)
        for name, encoder in (("fitted", low_rank.encoder.eval()), ("plain", plain.eval())):
            error = (encoder.through(given, 2) - wanted).square().mean() / wanted.var()
            errors[name].append(float(error))
    assert np.mean(errors["fitted"]) < np.mean(errors["plain"]) / 2
    assert float(said.split("second block ")[1].split(",")[0]) < 0.5
    few = tmp_path / "few"
    few.mkdir()
    (few / "metadata.csv").write_text(f"path\n{clips[0].path}\n")
    arguments[1] = few
    with pytest.raises(UsageError, match="too little speech"):
        run(["encoders", "low-rank", *map(str, arguments)])


def test_whisper_loads_whole(weights):
    check(open_encoder("whisper-tiny-en", weights))


@pytest.mark.slow
def test_whisper_is_worth_something(weights, clips):
    folds = make_folds("group:2", clips)
    known, at_random = (
        np.mean(
            probe(
                embeddings(open_encoder("whisper-tiny-en", weights, weights=w), clips), clips, folds
            )
        )
        for w in (True, False)
    )
    assert known > at_random + 5
