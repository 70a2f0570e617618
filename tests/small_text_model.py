"""A text model that is made in seconds by the real pipeline: a small random BERT or XLNet."""

import json
import random
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

LABELS = ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise")
WORDS = {
    "neutral": "table paper number street letter window",
    "happy": "wonderful happy great laugh delighted joyful",
    "sad": "sad cry lonely miss grief tears",
    "angry": "furious angry hate rage shout outraged",
    "fear": "afraid scared terror panic danger dread",
    "disgust": "disgusting gross vile rotten nausea foul",
    "surprise": "surprised sudden unexpected wow shock astonished",
}
AROUND = ["the", "a", "we", "is", "it", "that", "was", "so", "very", "this", "and", "of", "i", "am"]


def sentence(label, draw):
    words = draw.choices(WORDS[label].split(), k=2) + draw.choices(AROUND, k=4)
    draw.shuffle(words)
    return " ".join(words)


def write_tables(folder, sentences=240):
    """Tables as GoEmotions has them, of made sentences; the numbers are places in LABELS."""
    folder.mkdir(parents=True)
    for part, size in (("train", sentences), ("dev", 70), ("test", 70)):
        draw = random.Random(part)
        rows = []
        for n in range(size):
            label = LABELS[n % len(LABELS)]
            rows.append(f"{sentence(label, draw)}\t{LABELS.index(label)}\t{part}{n}")
        (folder / f"{part}.tsv").write_text("\n".join(rows) + "\n", "utf-8")


def write_tokenizer(path):
    words = [*AROUND, *(word for group in WORDS.values() for word in group.split())]
    vocabulary = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(path))
    return len(vocabulary)


def write_encoder(folder, kind):
    """A random encoder of `kind`, bert or xlnet, as transformers writes one."""
    import torch
    import transformers

    folder.mkdir(parents=True)
    size = write_tokenizer(folder / "tokenizer.json")
    torch.manual_seed(1)
    if kind == "bert":
        config = transformers.BertConfig(
            vocab_size=size,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=48,
            max_position_embeddings=64,
        )
        encoder = transformers.BertModel(config, add_pooling_layer=False)
    else:
        config = transformers.XLNetConfig(
            vocab_size=size, d_model=32, n_layer=2, n_head=2, d_inner=48
        )
        encoder = transformers.XLNetModel(config)
    encoder.save_pretrained(folder)


def recipe_text(kind, **fit):
    numbers = {"epochs": 3, "sentences": 700, "learning_rate": 3e-3, "ema_decay": 0.9} | fit
    lines = "\n".join(f"{name} = {value}" for name, value in numbers.items())
    return f"""
name = "small-words"
seed = 1
labels = {json.dumps(LABELS)}
[[corpora]]
name = "made"
labels = {json.dumps(LABELS)}
licence = "none"
[network]
pretrained = "{kind}"
licence = "none"
[fit]
{lines}
"""


def make_recipe(folder: Path, kind="bert", **fit):
    """Recipe, corpora and encoders under `folder`: their paths."""
    write_tables(folder / "corpora" / "made")
    write_encoder(folder / "encoders" / kind, kind)
    path = folder / "small.toml"
    path.write_text(recipe_text(kind, **fit), "utf-8")
    return path, folder / "corpora", folder / "encoders"


def make_text_model(folder: Path, kind="bert"):
    """The folder of a text model, and its figures."""
    from livemood.training.pipeline.text import train_text
    from livemood.training.recipe.text import read_text_recipe
    from livemood.training.run_folder import Workspace

    path, corpora, encoders = make_recipe(folder, kind)
    workspace = Workspace(corpora, folder / "cache", encoders)
    figures = train_text(read_text_recipe(path), workspace, folder / "run")
    return folder / "run" / "model", figures
