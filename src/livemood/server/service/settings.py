"""Settings of `livemood serve`: flags, then the environment, then one TOML file."""

from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from livemood.errors import UsageError
from livemood.server.service.archive import default_folder


class Limits(BaseModel):
    """What is allowed; each limit has an error code of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sessions: int = Field(500, ge=1)
    """Sessions waiting or live: `too_many_sessions`."""
    clients: int = Field(1000, ge=1)
    """Open WebSockets: `too_many_clients`."""
    publishers: int = Field(64, ge=0)
    """Who publish by WHIP: `too_many_clients`."""
    message_bytes: int = Field(65_536, ge=1024)
    """Of a WebSocket message or a request's body: close code 1009, `message_too_big`."""
    ahead_s: float = Field(5.0, gt=0)
    """Sound that may come ahead of real time, in seconds: `too_fast`."""
    idle_s: float = Field(60.0, gt=0)
    """A live session without sound for so long is ended: `idle`."""
    waiting_s: float = Field(600.0, gt=0)
    """A session whose sound does not begin within so long is ended."""
    failed_logins: int = Field(10, ge=1)
    """Of one address in a minute: `too_many_logins`."""
    request_s: float = Field(10.0, gt=0)
    """In which a request, or a stream's first message, must have come: `too_slow`."""
    half_open: int = Field(512, ge=1)
    """Connections that have not sent a request yet; the oldest give way."""


class RtpSettings(BaseModel):
    """Where calls are received. RTP knows no passwords: whoever can send there is heard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    advertise: str | None = None
    """What senders are told in its place, behind a translation of addresses say."""
    first_port: int = Field(30000, ge=1024, le=65534)
    last_port: int = Field(30999, ge=1024, le=65535)
    """Each party of a call has an even port out of these, and the one above it for RTCP."""
    shared_port: int | None = Field(None, ge=1024, le=65534)
    """For calls that are told apart by their SSRCs."""
    idle_s: float = Field(30.0, gt=0)
    """A party that sends nothing for so long, no report either, has left."""


class ServeSettings(BaseSettings):
    """Everything about a server."""

    model_config = SettingsConfigDict(
        env_prefix="LIVEMOOD_", env_nested_delimiter="__", extra="forbid", frozen=True
    )
    _file: ClassVar[Path | None] = None

    host: str = "127.0.0.1"
    port: int = Field(8765, ge=0, le=65535)
    data: Path = Field(default_factory=default_folder)
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
    window: float = 3.0
    hop: float = 0.25
    budget_ms: float = 150.0
    vad: str = "webrtc"
    retention_days: float = Field(30.0, gt=0)
    """How long sessions are kept that do not say so themselves."""
    busiest: float = Field(0.7, gt=0, le=1)
    """The load above which no more sessions are taken."""
    limits: Limits = Limits()
    rtp: RtpSettings = RtpSettings()

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
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "settings"
        raise UsageError(f"{name}: {first['msg'].lower()}") from None
    except ValueError as error:  # the file is no TOML, or a variable no JSON
        raise UsageError(f"the settings cannot be read: {error}") from None
    assert isinstance(found, ServeSettings)  # noqa: S101 - a subclass of it
    return found
