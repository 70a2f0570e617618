"""What sessions may be for: a policy file, by default after the EU AI Act."""

import hashlib
import tomllib
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from livemood.errors import UsageError, first_fault
from livemood.server.refused import Refused
from livemood.server.spec import SessionSpec
from livemood.timeline.alert_rules import AlertRule

DEFAULT = Path(__file__).with_name("policy.toml")


class Purpose(BaseModel):
    """One purpose that a session can have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str
    refused: str | None = None
    """Why sessions of this purpose are refused; none where they are allowed."""
    must_inform: bool = True
    """Whether those who speak must have been told."""
    must_consent: bool = False
    """Whether a reference to their consent is needed."""
    longest_retention_days: float | None = Field(None, gt=0)
    alerts_name_channel: bool = False
    """Whether alerts on how a voice sounds must name a channel: others on the call are at work."""


class Policy(BaseModel):
    """The purposes that sessions may have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    purposes: dict[str, Purpose] = Field(min_length=1)
    digest: str = ""
    """The first digits of the file's SHA-256: which policy held, in the audit log."""

    @property
    def allowed(self) -> list[str]:
        """Names of the purposes that are not refused."""
        return [name for name, purpose in self.purposes.items() if purpose.refused is None]

    @property
    def version(self) -> str:
        """What the audit log calls it."""
        return f"{self.name} [{self.digest}]"

    def limited(self, names: Iterable[str], preset: str) -> "Policy":
        """The same, with no purposes but those of a preset.

        Raises `UsageError` if one is unknown, or refused.
        """
        for name in names:
            if name not in self.allowed:
                known = self.purposes.get(name)
                why = (known and known.refused) or f"use one of {', '.join(self.allowed)}"
                raise UsageError(f"the preset {preset} is for {name!r}: {why}")
        return self.model_copy(update={"purposes": {name: self.purposes[name] for name in names}})

    def check(self, spec: SessionSpec) -> None:
        """Raise `Refused` if a session as `spec` says must not be."""
        purpose = self.purposes.get(spec.purpose)
        if purpose is None:
            raise Refused(
                "unknown_purpose",
                f"the policy knows no such purpose: use one of {', '.join(self.allowed)}",
                403,
            )
        if purpose.refused is not None:
            raise Refused("purpose_refused", f"{spec.purpose}: {purpose.refused}", 403)
        if purpose.must_inform and not (spec.informed or spec.consent):
            raise Refused(
                "not_informed",
                "those who speak must be told that how they sound is being estimated (EU AI Act, "
                "article 50(3)): say so with informed, or give a consent reference",
                403,
            )
        if purpose.must_consent and not spec.consent:
            raise Refused("no_consent", f"{spec.purpose} needs a consent reference", 403)
        if spec.keep_sound and not spec.consent:
            raise Refused("no_consent", "keeping sound needs a consent reference", 403)
        if spec.keep_words and not spec.consent:
            raise Refused("no_consent", "keeping words needs a consent reference", 403)
        if spec.keep_baselines and not spec.consent:
            raise Refused("no_consent", "keeping baselines needs a consent reference", 403)
        longest = purpose.longest_retention_days
        if longest is not None and (spec.retention_days or 0) > longest:
            raise Refused(
                "retention_too_long", f"{spec.purpose}: at most {longest:g} days are allowed", 403
            )

    def may_watch(self, rule: AlertRule, purpose: str) -> bool:
        """Whether an alert rule may hold in sessions of a purpose."""
        found = self.purposes.get(purpose)
        if found is None or found.refused is not None:
            return False
        return not (found.alerts_name_channel and rule.channel is None and rule.of_voices)

    def check_rule(self, rule: AlertRule, purpose: str) -> None:
        """Raise `Refused` if an alert rule must not hold in sessions of a purpose."""
        found = self.purposes.get(purpose)
        if found is None:
            raise Refused(
                "unknown_purpose",
                f"the policy knows no such purpose: use one of {', '.join(self.allowed)}",
                403,
            )
        if found.refused is not None:
            raise Refused("purpose_refused", f"{purpose}: {found.refused}", 403)
        if not self.may_watch(rule, purpose):
            raise Refused(
                "rule_needs_channel",
                f"{purpose}: alert {rule.name!r} must name the channel that it looks at, so that "
                "nobody is watched at their work",
                403,
            )

    def retention_days(self, spec: SessionSpec, default: float) -> float:
        """How long the session is kept."""
        longest = self.purposes[spec.purpose].longest_retention_days
        days = spec.retention_days or default
        return days if longest is None else min(days, longest)


def load_policy(path: Path | None = None) -> Policy:
    """The policy of a file; the shipped one by default. Raises `UsageError` for a wrong file."""
    path = path or DEFAULT
    try:
        content = path.read_bytes()
        policy = Policy.model_validate(tomllib.loads(content.decode()))
    except OSError as error:
        raise UsageError(f"cannot read the policy {path}: {error.strerror}") from None
    except (UnicodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"the policy {path} is no TOML: {error}") from None
    except ValidationError as error:
        raise UsageError(f"the policy {path}: {first_fault(error, 'policy', Policy)}") from None
    digest = hashlib.sha256(content).hexdigest()[:12]
    return policy.model_copy(update={"digest": digest})
