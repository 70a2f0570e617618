"""`livemood listen` and `livemood demo`: live sound to a live timeline."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livemood.cli import options
from livemood.cli.interrupt import QuietInterrupts
from livemood.cli.live.driver_noise import without_driver_noise
from livemood.cli.live.live_source import Asked, open_source, speed_of, wait_for_sender
from livemood.cli.live.running import run_session
from livemood.cli.sound_files import names, raw_format
from livemood.engine import About, MonitorSettings
from livemood.errors import UsageError
from livemood.notify import load_notify_settings
from livemood.plugins import make_plugin
from livemood.sources import FileSource
from livemood.sources.devices import LOOPBACK

if TYPE_CHECKING:
    from livemood.server import Demo

DEMO = Path(__file__).resolve().parents[2] / "assets" / "demo.opus"
SPEAKERS = About("demonstration", "synthetic voices: nobody speaks", ("Clinic", "Caller"))
"""Who speaks in the demo."""
NO_PAGE = "--open shows the page that is served: leave --no-serve out"
Stay = Annotated[bool, typer.Option("--stay", help="Serve on after the end, until Ctrl-C.")]
DemoStay = Annotated[
    bool | None,
    typer.Option(
        "--stay/--no-stay",
        help="Serve on after the end, until Ctrl-C. On a terminal that is the default.",
        show_default=False,
    ),
]
Speed = Annotated[str, typer.Option(help="Of a file: 1 is real time, max as fast as possible.")]
DemoSpeed = Annotated[str, typer.Option(help="1 is real time, max as fast as possible.")]


def listen(
    ctx: typer.Context,
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="Microphone: its index or a part of its name; mic is the default one, loopback "
            "what the computer plays. Give it again for one more channel.",
            show_default=False,
        ),
    ] = None,
    loopback: Annotated[
        bool, typer.Option("--loopback", help="What the computer plays: --device loopback.")
    ] = False,
    file: Annotated[
        str | None,
        typer.Option(
            help="A sound or video file instead of a microphone, or - for standard input.",
            show_default=False,
        ),
    ] = None,
    speed: Speed = "1",
    track: options.Track = None,
    rate: options.RawRate = None,
    encoding: options.RawEncoding = None,
    channels: options.RawChannels = None,
    urls: options.Urls = False,
    rtp: Annotated[
        str | None, typer.Option(help="A call: HOST:PORT to receive RTP at.", show_default=False)
    ] = None,
    sdp: Annotated[
        Path | None, typer.Option(help="What the call's payload types mean: an SDP file.")
    ] = None,
    plugin: Annotated[
        str | None,
        typer.Option(
            "--source", help="A plug-in's source: NAME or NAME:ARGUMENT.", show_default=False
        ),
    ] = None,
    sink: Annotated[
        list[str] | None,
        typer.Option(help="A plug-in that takes the events: NAME or NAME:ARGUMENT; repeatable."),
    ] = None,
    preset: options.PresetName = None,
    consent: Annotated[
        str | None,
        typer.Option(help="Reference to the consent of those who speak.", show_default=False),
    ] = None,
    window: options.WindowS = None,
    hop: options.HopS = None,
    budget_ms: options.BudgetMs = 150.0,
    vad: options.Vad = "webrtc",
    port: options.Port = 8765,
    serve: options.Serve = True,
    model: options.ModelName = "default",
    provider: options.ProviderName = "auto",
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            help="How a voice usually sounds, as enroll wrote it; once for each channel, in order.",
            show_default=False,
        ),
    ] = None,
    use_baseline: options.UseBaseline = True,
    participants: options.Participants = None,
    ignore_channel: options.IgnoreChannel = None,
    alerts: Annotated[
        Path | None,
        typer.Option(help="When to alert, and whom: a TOML file.", show_default=False),
    ] = None,
    words: Annotated[
        str | None,
        typer.Option(help="Also read what is said, by this text model.", show_default=False),
    ] = None,
    recogniser: Annotated[
        str | None,
        typer.Option(
            help="With --words: the folder of a Whisper model (CTranslate2) that recognises it.",
            show_default=False,
        ),
    ] = None,
    stay: Stay = False,
    open_page: options.Open = False,
    as_json: options.AsJson = False,
    out: options.OutDir = None,
) -> None:
    """Listen to a microphone, a file or a call, and say at once how the voices sound."""
    devices = [*(device or []), *([LOOPBACK] if loopback else [])]
    if open_page and not serve:
        raise UsageError(NO_PAGE)
    if (words is None) != (recogniser is None):
        raise UsageError("--words and --recogniser go together: what is recognised is read")
    raw = raw_format(rate, encoding, channels)
    asked = Asked(devices, file, speed, track, raw, urls, rtp, sdp, plugin)
    notify = load_notify_settings(alerts) if alerts else None
    kept, purpose = options.open_preset(preset, consent)
    ctx.with_resource(without_driver_noise())
    with QuietInterrupts(), options.Loading(model, provider) as loading:
        source = open_source(asked)
        _import_server(serve)
        loaded = loading.result()
    chosen = options.settings(
        window, hop, budget_ms, vad, loaded, baseline=use_baseline, preset=kept
    )
    baselines = [options.for_baselines(loaded).baseline(path) for path in baseline or ()]
    if notify:
        chosen = chosen.model_copy(update={"alerts": notify.alerts})
    if ignore_channel:
        chosen = chosen.model_copy(update={"ignore_channels": tuple(ignore_channel)})
    wait_for_sender(source)
    who = names(participants)
    if len(who) > source.channels:
        source.stop()
        has = f"{source.name} has {source.channels} channel(s)"
        raise UsageError(f"{has}, but --participants names {len(who)}")
    run_session(
        source,
        loaded,
        chosen,
        port if serve else None,
        as_json,
        out,
        stay,
        About(purpose, consent, who),
        sinks=[make_plugin("sinks", spec) for spec in sink or []],
        baselines=baselines,
        notify=notify,
        open_page=open_page,
        words=(words, recogniser) if words and recogniser else None,
    )


def demo(
    speed: DemoSpeed = "1",
    port: options.Port = 8765,
    serve: options.Serve = True,
    model: options.ModelName = "default",
    stay: DemoStay = None,
    open_page: options.Open = False,
    as_json: options.AsJson = False,
    out: options.OutDir = None,
) -> None:
    """Try livemood on a conversation of two synthetic voices: you need no microphone.

    The page that it serves plays the sound and shows the words.
    """
    if open_page and not serve:
        raise UsageError(NO_PAGE)
    if stay is None:
        stay = sys.stdout.isatty() and not as_json
    with QuietInterrupts(), options.Loading(model, "auto") as loading:
        source = FileSource(DEMO, times := speed_of(speed))
        _import_server(serve)
        loaded = loading.result()
    if not as_json:
        typer.echo("A conversation between two synthetic voices (espeak-ng).", err=True)
    run_session(
        source,
        loaded,
        MonitorSettings(),
        port if serve else None,
        as_json,
        out,
        stay,
        SPEAKERS,
        open_page=open_page,
        demo=_played(times) if serve else None,
    )


def _played(speed: float | None) -> "Demo":
    from livemood.server import Demo

    return Demo(real_time=speed == 1)


def _import_server(wanted: bool) -> None:
    """Import what serves, if it is wanted, while the model loads."""
    if wanted:
        import livemood.server  # noqa: F401
