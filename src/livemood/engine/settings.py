"""The settings of a session. Every door checks them here, and nowhere else."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from livemood.errors import UsageError
from livemood.speech.gate import GateSettings
from livemood.speech.windows import WindowSettings
from livemood.timeline.alert_rules import AlertRule
from livemood.timeline.smoother import SmootherSettings


class WindowLimits(Protocol):
    """The windows that a model takes."""

    @property
    def name(self) -> str:
        """What the model is called."""

    @property
    def shortest_s(self) -> float:
        """Seconds of sound in the shortest window that it can read."""

    @property
    def longest_s(self) -> float:
        """Seconds of sound in the longest one."""

    @property
    def hop_s(self) -> float | None:
        """Seconds from one window to the next that suit it best; None if any do."""

    @property
    def block_s(self) -> float | None:
        """A hop is a whole number of these; None if any will do."""


class MonitorSettings(BaseModel):
    """How one session is listened to. All times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    window: WindowSettings = WindowSettings()
    """Sliding windows. What you leave out follows from the model."""
    gate: GateSettings = GateSettings()
    """When speech begins and ends."""
    smoother: SmootherSettings = SmootherSettings()
    """How steady the label is."""
    baseline: bool = True
    """Whether readings are related to how each voice usually sounds, if the model can do that, and
    whether they tell how the voice differs from it."""
    vad: str = "webrtc"
    """Voice activity detector: `webrtc`, `silero`, or the name of a plug-in."""
    budget_s: float = Field(default=0.15, gt=0)
    """Latency budget of live sound."""
    buffer_s: float = Field(default=4.0, gt=0)
    """Sound kept for each channel, beyond one full window."""
    longest_concealed_gap_s: float = Field(default=0.5, ge=0)
    """Lost sound up to this long counts as silence; after more, speech starts afresh."""
    ignore_participants: tuple[str, ...] = ()
    """Who is not read, by name: `Agent`, say. Whoever speaks on each channel must then be named."""
    ignore_channels: tuple[int, ...] = ()
    """Channels that are not read, by number, from 0."""
    keep_words: bool = False
    """Whether `words` events hold the words themselves; needs a consent reference."""
    alerts: tuple[AlertRule, ...] = ()
    """Rules that `alert` events follow from."""

    @classmethod
    def read(cls, values: Mapping[str, Any], names: Mapping[str, str] | None = None) -> Self:
        """Settings from plain values, nested as the fields are.

        `names` says what the user wrote for a field: `{"window.hop_s": "--hop 0"}`. Raises
        `UsageError` with one line about the first value that is wrong.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise UsageError(_line(error, names or {})) from None

    def ignored(self, participants: Sequence[str], channels: int) -> frozenset[int]:
        """The channels, from 0, that are not read.

        Raises `UsageError` for one that is not there, if nobody can say who somebody is, or if
        nobody else is left.
        """
        if missing := [n for n in self.ignore_channels if not 0 <= n < channels]:
            raise UsageError(
                f"there is no channel {missing[0]} to ignore: the channels are 0 to {channels - 1}"
            )
        found = frozenset(self.ignore_channels) | self._ignored_by_name(participants, channels)
        if found and len(found) == channels:
            raise UsageError("no channel is left to read: ignore fewer")
        return found

    def _ignored_by_name(self, participants: Sequence[str], channels: int) -> frozenset[int]:
        if not self.ignore_participants:
            return frozenset()
        who = " and ".join(self.ignore_participants)
        if len(participants) < channels:
            raise UsageError(
                f"{who} must not be read: name who speaks on each channel, as participants "
                f"{self.ignore_participants[0]},Customer say"
            )
        names = {name.casefold() for name in self.ignore_participants}
        found = frozenset(n for n in range(channels) if participants[n].casefold() in names)
        if channels > 1 and not found:
            raise UsageError(
                f"{who} must not be read, but nobody is called that: rename a participant"
            )
        if len(found) == channels:
            raise UsageError(f"{who} must not be read, and nobody else speaks")
        return found

    def for_model(self, model: WindowLimits) -> Self:
        """These settings with what `model` decides filled in.

        The window's lengths follow the model unless they were set. Raises `UsageError` if the
        model cannot read the windows that were asked for.
        """
        window, given = self.window, self.window.model_fields_set
        length, first = window.length_s, window.first_s
        if "first_s" not in given:
            first = model.shortest_s
        if "length_s" not in given:
            length = min(max(length, first), model.longest_s)
        takes = f"model {model.name} takes windows of {model.shortest_s:g} to {model.longest_s:g} s"
        # Not `<`: a window that is no number is refused, too.
        if not min(length, first) >= model.shortest_s:
            raise UsageError(f"a window of {min(length, first):g} s is too short: {takes}")
        if not max(length, first) <= model.longest_s:
            raise UsageError(f"a window of {max(length, first):g} s is too long: {takes}")
        hop = model.hop_s or window.hop_s if "hop_s" not in given else window.hop_s
        _check_hop(hop, model)
        if (length, first, hop) == (window.length_s, window.first_s, window.hop_s):
            return self
        filled = window.model_copy(update={"length_s": length, "first_s": first, "hop_s": hop})
        return self.model_copy(update={"window": filled})


def _check_hop(hop_s: float, model: WindowLimits) -> None:
    if model.block_s is None:
        return
    blocks = max(1, round(hop_s / model.block_s))
    if abs(hop_s / model.block_s - blocks) > 1e-6:
        raise UsageError(
            f"model {model.name} reads blocks of {model.block_s:g} s: a hop of {hop_s:g} s is no "
            f"whole number of them, use {blocks * model.block_s:g}"
        )


def _line(error: ValidationError, names: Mapping[str, str]) -> str:
    first = error.errors()[0]
    path = ".".join(map(str, first["loc"]))
    reason = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    if first["type"] == "extra_forbidden":
        return f"there is no setting {path}"
    of_several = first["type"] == "value_error"  # of fields that do not go together
    what = path if of_several else f"{path} {first['input']!r:.60}"
    return f"{names.get(path, what)}: {reason}"
