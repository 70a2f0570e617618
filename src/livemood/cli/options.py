"""Options that several commands share."""

import threading
from pathlib import Path
from typing import Annotated, Self

import typer

from livemood.engine import AnyModel, MonitorSettings
from livemood.engine.extensions import open_model, reader_of
from livemood.errors import UsageError
from livemood.model import Model
from livemood.presets import NAMES, Preset, load_preset
from livemood.speech import open_detector

ModelName = Annotated[
    str, typer.Option("--model", help="A shipped model, a model's folder, or a plug-in's.")
]
ProviderName = Annotated[
    str, typer.Option("--provider", help="What the model runs on: auto, cpu, cuda.")
]
Vad = Annotated[str, typer.Option(help="Voice activity detector: webrtc, silero or a plug-in's.")]
WindowS = Annotated[
    float | None,
    typer.Option("--window", help="Seconds of sound in a full window: the model's longest or 3."),
]
HopS = Annotated[
    float | None,
    typer.Option("--hop", help="Seconds from one window to the next: the model's own or 0.25."),
]
UseBaseline = Annotated[
    bool,
    typer.Option(
        "--use-baseline/--no-baseline",
        help="Relate readings to how each voice usually sounds, if the model can.",
    ),
]
BudgetMs = Annotated[float, typer.Option(help="Latency budget of live sound in ms.")]
RawRate = Annotated[
    int | None, typer.Option("--rate", help="Samples a second of raw sound without a header.")
]
RawEncoding = Annotated[
    str | None, typer.Option("--encoding", help="Of raw sound: s16le, f32le, mulaw and others.")
]
RawChannels = Annotated[
    int | None, typer.Option("--channels", help="Of raw sound: 1 if not given.")
]
Track = Annotated[
    int | None, typer.Option("--track", min=1, help="Which audio track of a video, from 1.")
]
Urls = Annotated[bool, typer.Option("--urls", help="Fetch http and https addresses, too.")]
Participants = Annotated[
    str | None, typer.Option(help="Who speaks on each channel, as Agent,Customer.")
]
IgnoreChannel = Annotated[
    list[int] | None,
    typer.Option(help="A channel that is not read, from 0; repeatable.", show_default=False),
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes any.")]
Serve = Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the page and the events.")]
Open = Annotated[bool, typer.Option("--open", help="Show the page in a browser.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one event a line, nothing else.")]
PresetName = Annotated[
    str | None,
    typer.Option("--preset", help=f"{', '.join(NAMES)}, or a TOML file.", show_default=False),
]
OutDir = Annotated[Path | None, typer.Option("--out", help="Write the events into a folder.")]


def for_baselines(model: AnyModel) -> Model:
    """The model, if voices' baselines can be kept for it. Raises `UsageError`."""
    if not isinstance(model, Model):
        name = reader_of(model).name
        raise UsageError(f"model {name} is a plug-in's: baselines are for livemood's own models")
    return model


class Loading:
    """A model that loads and warms up in a thread of its own, while whoever needs it gets ready.

    Use it as a context manager: the program must not end while ONNX Runtime is at work.
    """

    def __init__(self, name: str, provider: str) -> None:
        self._model: AnyModel | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._load, args=(name, provider), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _load(self, name: str, provider: str) -> None:
        try:
            self._model = open_model(name, provider)
        except Exception as error:
            self._error = error

    def result(self) -> AnyModel:
        """The model. Raises what loading it raised."""
        self._thread.join()
        if self._error:
            raise self._error
        assert self._model is not None  # noqa: S101 - it loaded or failed
        return self._model


def settings(
    window: float | None,
    hop: float | None,
    budget_ms: float,
    vad: str,
    model: AnyModel,
    *,
    baseline: bool = True,
    preset: Preset | None = None,
) -> MonitorSettings:
    """The session's settings. Raises `UsageError` for values that make no sense."""
    open_detector(vad)
    lengths = {"length_s": window, "hop_s": hop}
    values = {
        "window": {name: value for name, value in lengths.items() if value is not None},
        "budget_s": budget_ms / 1000,
        "vad": vad,
        "baseline": baseline,
    }
    given = {
        "window.length_s": f"--window {window}",
        "window.hop_s": f"--hop {hop}",
        "budget_s": f"--budget-ms {budget_ms:g}",
    }
    if preset is not None:
        values = preset.over(values) | {"alerts": preset.alerts}
    return MonitorSettings.read(values, given).for_model(reader_of(model))


def open_preset(name: str | None, consent: str | None) -> tuple[Preset | None, str | None]:
    """The preset of that name and its purpose; neither without a name. Raises `UsageError`."""
    if name is None:
        return None, None
    preset = load_preset(name)
    return preset, _purpose(preset, consent)


def _purpose(preset: Preset, consent: str | None) -> str:
    """The preset's first purpose. Raises `UsageError` for what the policy refuses."""
    from livemood.server.access.policy import load_policy

    policy, name = load_policy(), preset.purposes[0]
    purpose = policy.purposes.get(name)
    if purpose is None:
        raise UsageError(
            f"the policy knows no purpose {name!r}, of the preset {preset.name}: use one of "
            f"{', '.join(policy.allowed)}"
        )
    if purpose.refused is not None:
        raise UsageError(f"the preset {preset.name} is for {name}: {purpose.refused}")
    if purpose.must_consent and not (consent or "").strip():
        raise UsageError(
            f"the preset {preset.name} is for {name}, which needs the consent of those who speak: "
            "give a reference to it with --consent"
        )
    return name
