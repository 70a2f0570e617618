"""Options that several commands share."""

import threading
from pathlib import Path
from typing import Annotated, Self

import typer
from pydantic import ValidationError

from livemood.engine import MonitorSettings
from livemood.errors import UsageError
from livemood.model import Model, load_model
from livemood.speech import open_detector
from livemood.speech.windows import WindowSettings

LONGEST_S = 30.0
"""Of a window and of a hop."""

ModelName = Annotated[str, typer.Option("--model", help="A shipped model, or a model's folder.")]
ProviderName = Annotated[str, typer.Option("--provider", help="auto, cpu or cuda.")]
Vad = Annotated[str, typer.Option(help="Voice activity detector: webrtc or silero.")]
WindowS = Annotated[float, typer.Option("--window", help="Seconds of sound in a full window.")]
HopS = Annotated[float, typer.Option("--hop", help="Seconds from one window to the next.")]
BudgetMs = Annotated[float, typer.Option(help="Latency budget of live sound in ms.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes any.")]
Serve = Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the timeline.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one event a line, nothing else.")]
OutDir = Annotated[Path | None, typer.Option("--out", help="Write the timeline into a folder.")]


def load(name: str, provider: str) -> Model:
    """The model, warmed up."""
    if provider not in ("auto", "cpu", "cuda"):
        raise UsageError(f"no provider is called {provider!r}: use auto, cpu or cuda")
    model = load_model(name, provider)  # type: ignore[arg-type]  # checked above
    model.warm_up()
    return model


class Loading:
    """A model that loads and warms up in a thread of its own, while whoever needs it gets ready.

    Use it as a context manager: the program must not end while ONNX Runtime is at work.
    """

    def __init__(self, name: str, provider: str) -> None:
        self._model: Model | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._load, args=(name, provider), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _load(self, name: str, provider: str) -> None:
        try:
            self._model = load(name, provider)
        except Exception as error:
            self._error = error

    def result(self) -> Model:
        """The model. Raises what loading it raised."""
        self._thread.join()
        if self._error:
            raise self._error
        assert self._model is not None  # noqa: S101 - it loaded or failed
        return self._model


def settings(
    window: float, hop: float, budget_ms: float, vad: str, model: Model
) -> MonitorSettings:
    """The monitor's settings. Raises `UsageError` for values that make no sense."""
    open_detector(vad)
    shortest = model.manifest.window.shortest_s
    if not window >= shortest:
        raise UsageError(
            f"--window {window:g} is too short: model {model.manifest.name} takes windows from "
            f"{shortest:g} s"
        )
    if window > LONGEST_S:
        raise UsageError(f"--window {window:g} is too long: the most is {LONGEST_S:g} s")
    if not 0.01 <= hop <= LONGEST_S:
        raise UsageError(f"--hop must be from 0.01 to {LONGEST_S:g} s, not {hop:g}: try 0.25")
    if not budget_ms > 0:
        raise UsageError(f"--budget-ms must be above 0, not {budget_ms:g}: try 150")
    try:
        return MonitorSettings(
            window=WindowSettings(length_s=window, hop_s=hop, first_s=shortest),
            budget_s=budget_ms / 1000,
            vad=vad,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
