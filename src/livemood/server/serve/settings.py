"""Settings of `livemood serve`: flags, then the environment, then one TOML file."""

import os
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from livemood.engine import AnyModel, MonitorSettings
from livemood.engine.extensions import reader_of
from livemood.errors import UsageError, first_fault
from livemood.presets import load_preset
from livemood.server.inputs.settings import RtpSettings
from livemood.server.peers.node import NodeSettings
from livemood.server.sessions.limits import Limits
from livemood.server.storage.folder import default_folder
from livemood.speech import open_detector


class ServeSettings(BaseSettings):
    """Everything about a server."""

    model_config = SettingsConfigDict(
        env_prefix="LIVEMOOD_", env_nested_delimiter="__", extra="forbid", frozen=True
    )
    _file: ClassVar[Path | None] = None

    host: str = "127.0.0.1"
    port: int = Field(8765, ge=0, le=65535)
    data: Path = Field(default_factory=default_folder)
    database: str | None = None
    """PostgreSQL, where several servers keep sessions together: postgresql://USER@HOST/DATABASE."""
    cluster: str | None = None
    """NATS, by which the nodes of a cluster know each other: nats://HOST:4222, or tls://."""
    node: NodeSettings = NodeSettings()
    policy: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    insecure_proxy: bool = False
    """A reverse proxy in front does TLS: do without, though others can reach this server."""
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    """Addresses of such proxies: only their word on who asks is taken."""
    hosts: tuple[str, ...] = ()
    """Names by which the server may be asked, besides this machine's own."""
    origins: tuple[str, ...] = ()
    """Origins of web pages, besides the server's own, that may use it."""
    model: str = "default"
    provider: str = "auto"
    workers: int | Literal["auto"] = 1
    """Processes that share the address, each with its own sessions; `auto`: one a processor."""
    window: float | None = None
    """Seconds of sound in a full window; the model's unless it is set."""
    hop: float | None = None
    """Seconds from one window to the next; the model's own or 0.25 unless it is set."""
    budget_ms: float = 150.0
    vad: str = "webrtc"
    monitor: dict[str, Any] = Field(default_factory=dict)
    """Any other setting of how sessions are listened to, by group: gate, smoother, window."""
    words: str | None = None
    """Also read words that inputs send: a shipped text model, as `words`, or a folder."""
    recogniser: str | None = None
    """With `words`: recognise speech here, by the Whisper model (CTranslate2) in this folder."""
    alerts: Path | None = None
    """Alert rules and receivers: a TOML file, as `livemood listen --alerts` reads it."""
    preset: str | None = None
    """Settings for a kind of work: a shipped preset or a TOML file. What you set yourself wins."""
    retention_days: float = Field(30.0, gt=0)
    """How long sessions are kept that do not say so themselves."""
    busiest: float = Field(0.7, gt=0, le=1)
    """The load above which no more sessions are taken."""
    drain_timeout_s: float = Field(20.0, ge=0)
    """How long running sessions may go on after SIGTERM, while new ones are refused."""
    hang_timeout_s: float = Field(30.0, ge=3)
    """A worker of several that says nothing for so long is killed, and started anew."""
    limits: Limits = Limits()
    rtp: RtpSettings = RtpSettings()

    @field_validator("workers", mode="before")
    @classmethod
    def _is_a_number_of_workers(cls, value: object) -> object:
        text = str(value)
        if text != "auto" and not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 256):
            raise ValueError("give a number of processes from 1 to 256, or auto")
        return value if value == "auto" else int(text)

    @property
    def processes(self) -> int:
        """How many workers there are to be."""
        if self.workers != "auto":
            return self.workers
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, that over the file."""
        del dotenv_settings, file_secret_settings
        file = TomlConfigSettingsSource(settings_cls, cls._file) if cls._file else None
        return (init_settings, env_settings, *([file] if file else []))


def read_settings(file: Path | None, flags: dict[str, Any]) -> ServeSettings:
    """The settings. Raises `UsageError` for values that make no sense, and for unknown names."""
    if file is not None and not file.is_file():
        raise UsageError(f"no settings file {file}: check the path")
    reader = type("_Reader", (ServeSettings,), {"_file": file, "__doc__": ServeSettings.__doc__})
    try:
        found = reader(**flags)
    except ValidationError as error:
        raise UsageError(first_fault(error, "settings", ServeSettings)) from None
    except ValueError as error:  # the file is no TOML, or a variable no JSON
        raise UsageError(f"the settings cannot be read: {error}") from None
    assert isinstance(found, ServeSettings)  # noqa: S101 - a subclass of it
    return found


def where_kept(settings: ServeSettings) -> str:
    """Where a server with these settings keeps what it keeps, as `livemood token` says it."""
    return f"data is kept in {settings.data.absolute()}"


def monitor_settings(settings: ServeSettings, model: AnyModel) -> MonitorSettings:
    """How sessions are listened to. Raises `UsageError` for what makes no sense."""
    lengths = {"length_s": settings.window, "hop_s": settings.hop}
    values: dict[str, Any] = {
        "window": {name: value for name, value in lengths.items() if value is not None},
        "budget_s": settings.budget_ms / 1000,
        "vad": settings.vad,
    }
    for name, value in settings.monitor.items():
        group = values.get(name)
        both = isinstance(group, dict) and isinstance(value, dict)
        values[name] = group | value if both else value
    if settings.preset is not None:
        values = load_preset(settings.preset).over(values)
    open_detector(str(values["vad"]))
    names = {"window.hop_s": f"hop {settings.hop}", "budget_s": f"budget_ms {settings.budget_ms:g}"}
    if settings.window is not None:
        names["window.length_s"] = f"window {settings.window:g}"
    return MonitorSettings.read(values, names).for_model(reader_of(model))
