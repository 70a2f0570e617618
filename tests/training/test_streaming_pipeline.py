"""The training of a streaming encoder, on a little real speech, from random weights of Whisper."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf

torch = pytest.importorskip("torch", reason="needs the extra train")

from safetensors.torch import save_file  # noqa: E402

from livemood.errors import ModelError, UsageError  # noqa: E402
from livemood.model import load_model  # noqa: E402
from livemood.training.data.clips import UNLABELLED  # noqa: E402
from livemood.training.data.dataset import Dataset, read_dataset  # noqa: E402
from livemood.training.fit.voice_trainer import draw_odds, learn_not_speech  # noqa: E402
from livemood.training.fit.voices import VoicePool  # noqa: E402
from livemood.training.network.kinds import make_network  # noqa: E402
from livemood.training.network.streaming_encoder import VoiceHead  # noqa: E402
from livemood.training.network.whisper import WhisperStack  # noqa: E402
from livemood.training.network.whisper_weights import TINY_EN  # noqa: E402
from livemood.training.pipeline.streaming_encoder import build_streaming_encoder  # noqa: E402
from livemood.training.recipe.schema import Recipe, read_recipe  # noqa: E402
from livemood.training.recipe.voices import VoicesSection  # noqa: E402
from livemood.training.run_folder import Workspace  # noqa: E402

LABELS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")


def recipe_with(**network):
    return Recipe.model_validate(
        {
            "name": "tiny",
            "seed": 5,
            "labels": LABELS,
            "label_map": {"calm": "neutral"},
            "corpora": [{"name": "ravdess"}],
            "features": {
                "kind": "whisper-log-mel",
                "fft_length": 400,
                "mels": 80,
                "low_hz": 0.0,
                "high_hz": 8000.0,
                "log_offset": 1e-10,
                "mean": -5.0,
                "deviation": 4.0,
                "level": {},
            },
            "network": {
                "kind": "streaming-encoder",
                "pretrained": "whisper-tiny-en",
                "blocks": 1,
                "recurrent": 8,
                "step_projection": 12,
                **network,
            },
            "augment": {"copies": 1, "mixup": 0.5, "waveform": [{"kind": "telephone", "p": 1.0}]},
            "voices": {
                "not_speech": [{"name": "esc10", "column": "category", "held_out": ["4", "5"]}]
            },
            "fit": {"epochs": 2, "batch_size": 8, "masked_label_weight": 0.5},
        }
    )


@pytest.fixture(scope="module")
def clips(corpora):
    found = read_dataset(recipe_with().dataset, corpora).train
    names = sorted({clip.speaker for clip in found})[:4]
    return [c for name in names for c in [c for c in found if c.speaker == name][::8]]


@pytest.fixture(scope="module")
def place(tmp_path_factory, corpora):
    """A folder of encoders with random weights, and corpora with few sounds that are no speech."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(1)
    path = folder / "whisper-tiny-en.safetensors"
    save_file(WhisperStack(blocks=1).state_dict(), path)
    (folder / "esc10").mkdir()
    rows = (corpora / "esc10" / "metadata.csv").read_text().splitlines()
    kept = [r.replace("audio/", f"{corpora}/esc10/audio/", 1) for r in rows[1::40]]
    (folder / "esc10" / "metadata.csv").write_text("\n".join([rows[0], *kept]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TINY_EN, hashlib.sha256(path.read_bytes()).hexdigest(), "safetensors")
        yield folder


def built(clips, place, run, recipe=None):
    workspace = Workspace(place, place / "cache", place)
    data = Dataset(clips, [1.0] * len(clips))
    return build_streaming_encoder(recipe or recipe_with(), data, workspace, run)


@pytest.fixture(scope="module")
def folders(clips, place):
    return built(clips, place, place / "run")


def test_training_gives_models_that_load_and_predict(folders, clips):
    said = {}
    for name, folder in folders.items():
        model = load_model(folder, "cpu")
        assert model.manifest.network.kind == "streaming-encoder"
        assert model.manifest.hop_s == pytest.approx(0.24)
        rows = []
        for clip in clips[:3]:
            read = model.predict(*sf.read(clip.path, dtype="float32"))
            rows.append(list(read.probabilities.values()))
            assert 0 <= read.not_speech <= 1
        said[name] = np.array(rows)
        known = model.baseline()
        known.hear(*sf.read(clips[0].path, dtype="float32"))
        assert known.seconds > 0
    assert np.abs(said["float32"] - said["int8"]).max() < 0.1


def adapted_recipe(**adapt):
    """The same without copies and mixes, adapted."""
    content = recipe_with().model_dump()
    augment = {"copies": 0, "mixup": 0}
    return Recipe.model_validate(content | {"augment": augment, "adapt": adapt, "voices": {}})


@pytest.mark.slow
def test_an_adapted_network_is_exported_as_any_other(clips, place, tmp_path):
    known, tested = clips[16:], clips[:8]
    unheard = [replace(c, label=UNLABELLED, corpus="there", speaker="?") for c in clips[8:16]]
    # A clip of somebody who is tested is left out, or the run would be refused.
    given = [replace(tested[0], label=UNLABELLED), *unheard]
    data = Dataset(known, [1.0] * len(known), tested, unlabelled=given)
    made = adapted_recipe(method="adversarial", target=["there"])
    workspace = Workspace(place, place / "cache", place)
    folders = build_streaming_encoder(made, data, workspace, tmp_path / "run")
    plain = build_streaming_encoder(
        adapted_recipe(), replace(data, unlabelled=[]), workspace, tmp_path / "plain"
    )
    models = {name: load_model(folder, "cpu") for name, folder in folders.items()}
    parameters = load_model(plain["int8"], "cpu").manifest.parameters
    assert models["int8"].manifest.parameters == parameters
    sound = sf.read(clips[0].path, dtype="float32")
    read = [list(m.predict(*sound).probabilities.values()) for m in models.values()]
    assert np.abs(np.subtract(*read)).max() < 0.1


def test_a_target_of_tested_speakers_alone_is_refused(clips, place, tmp_path):
    known, tested = clips[16:], clips[:8]
    given = [replace(c, label=UNLABELLED) for c in tested]
    data = Dataset(known, [1.0] * len(known), tested, unlabelled=given)
    workspace = Workspace(place, place / "cache", place)
    with pytest.raises(UsageError, match="leaves no clip: all of its speakers are tested"):
        build_streaming_encoder(
            adapted_recipe(method="mmd", target=["ravdess"]), data, workspace, tmp_path / "run"
        )


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"adapt": {"method": "mmd"}}, "learns from unlabelled speech: name corpora in target"),
        ({"adapt": {"method": "boosting"}}, "needs target: which of the corpora it is"),
        ({"adapt": {"method": "none", "target": ["a"]}}, "uses no target: leave it out"),
        (
            {"adapt": {"method": "adversarial", "over": "speaker", "target": ["a"]}},
            "is of training",
        ),
        ({"adapt": {"method": "contrastive"}, "augment": {"mixup": 0.3}}, "set augment.mixup = 0"),
        ({"adapt": {"method": "magic"}}, "input should be"),
        ({"network": {}, "adapt": {"method": "contrastive"}}, "is for a streaming-encoder"),
        (
            {"adapt": {}, "voices": {"neutral": "calm"}},
            r"voices\.neutral is 'calm', which is not one of labels: name the label",
        ),
        ({"distill": {"teacher": "x"}}, "a streaming-encoder has no teachers"),
    ],
)
def test_a_wrong_adaptation_is_told_in_one_line(parts, told, tmp_path):
    content = json.loads(adapted_recipe().model_dump_json()) | parts
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=told) as error:
        read_recipe(path)
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_network_again(folders, clips, place, tmp_path):
    again = built(clips, place, tmp_path / "run")
    one, two = (load_model(f["float32"], "cpu").manifest.sha256 for f in (folders, again))
    assert one == two


def test_other_encoders_and_missing_weights_are_told(clips, place, tmp_path):
    with pytest.raises(UsageError, match=r"begins with network\.pretrained"):
        built(clips, place, tmp_path / "a", recipe_with(pretrained="byol-s-d512"))
    with pytest.raises(ModelError, match=r"do not fit at blocks\.1"):
        built(clips, place, tmp_path / "b", recipe_with(blocks=2))
    with pytest.raises(UsageError, match="a streaming-encoder is trained once or by folds"):
        make_network(recipe_with().network, 80, 7)


def test_neutral_is_drawn_as_often_as_the_recipe_says(clips):
    voices = VoicesSection(neutral_share=3.0)
    odds = draw_odds(clips, [1.0] * len(clips), voices)
    share = {
        label: odds[[clip.label == label for clip in clips]].sum()
        for label in {clip.label for clip in clips}
    }
    others = [value for label, value in share.items() if label != "neutral"]
    assert np.allclose(others, others[0])
    assert share["neutral"] == pytest.approx(3 * others[0])


@pytest.fixture(scope="module")
def pool(clips):
    """A pool whose statistics are the speaker's number, and a head of that width."""
    head = VoiceHead(4, len(LABELS), 0.0, project=3, units=2)
    pool = VoicePool(
        clips, VoicesSection(), torch.full((len(clips),), 3.0), np.random.default_rng(1)
    )
    of_each = pool.speaker[pool.picked].float()[:, None].expand(-1, 2 * head.pooled)
    pool.refresh(of_each.clone(), torch.ones(len(pool.picked)), head)
    return pool, head


def test_a_baseline_is_of_the_same_speaker_and_grows_with_what_is_known(pool, clips):
    pool, head = pool
    every, shares = torch.arange(len(clips)), []
    for seconds in (0.0, 5.0, 20.0):
        shift, counts = pool.baselines(
            every, torch.full((len(clips),), seconds), head, torch.Generator().manual_seed(1)
        )
        own = (pool.speaker.float()[:, None] - head.typical).clamp(
            -3 * head.spread, 3 * head.spread
        )
        assert torch.allclose(shift, counts * own, atol=1e-4)
        shares.append(float(counts.mean()))
    assert shares[0] == 0
    assert 0.3 < shares[1] < shares[2] < 1


def test_other_voices_vary_as_voices_do(pool):
    pool, head = pool
    moved = pool.other_voices(4000, torch.Generator().manual_seed(1))
    voices = torch.arange(4.0)
    assert moved.mean().abs() < 0.1
    assert float(moved[:, 0].std()) == pytest.approx(float(voices.std(correction=0)), rel=0.1)
    assert moved.shape[1] == 2 * head.pooled


def test_what_is_no_speech_is_learnt():
    torch.manual_seed(0)
    head = VoiceHead(4, 7, 0.0, project=3, units=2)
    speech, sounds = torch.randn(200, 5), torch.randn(20, 5) + torch.tensor([4.0, 0, 0, 0, 0])
    learn_not_speech(head, speech, sounds)
    said = [head.speech(part)[:, 0] > 0 for part in (speech, sounds)]
    assert said[0].float().mean() < 0.1
    assert said[1].float().mean() > 0.9
