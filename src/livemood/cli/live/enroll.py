"""`livemood enroll`: how a voice usually sounds, into a file."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from livemood.cli import options
from livemood.cli.live.running import ended_by_signals
from livemood.engine import BackgroundSession, MonitorSettings
from livemood.engine.extensions import open_model
from livemood.errors import UsageError
from livemood.sources import BlockSource, FileSource, Microphone
from livemood.timeline.events import Emotion

LEAST_S = 5.0
"""Speech without which there is nothing to write."""


def enroll(
    out: Annotated[Path, typer.Option(help="The file to write.", show_default=False)],
    device: Annotated[
        str | None, typer.Option(help="Microphone: its index or a part of its name.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="A sound file instead of a microphone.")] = None,
    seconds: Annotated[
        float, typer.Option(min=LEAST_S, max=600, help="How much speech to listen to.")
    ] = 20.0,
    model: options.ModelName = "default",
) -> None:
    """Listen to some ordinary speech of one person, and write how that voice usually sounds.

    `livemood listen --baseline FILE` then relates its readings to that. The file is biometric data:
    ask whoever speaks, and delete it when it is not needed any more.
    """
    if device is not None and file is not None:
        raise UsageError("give one of --device and --file")
    if not out.parent.is_dir():
        raise UsageError(f"there is no folder {out.parent}: make it first, or write elsewhere")
    loaded = options.for_baselines(open_model(model, "auto"))
    baseline = loaded.baseline()
    source: BlockSource = FileSource(file, None) if file is not None else Microphone(device)
    if source.channels != 1 and file is not None:
        raise UsageError(f"{file} has {source.channels} channels: give a file with one voice, mono")
    if file is None:
        typer.echo(f"Speak as you usually do, for {seconds:g} s. Ctrl-C ends.", err=True)
    speech_s = 0.0
    session = BackgroundSession(source, loaded, MonitorSettings(), baselines=[baseline])
    with ended_by_signals(session), closing(session.events()) as events:
        read_until = 0
        for event in events:
            if isinstance(event, Emotion):
                speech_s += (event.end_ms - max(read_until, event.start_ms)) / 1000
                read_until = event.end_ms
            if speech_s >= seconds:
                session.stop()
    if session.failure:
        raise session.failure
    if speech_s < LEAST_S:
        raise UsageError(
            f"only {speech_s:.1f} s of speech were heard, {LEAST_S:g} s are needed: "
            "nothing is written"
        )
    baseline.save(out)
    typer.echo(
        f"{out}: {speech_s:.0f} s of speech, of which {baseline.seconds:.0f} s count as neutral. "
        "It is biometric data: delete it when it is not needed any more.",
        err=True,
    )
