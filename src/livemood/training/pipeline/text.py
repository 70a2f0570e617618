"""From a recipe to a text encoder."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from livemood.model.manifest import TrainedOn, digest_of, write_manifest
from livemood.text.encoder import TextEncoder as TextModel
from livemood.text.encoder import softmax
from livemood.text.manifest import MODEL, TOKENIZER, TextManifest
from livemood.training.data.sentences import Part, Sentences, read_sentences
from livemood.training.evaluation.metrics import calibration_error
from livemood.training.evaluation.multilabel import f1, fit_thresholds, named, soft_temperature
from livemood.training.export.text_encoder import write_text_files
from livemood.training.fit.text_trainer import TextTrainer
from livemood.training.fit.trainer import Report
from livemood.training.network.text_encoder import TextEncoder, load_encoder, pretrained_folder
from livemood.training.recipe.text import TextRecipe
from livemood.training.run_folder import Workspace, begin_run, write_json

HELD_OUT: Final[tuple[Part, ...]] = ("dev", "test")


def train_text(
    recipe: TextRecipe, workspace: Workspace, out: Path, report: Report | None = None
) -> dict[str, Any]:
    """Finetune, export to int8, calibrate on dev, measure on test: figures, also in a file.

    `out/model` is the model; `out/model-float32` the same before int8.
    """
    network = fit_text_encoder(recipe, workspace, out, report)
    return export_text(recipe, workspace, network, out)


def _sentences(recipe: TextRecipe, workspace: Workspace, part: Part) -> Sentences:
    return read_sentences(recipe.corpora, recipe.labels, recipe.label_map, workspace.corpora, part)


def export_text(
    recipe: TextRecipe, workspace: Workspace, network: TextEncoder, out: Path
) -> dict[str, Any]:
    """Of a network that is finetuned, the rest of it."""
    train = _sentences(recipe, workspace, "train")
    drawn = drawn_shares(recipe, train)[:, np.newaxis]
    priors = train.targets.mean(axis=0)
    learnt = (train.targets * drawn).sum(axis=0) / drawn.sum()
    with torch.no_grad():  # outputs with the corpus's priors in place of those that were drawn
        network.head.bias.add_(torch.from_numpy(np.log(priors / learnt)).to(torch.float32))
    folder = pretrained_folder(recipe.network.pretrained, workspace.encoders)
    longest = recipe.network.longest
    difference = write_text_files(network, folder / TOKENIZER, longest, out / "model")
    figures: dict[str, Any] = {"recipe": recipe.name, "seed": recipe.seed, "models": {}}
    figures["largest_difference_from_torch"] = difference
    parameters = sum(p.numel() for p in network.parameters())
    parts = [_sentences(recipe, workspace, part) for part in HELD_OUT]
    for precision, name in (("float32", "model-float32"), ("int8", "model")):
        own = _finish(recipe, out / name, precision, parameters, priors, *parts)
        figures["models"][precision] = own
    write_json(out / "figures.json", figures)
    card = text_card(recipe, figures["models"]["int8"])
    (out / "model" / "card.md").write_text(card, "utf-8")
    return figures


def _finish(
    recipe: TextRecipe,
    folder: Path,
    precision: Any,  # noqa: ANN401 - a literal of the manifest
    parameters: int,
    priors: NDArray[np.float32],
    dev: Sentences,
    test: Sentences,
) -> dict[str, Any]:
    """Calibrate the model in `folder` on `dev`, measure it on `test`, write its manifest."""
    count = len(recipe.labels)
    manifest = TextManifest(
        schema="livemood.text/1",
        name=recipe.name,
        version=recipe.version,
        sha256=digest_of(folder / MODEL),
        tokenizer_sha256=digest_of(folder / TOKENIZER),
        precision=precision,
        parameters=parameters,
        labels=recipe.labels,
        longest=recipe.network.longest,
        temperature=1.0,
        priors=tuple((priors / priors.sum()).round(4).tolist()),
        thresholds=(0.5,) * count,
        trained_on=tuple(
            TrainedOn(corpus=part.name, licence=part.licence, reference=part.reference)
            for part in recipe.corpora
        ),
        licence=recipe.licence,
        metrics={},
    )
    write_manifest(manifest, folder)
    model = TextModel(folder)
    logits = model.logits(dev.texts)
    temperature = round(soft_temperature(dev.targets, logits), 3)
    manifest = manifest.model_copy(update={"temperature": temperature})
    thresholds = fit_thresholds(dev.held, softmax(logits / temperature))
    probabilities = softmax(model.logits(test.texts) / temperature)
    figures = figures_of(probabilities, test, thresholds, recipe.labels)
    figures |= {"temperature": manifest.temperature, "thresholds": thresholds.tolist()}
    figures["megabytes"] = round(sum(f.stat().st_size for f in folder.glob("*.*")) / 1e6, 1)
    kept = {"thresholds": tuple(thresholds.tolist()), "metrics": {"test": figures}}
    write_manifest(manifest.model_copy(update=kept), folder)
    return figures


def figures_of(
    probabilities: NDArray[np.float64],
    test: Sentences,
    thresholds: NDArray[np.float64],
    labels: tuple[str, ...],
) -> dict[str, Any]:
    """Macro F1 over labels where several may hold, and accuracy and calibration where one does."""
    scores = f1(test.held, named(probabilities, thresholds))
    alone = test.held.sum(axis=1) == 1
    truth, sure = test.held[alone].argmax(axis=1), probabilities[alone]
    return {
        "sentences": len(test),
        "macro_f1": round(100 * float(scores.mean()), 2),
        "f1": {label: round(100 * float(s), 1) for label, s in zip(labels, scores, strict=True)},
        "single_label": {
            "sentences": int(alone.sum()),
            "accuracy": round(100 * float((sure.argmax(axis=1) == truth).mean()), 2),
            "calibration_error": round(100 * calibration_error(truth, sure), 2),
        },
    }


def text_card(recipe: TextRecipe, figures: dict[str, Any]) -> str:
    """The model card, in Markdown."""
    network = recipe.network
    head = " | ".join(recipe.labels)
    row = " | ".join(f"{figures['f1'][label]}" for label in recipe.labels)
    one = figures["single_label"]
    learnt = "\n".join(
        f"- {corpus.name} ({corpus.reference}), {corpus.licence}" for corpus in recipe.corpora
    )
    return f"""# Text model card: {recipe.name} {recipe.version}

{network.reference or network.pretrained}, {network.licence}, with a linear layer over the mean of
its tokens, finetuned and rounded to int8: {figures["megabytes"]} MB. Labels:
{", ".join(recipe.labels)}.

Trained on

{learnt}

**Licence of the weights: {recipe.licence}.**

## How it was made

By the recipe `{recipe.name}`, run whole with seed {recipe.seed}: {recipe.fit.epochs} epochs of
{recipe.fit.sentences} sentences.

## On sentences it never saw

The corpus's own test part, {figures["sentences"]} sentences; several labels may hold. Thresholds
and temperature ({figures["temperature"]}) were fitted on its dev part. F1 in percent; macro F1
**{figures["macro_f1"]}**.

| {head} |
| {" | ".join("---:" for _ in recipe.labels)} |
| {row} |

Of the {one["sentences"]} sentences with one label, {one["accuracy"]} % are read right; calibration
error {one["calibration_error"]} points.

## Limits
{recipe.limits}"""


def fit_text_encoder(
    recipe: TextRecipe, workspace: Workspace, out: Path, report: Report | None = None
) -> TextEncoder:
    """Finetune the recipe's encoder; a run that was cut short goes on."""
    train = _sentences(recipe, workspace, "train")
    folder = pretrained_folder(recipe.network.pretrained, workspace.encoders)
    begin_run(out, recipe.model_dump_json(), torch.device("cpu"))
    encoder, width = load_encoder(folder)
    torch.manual_seed(recipe.seed)
    network = TextEncoder(encoder, width, len(recipe.labels), recipe.network.dropout)
    tokens = tokens_of(folder, recipe.network.longest, train)
    trainer = TextTrainer(
        network,
        recipe.fit,
        tokens,
        train,
        drawn_shares(recipe, train),
        seed=recipe.seed,
        run=out,
        report=report,
    )
    return trainer.train()


def tokens_of(folder: Path, longest: int, sentences: Sentences) -> list[list[int]]:
    """Token numbers of each sentence."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest)
    return [encoding.ids for encoding in tokenizer.encode_batch(list(sentences.texts))]


def drawn_shares(recipe: TextRecipe, sentences: Sentences) -> NDArray[np.float64]:
    """How often each sentence is drawn."""
    shares = np.array([recipe.shares.get(label, 1.0) for label in recipe.labels])
    alone = sentences.held.sum(axis=1) == 1
    return np.where(alone, shares[sentences.held.argmax(axis=1)], 1.0)
