"""Whom alerts go to: the tables of a TOML file. Secrets come from files or the environment."""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from livemood.errors import UsageError, first_fault, reason
from livemood.notify.targets import DeliveryError, Target
from livemood.timeline.alert_rules import AlertRules

Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Secret(BaseModel):
    """Where a secret is. It never stands in the file of rules itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str | None = None
    """Name of an environment variable."""
    file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_none(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError('no secret stands here: give {env = "NAME"} or {file = "PATH"}')
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("give env (a variable's name) or file (a path)")
        return self

    def read(self) -> str:
        """The secret. Raises `UsageError` where there is none."""
        if self.env is not None:
            if not (value := os.environ.get(self.env, "").strip()):
                raise UsageError(f"the environment variable {self.env} is not set")
            return value
        assert self.file is not None  # noqa: S101 - `_check` saw to it
        try:
            value = self.file.read_text("utf-8").strip()
        except (OSError, UnicodeError) as error:
            raise UsageError(f"cannot read the secret in {self.file}: {reason(error)}") from None
        if not value:
            raise UsageError(f"the secret in {self.file} is empty")
        return value


class WebhookSettings(BaseModel):
    """One receiver of signed POSTs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = "webhook"
    url: str
    secret: Secret
    """The signing secret: base64, with or without `whsec_` before it."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if not re.fullmatch(r"https?://\S+", url):
            raise ValueError("it must begin with http:// or https://, and hold no space")
        return url

    def target(self) -> Target:
        """The target, ready to deliver."""
        from livemood.notify.webhook import WebhookTarget

        return WebhookTarget(self.name, self.url, self.secret.read())


class MqttSettings(BaseModel):
    """One MQTT broker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = "mqtt"
    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(1883, gt=0, lt=65_536)
    username: str | None = None
    password: Secret | None = None
    tls: bool = False
    prefix: str = Field("livemood/alerts", pattern=r"^[A-Za-z0-9_/-]+$")
    discovery: bool = True
    """Whether Home Assistant is told of each rule."""

    def target(self) -> Target:
        """The target, ready to deliver."""
        from livemood.notify.mqtt import MqttTarget

        return MqttTarget(
            self.name,
            self.host,
            self.port,
            username=self.username,
            password=self.password.read() if self.password else None,
            tls=self.tls,
            prefix=self.prefix,
            discovery=self.discovery,
        )


class AppriseSettings(BaseModel):
    """One Apprise URL; it holds a password more often than not, so it is a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name = "apprise"
    url: Secret

    def target(self) -> Target:
        """The target, ready to deliver."""
        from livemood.notify.apprise import AppriseTarget

        return AppriseTarget(self.name, self.url.read())


class NotifySettings(AlertRules):
    """Rules, and whom their alerts go to."""

    webhooks: tuple[WebhookSettings, ...] = ()
    mqtt: tuple[MqttSettings, ...] = ()
    apprise: tuple[AppriseSettings, ...] = ()

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [receiver.name for receiver in self.receivers]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two receivers have the name {min(twice)!r}: give each its own")
        return self

    @property
    def receivers(self) -> tuple[WebhookSettings | MqttSettings | AppriseSettings, ...]:
        """Whom alerts go to."""
        return (*self.webhooks, *self.mqtt, *self.apprise)

    def lacking(self) -> list[str]:
        """Secrets that cannot be had here: of which receiver, and why."""
        found = []
        for receiver in self.receivers:
            for _, secret in receiver:
                try:
                    if isinstance(secret, Secret):
                        secret.read()
                except UsageError as error:
                    found.append(f"{receiver.name}: {error}")
        return found

    def targets(self) -> list[Target]:
        """Every receiver. Raises `UsageError` for a missing secret or a missing extra."""
        found: list[Target] = []
        for settings in self.receivers:
            try:
                found.append(settings.target())
            except ModuleNotFoundError as error:
                raise UsageError(
                    f"alerts to {settings.name!r} need {error.name}: pip install 'livemood[alerts]'"
                ) from None
            except (DeliveryError, ValueError) as error:
                raise UsageError(f"alerts to {settings.name!r}: {error}") from None
        return found


def load_notify_settings(path: str | Path) -> NotifySettings:
    """Rules and receivers of a TOML file. Raises `UsageError` with one line for a wrong one."""
    path = Path(path)
    try:
        return NotifySettings.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise UsageError(f"cannot read the alert rules {path}: {error.strerror}") from None
    except (UnicodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"the alert rules {path} are not TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(
            f"the alert rules {path}: {first_fault(error, 'alerts', NotifySettings)}"
        ) from None
