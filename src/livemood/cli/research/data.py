"""`livemood data`: datasets of labelled speech. The options."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from livemood.cli.research.options import label_map
from livemood.errors import LivemoodError

app = typer.Typer(no_args_is_help=True, add_completion=False)

FORMATS = (
    "audformat, nkululeko, emobox, kaldi, textgrid, eaf, label-studio, audacity, folders or "
    "readings"
)
Manifest = Annotated[Path, typer.Argument(help="The manifest: a CSV file.")]


@app.callback()
def root() -> None:
    """Datasets: convert them, compare raters, look for faults, clean, compute features (extra
    `data`).
    """  # noqa: D205 - one sentence


@contextmanager
def desk(command: str) -> Iterator[None]:
    """What is imported inside may miss packages of the extra `data`: that is said in one line."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("livemood"):
            raise
        raise LivemoodError(
            f"livemood data {command} needs {error.name}: pip install 'livemood[data]'"
        ) from None


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
    with desk("import"):
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
    with desk("export"):
        from livemood.datasets.convert import write_dataset
        from livemood.datasets.manifest import read_items

        items = read_items(manifest)
        write_dataset(items, out, form, guessed=pre_annotations)
    typer.echo(f"{out}: {len(items)} rows as {form}")
