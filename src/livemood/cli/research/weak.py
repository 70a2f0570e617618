"""`livemood data weak`: labels from words. The options."""

from pathlib import Path
from typing import Annotated

import typer

from livemood.cli.research.options import label_map, wing


def weak(
    source: Annotated[
        Path,
        typer.Argument(
            help="Subtitles (.srt, .vtt), lyrics (.lrc), a transcript (.txt), a folder of these, "
            "or a table (.csv) with path and text."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The manifest to write.")],
    model: Annotated[str, typer.Option(help="The text model: words, or a folder.")] = "words",
    sounds: Annotated[
        Path | None, typer.Option(help="The folder of the sound files, if they are elsewhere.")
    ] = None,
    speaker_from: Annotated[
        str | None,
        typer.Option(help="Where nothing else says who speaks: a regular expression on the path."),
    ] = None,
    least: Annotated[
        float, typer.Option(min=0, max=1, help="Leave out labels that are less likely than this.")
    ] = 0.5,
    align: Annotated[
        bool,
        typer.Option(
            "--align/--no-align", help="Move cues to where speech is, and cut them to it."
        ),
    ] = True,
    map_: Annotated[
        list[str] | None, typer.Option("--map", help="LABEL=LABEL; LABEL=- leaves it out.")
    ] = None,
) -> None:
    """Label speech by what is said in it; how likely each label is becomes its weight."""
    with wing("data weak", "data"):
        from livemood.datasets.convert import renamed
        from livemood.datasets.formats.options import Reading
        from livemood.datasets.manifest import write_manifest
        from livemood.datasets.weak.labels import weak_labels
        from livemood.text.encoder import TextEncoder, find_text_model

        encoder = TextEncoder(find_text_model(model))
        found = weak_labels(
            source, Reading(sounds, speaker_from=speaker_from), encoder, least, align=align
        )
        items = renamed(found.items, label_map(map_))
    write_manifest(items, out)
    for path, shift in found.shifts.items():
        if shift:
            way = "later" if shift > 0 else "earlier"
            typer.echo(f"{path.name}: the words belong {abs(shift):.2f} s {way} than they say")
    for why, count in found.left_out.items():
        typer.echo(f"left out, {why}: {count}")
    if (share := found.agreement) is not None:
        typer.echo(f"the words say what label_was says in {share:.1%} of rows")
    mean = sum(float(item.columns["weight"]) for item in items) / max(1, len(items))
    typer.echo(f"{out}: {len(items)} rows, mean confidence {mean:.2f}")
