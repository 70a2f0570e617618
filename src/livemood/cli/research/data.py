"""`livemood data`: datasets of labelled speech. The options."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from livemood.cli.research.options import label_map, wing
from livemood.cli.research.progress import progress
from livemood.cli.research.select import select
from livemood.cli.research.weak import weak
from livemood.errors import LivemoodError

app = typer.Typer(no_args_is_help=True, add_completion=False)

FORMATS = (
    "audformat, nkululeko, emobox, kaldi, textgrid, eaf, label-studio, audacity, folders or "
    "readings"
)
Manifest = Annotated[Path, typer.Argument(help="The manifest: a CSV file.")]


@app.callback()
def root() -> None:
    """Datasets: convert them, compare raters, label by words, look for faults, clean, compute
    and select features (extra `data`).
    """  # noqa: D205 - one sentence


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="A file or a folder of the format.")],
    form: Annotated[str, typer.Option("--from", help=f"Its format: {FORMATS}.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The manifest to write.")],
    sounds: Annotated[
        Path | None, typer.Option(help="The folder of the sound files, if they are elsewhere.")
    ] = None,
    labels_from: Annotated[
        str | None, typer.Option(help="The tier, column or field of labels: label or emotion.")
    ] = None,
    speaker_from: Annotated[
        str | None,
        typer.Option(help="Where nothing else says who speaks: a regular expression on the path."),
    ] = None,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="LABEL=LABEL; LABEL=- leaves it out.")
    ] = None,
    predictions: Annotated[
        bool, typer.Option("--predictions", help="Take guesses that nobody has corrected.")
    ] = False,
) -> None:
    """Read labelled recordings in another program's format, and write a manifest of them."""
    with wing("data import", "data"):
        from livemood.datasets.convert import read_dataset
        from livemood.datasets.formats.options import Reading
        from livemood.datasets.manifest import write_manifest

        how = Reading(sounds, labels_from, speaker_from, predictions)
        items = read_dataset(source, form, how, label_map(map_))
    write_manifest(items, out)
    files, speakers = len({i.path for i in items}), len({i.speaker for i in items})
    typer.echo(f"{out}: {len(items)} rows of {files} files, {speakers} speakers")
    if "rater" in {name for item in items for name in item.columns}:
        typer.echo("several people annotated the same: livemood data agree joins them", err=True)


@app.command("export")
def export(
    manifest: Manifest,
    form: Annotated[str, typer.Option("--to", help=f"The format: {FORMATS}.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file or the folder to write.")],
    pre_annotations: Annotated[
        bool,
        typer.Option("--pre-annotations", help="Label Studio: as guesses that a person corrects."),
    ] = False,
) -> None:
    """Write the recordings of a manifest in another program's format."""
    with wing("data export", "data"):
        from livemood.datasets.convert import write_dataset
        from livemood.datasets.manifest import read_items

        items = read_items(manifest)
        write_dataset(items, out, form, guessed=pre_annotations)
    typer.echo(f"{out}: {len(items)} rows as {form}")


@app.command("agree")
def agree(
    ratings: Annotated[
        Path, typer.Argument(help="A CSV file: one row a rating, or with --counts one an item.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the results.")],
    item: Annotated[
        str | None, typer.Option(help="The column that names the item: item, or path and times.")
    ] = None,
    rater: Annotated[str, typer.Option(help="The column that names the rater.")] = "rater",
    counts: Annotated[
        str | None,
        typer.Option(help="Only numbers of votes are known: the columns of the labels, A,B,C."),
    ] = None,
    least: Annotated[
        float, typer.Option(min=0, max=1, help="Items whose label had a lower share are doubtful.")
    ] = 0.5,
) -> None:
    """Say how far raters agree, join their labels, and list the items to look at again."""
    with wing("data agree", "data"):
        from livemood.datasets.agreement.ratings import read_counts, read_ratings
        from livemood.datasets.agreement.result import agreement

        if counts is None:
            found = read_ratings(ratings, item, rater)
        else:
            found = read_counts(ratings, [name.strip() for name in counts.split(",")], item)
        figures = agreement(found, least, out)
    labels = figures.pop("labels", None)
    if labels:
        low, high = labels["krippendorff_alpha_95"]
        typer.echo(f"labels: {labels['ratings']} ratings of {figures['items']} items")
        typer.echo(
            f"  Krippendorff's alpha {labels['krippendorff_alpha']:.3f} ({low:.3f}-{high:.3f})"
        )
        typer.echo(f"  Fleiss' kappa {labels['fleiss_kappa']:.3f}")
        if "cohen_kappa" in labels:
            kappa = labels["cohen_kappa"]
            typer.echo(f"  Cohen's kappa {kappa['mean']:.3f}, mean of {kappa['pairs']} pairs")
        typer.echo(f"  {labels['ties']} ties, {labels['to_adjudicate']} items to look at again")
    for name, dimension in figures.items():
        if isinstance(dimension, dict):
            icc, ccc = dimension["icc"], dimension["ccc"]
            typer.echo(f"{name}: ICC(1,1) {icc['ICC(1,1)']:.3f}, ICC(2,1) {icc['ICC(2,1)']:.3f}")
            typer.echo(f"  CCC {ccc['mean']:.3f}, mean of {ccc['pairs']} pairs")
    typer.echo(f"written to {out}")


@app.command("guide")
def guide(
    standard: Annotated[Path, typer.Argument(help="The annotation standard: a TOML file.")],
    check: Annotated[Path | None, typer.Option(help="Check the rows of this manifest.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it as a page for annotators, HTML.")
    ] = None,
) -> None:
    """Check an annotation standard, and annotations against it; exit with 1 where they break it."""
    with wing("data guide", "data"):
        from livemood.datasets.guide import breaches, read_guide, to_html
        from livemood.datasets.manifest import read_items, write_text

        found = read_guide(standard)
        wrong = list(breaches(found, read_items(check))) if check else []
    if out is not None:
        write_text(out, to_html(found))
    for line in wrong:
        typer.echo(line)
    if wrong:
        raise LivemoodError(f"{len(wrong)} breaches of the standard {found.name}")
    typer.echo(
        f"{found.name}: {len(found.labels)} labels" + (f"; {check} keeps to it" if check else "")
    )


app.command("weak")(weak)


@app.command("features")
def features(
    manifest: Manifest,
    out: Annotated[Path, typer.Option("--out", "-o", help="A .csv or .parquet file.")],
    groups: Annotated[
        str | None,
        typer.Option(help="Of mfcc, log-mel, spectrum, zcr, energy, f0, rhythm, periods: A,B."),
    ] = None,
    frames: Annotated[
        bool, typer.Option("--frames", help="A row for each 10 ms, not one for each item.")
    ] = False,
) -> None:
    """Compute features of the voice: MFCC, energy, F0, rate, pauses, jitter and more."""
    with wing("data features", "data"):
        from livemood.datasets.acoustics.functionals import GROUPS
        from livemood.datasets.acoustics.table import write_features
        from livemood.datasets.manifest import read_items

        items = read_items(manifest)
        chosen = tuple(groups.split(",")) if groups else GROUPS
        with progress(len(items)) as done:
            rows = write_features(items, out, chosen, frames=frames, done=done)
    typer.echo(f"{out}: {rows} rows")


app.command("select")(select)


@app.command("clean")
def clean(
    manifest: Manifest,
    out: Annotated[Path, typer.Option("--out", "-o", help="A new folder for sound and manifest.")],
    rate: Annotated[
        int, typer.Option(min=4000, max=192_000, help="Hz of what is written.")
    ] = 16_000,
    loudness: Annotated[
        float | None, typer.Option(min=-70, max=0, help="Bring each item to this loudness, LUFS.")
    ] = None,
    trim: Annotated[
        bool, typer.Option("--trim", help="Cut what stands before and behind the speech.")
    ] = False,
    denoise: Annotated[
        bool, typer.Option("--denoise", help="Take steady noise away. It can hurt: see the docs.")
    ] = False,
    declip: Annotated[
        bool, typer.Option("--declip", help="Guess the tops of clipped sound; keep such items.")
    ] = False,
    drop: Annotated[
        str,
        typer.Option(
            help="Leave out items that are silent, short, clipped, duplicate; A,B or none."
        ),
    ] = "silent,short,clipped,duplicate",
) -> None:
    """Write a dataset anew: resampled, without faulty items, and as the options say."""
    with wing("data clean", "data"):
        from livemood.datasets.cleaning.clean import Cleaning
        from livemood.datasets.cleaning.clean import clean as run
        from livemood.datasets.manifest import read_items, write_manifest, write_text

        kinds = () if drop == "none" else tuple(drop.split(","))
        if declip:
            kinds = tuple(kind for kind in kinds if kind != "clipped")
        how = Cleaning(declip, rate, denoise, trim, loudness, kinds)
        items = read_items(manifest)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise LivemoodError(f"{out} is not empty: name a new folder")
        with progress(len(items)) as done:
            found = run(items, out, how, done)
        record = {
            "manifest": str(manifest),
            "options": asdict(how),
            "items": len(items),
            "kept": len(found.items),
            "seconds_before": round(found.seconds_before, 2),
            "seconds_after": round(found.seconds_after, 2),
            "dropped": found.dropped,
        }
        write_text(out / "cleaned.json", json.dumps(record, indent=1) + "\n")
        write_manifest(found.items, out / "manifest.csv")
    for reason, count in Counter(d["why"] for d in found.dropped).items():
        typer.echo(f"left out, {reason}: {count}")
    contradict = [d["row"] for d in found.dropped if d.get("of_label", d["label"]) != d["label"]]
    if contradict:
        rows = ", ".join(map(str, contradict[:5]))
        typer.echo(f"the same sound under another label: row {rows}: see cleaned.json", err=True)
    typer.echo(
        f"{out / 'manifest.csv'}: {len(found.items)} of {len(items)} items, "
        f"{found.seconds_after:.0f} of {found.seconds_before:.0f} s"
    )


@app.command("check")
def check(
    manifest: Manifest,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of the report.")],
    most: Annotated[int, typer.Option(min=20, help="Look at no more items than these.")] = 3000,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if something is found.")
    ] = False,
    embeddings: Annotated[
        str, typer.Option(help="Map what this model hears by UMAP; none makes no map.")
    ] = "default",
) -> None:
    """Look for what is wrong in a dataset before you train: leaks, duplicates, faulty sound."""
    with wing("data check", "data"):
        from livemood.datasets.manifest import read_items, write_text
        from livemood.datasets.quality.check import check as look
        from livemood.datasets.quality.check import sample
        from livemood.datasets.quality.page import quality_page
        from livemood.model import load_model

        items = sample(read_items(manifest), most)
        model = None
        if embeddings != "none":
            import umap  # noqa: F401 - a lack of it is told before the work, not after

            model = load_model(embeddings)
        with progress(len(items) * (1 if model is None else 2)) as done:
            found = look(items, model, done)
        write_text(out / "quality.html", quality_page(found, str(manifest)))
        write_text(out / "quality.json", json.dumps(found, indent=1) + "\n")
    for finding in found["findings"]:
        typer.echo(f"{finding['kind']}: {finding['text']}")
    if strict and found["findings"]:
        raise LivemoodError(f"{len(found['findings'])} things were found: see {out}/quality.html")
    typer.echo(f"{len(found['findings'])} findings; written to {out}")
