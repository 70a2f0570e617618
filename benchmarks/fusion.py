"""What words add to a voice: late fusion on pairs that were put together, said and sounded apart.

Nobody spoke these pairs. Clips of the speakers that all shipped models held out are paired with
sentences of GoEmotions that have one label and that the text model never saw. *Same* pairs share
their emotion: the UAR of the voice alone, the words alone, the product of experts and the gate. In
*conflicting* pairs the two differ, so there is no truth: how often each kind of fusion follows the
voice, the words, or neither. The gate is fitted on other speakers and on sentences of the dev part.
Half of the held-out speakers of each corpus fit, the other half are measured. Where words are
missing, fusion gives back the voice, to the last digit.
"""

from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import compare_models
import numpy as np
import soundfile as sf

from livemood.engine.extensions import Evidence
from livemood.model import load_model
from livemood.model.labels import LABELS
from livemood.text.experts import gate_weights, product
from livemood.text.fusion import LateFusion
from livemood.training.data.sentences import read_sentences
from livemood.training.fit.gate import fit_gate
from livemood.training.recipe.text import read_text_recipe

EVEN = np.full(len(LABELS), 1 / len(LABELS))


def voices(model, every: int) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each corpus: probabilities (clips, labels), true labels, who is measured."""
    out = {}
    for corpus, speakers in compare_models.HELD_OUT.items():
        read, truth, measured = [], [], []
        for clip in compare_models.rows(corpus, every):
            sound, rate = sf.read(clip["path"], dtype="float32")
            said = model.predict(sound, rate).probabilities
            read.append([said[label] for label in LABELS])
            true = "neutral" if clip["emotion"] == "calm" else clip["emotion"]
            truth.append(LABELS.index(true))
            measured.append(speakers.index(clip["speaker"]) % 2 == 1)
        out[corpus] = np.array(read), np.array(truth), np.array(measured)
    return out


def sentences(encoder, recipe: Path, part: str, each: int, seed: int):
    """Probabilities of some sentences with one label of each kind, and those labels."""
    read = read_text_recipe(recipe)
    where = compare_models.corpora()
    table = read_sentences(read.corpora, read.labels, read.label_map, where, part)
    alone = np.flatnonzero(table.held.sum(axis=1) == 1)
    kinds = table.held[alone].argmax(axis=1)
    draw = np.random.default_rng(seed)
    places = np.concatenate(
        [draw.permutation(alone[kinds == k])[:each] for k in range(len(LABELS))]
    )
    chosen = table.chosen(places)
    return encoder.read(chosen.texts), chosen.held.argmax(axis=1)


def pairs(truth: np.ndarray, kinds: np.ndarray, draw, *, same: bool, each: int):
    """Places of voices and of sentences, `each` for a voice."""
    voice = np.repeat(np.arange(len(truth)), each)
    words = [draw.choice(np.flatnonzero((kinds == truth[place]) == same)) for place in voice]
    return voice, np.array(words)


def uar(truth: np.ndarray, read: np.ndarray) -> float:
    """Unweighted average recall, percent."""
    said = read.argmax(axis=1)
    return round(100 * float(np.mean([(said[truth == k] == k).mean() for k in set(truth)])), 1)


def fused(voice, words, priors, gate=None) -> np.ndarray:
    """The joint distribution of each pair."""
    out = []
    for v, w in zip(voice, words, strict=True):
        weights = gate_weights(v, w, gate.voice, gate.words) if gate else (1.0, 1.0)
        out.append(product([v, w], [EVEN, priors], weights))
    return np.array(out)


def followed(said: np.ndarray, truth: np.ndarray, kinds: np.ndarray) -> dict[str, float]:
    """Percent of conflicting pairs whose fused label is that of the voice, the words, neither."""
    voice, words = (said == truth).mean(), (said == kinds).mean()
    shares = {"voice": voice, "words": words, "neither": 1 - voice - words}
    return {name: round(100 * float(share), 1) for name, share in shares.items()}


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--words", default="words", help="a text model's folder")
    parser.add_argument("--recipe", type=Path, default=common.REPO / "recipes" / "words.toml")
    parser.add_argument("--every", type=int, default=1, help="take every so many clips")
    parser.add_argument("--sentences", type=int, default=60, help="of each label")
    args = parser.parse_args()
    model = load_model(args.model)
    fusion = LateFusion(args.words)
    manifest = fusion.encoder.manifest
    priors = np.array(manifest.priors) / sum(manifest.priors)
    heard = voices(model, 8 if args.quick else args.every)
    each = 10 if args.quick else args.sentences
    dev, dev_kinds = sentences(fusion.encoder, args.recipe, "dev", each, args.seed)
    test, kinds = sentences(fusion.encoder, args.recipe, "test", each, args.seed)
    draw = np.random.default_rng(args.seed)

    fit_voice, fit_words, fit_truth = [], [], []
    for read, truth, measured in heard.values():
        read, truth = read[~measured], truth[~measured]
        v, w = pairs(truth, dev_kinds, draw, same=True, each=3)
        fit_voice.append(read[v])
        fit_words.append(dev[w])
        fit_truth.append(truth[v])
    gate = fit_gate(*map(np.concatenate, (fit_voice, fit_words)), priors, np.concatenate(fit_truth))

    corpora = {}
    for corpus, (read, truth, measured) in heard.items():
        read, truth = read[measured], truth[measured]
        v, w = pairs(truth, kinds, draw, same=True, each=5)
        ways = {
            "voice": read[v],
            "words": test[w],
            "product": fused(read[v], test[w], priors),
            "gate": fused(read[v], test[w], priors, gate),
        }
        cv, cw = pairs(truth, kinds, draw, same=False, each=5)
        conflict = {
            name: followed(
                fused(read[cv], test[cw], priors, g).argmax(axis=1), truth[cv], kinds[cw]
            )
            for name, g in (("product", None), ("gate", gate))
        }
        alone = [fusion.fuse([Evidence("voice", p, EVEN)]) for p in read]
        corpora[corpus] = {
            "clips": len(truth),
            "labels": len(set(truth.tolist())),
            "same": {name: uar(truth[v], own) for name, own in ways.items()},
            "conflicting": conflict,
            "without_words": {"voice": uar(truth, read), "fused": uar(truth, np.array(alone))},
        }
    result = {
        "model": common.model_info(model),
        "words": {"name": manifest.name, "version": manifest.version},
        "words_test": manifest.metrics.get("test", {}),
        "seed": args.seed,
        "every": args.every,
        "sentences_of_each_label": each,
        "gate": gate.model_dump(),
        "corpora": corpora,
    }
    common.report("fusion", result | common.surroundings(), quick=args.quick)


if __name__ == "__main__":
    main()
