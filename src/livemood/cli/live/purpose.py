"""A preset on the command line, as far as the policy allows what it is for."""

from livemood.errors import UsageError
from livemood.presets import Preset, load_preset


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
