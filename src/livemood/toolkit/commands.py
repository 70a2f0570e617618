"""The commands themselves; `livemood` hands its arguments on to them."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from livemood.errors import UsageError
from livemood.timeline.smoother import SmootherSettings
from livemood.toolkit.sources import app as sources_app
from livemood.toolkit.train import search, train
from livemood.training.augment.degradation import NoiseBank

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root() -> None:
    """Train, search, measure and choose models."""


app.command("train")(train)
app.command("search")(search)
app.add_typer(
    sources_app,
    name="sources",
    help="Source models to transfer from: list, rank, tune and more.",
)


@app.command("evaluate")
def evaluate_command(
    manifest: Annotated[list[Path], typer.Option(help="CSV of labelled clips; may be repeated.")],
    out: Annotated[Path, typer.Option(help="Folder for JSON, report and predictions.")],
    model: Annotated[
        str, typer.Option(help="A shipped model or a folder; {fold} in it is the fold's name.")
    ] = "default",
    label_map: Annotated[
        list[str] | None, typer.Option("--map", help="LABEL=LABEL, or LABEL=- to leave out.")
    ] = None,
    speakers: Annotated[str | None, typer.Option(help="Only these: A,B,...")] = None,
    held_out: Annotated[
        Path | None, typer.Option("--held-out-of", help="Only speakers this recipe holds out.")
    ] = None,
    folds: Annotated[
        str | None, typer.Option(help="ravdess, speaker, group:K, corpus, column, held-out:A,B")
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(help="clean, mulaw, alaw, opus, noise=DB, loss=%, joined by +; repeated."),
    ] = None,
    noise: Annotated[Path | None, typer.Option(help="Folder of noise with metadata.csv.")] = None,
    noise_folds: Annotated[str, typer.Option(help="Folds of it: 4,5; all if none.")] = "",
    streaming: Annotated[bool, typer.Option(help="Conversations through the live path.")] = False,
    conversations: Annotated[int, typer.Option(min=1, help="Of each speaker.")] = 3,
    smoothing: Annotated[
        str | None, typer.Option(help="dwell_s=4,enter=0.45,...; chosen by halves if not given.")
    ] = None,
    vad: Annotated[str, typer.Option(help="Of the live path: webrtc or silero.")] = "webrtc",
    seed: Annotated[int, typer.Option(help="Of intervals, conditions and conversations.")] = 1,
    provider: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "cpu",
) -> None:
    """Measure a model on labelled clips, and on conversations made of them."""
    from livemood.toolkit.evaluate import Wanted, evaluate, held_out_of, summary  # loads slowly

    names = speakers.split(",") if speakers else []
    if held_out:
        names += held_out_of(held_out)
    wanted = Wanted(
        model=model,
        manifests=manifest,
        label_map=dict(_pair(text) for text in label_map or ()),
        speakers=names,
        folds=folds,
        conditions=condition or ["clean"],
        noise=NoiseBank(noise, tuple(filter(None, noise_folds.split(",")))) if noise else None,
        streaming=conversations if streaming else 0,
        smoothing=_smoothing(smoothing) if smoothing else None,
        vad=vad,
        seed=seed,
        provider=provider,
    )
    typer.echo(summary(evaluate(wanted, out)))
    typer.echo(f"written: {out / 'evaluation.json'}, {out / 'report.html'}")


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UsageError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


def _smoothing(text: str) -> SmootherSettings:
    try:
        return SmootherSettings.model_validate(dict(_pair(part) for part in text.split(",")))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "smoothing"
        raise UsageError(f"--smoothing: {where}: {first['msg']}") from None


def run(arguments: list[str]) -> None:
    """Run `livemood ARGUMENTS`."""
    app(arguments, prog_name="livemood")
