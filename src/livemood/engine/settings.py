"""The settings of a monitor."""

from pydantic import BaseModel, ConfigDict, Field

from livemood.errors import UsageError
from livemood.model.manifest import Manifest
from livemood.speech.gate import GateSettings
from livemood.speech.windows import WindowSettings
from livemood.timeline.smoother import SmootherSettings


class MonitorSettings(BaseModel):
    """How one session is listened to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: WindowSettings = WindowSettings()
    gate: GateSettings = GateSettings()
    smoother: SmootherSettings = SmootherSettings()
    vad: str = "webrtc"
    budget_s: float = Field(0.15, gt=0)
    """The latency budget of live sound."""
    buffer_s: float = Field(4.0, gt=0)
    """Sound kept for each channel, beyond one full window."""
    longest_concealed_gap_s: float = Field(0.5, ge=0)
    """Lost sound up to this long counts as silence; after more, speech starts afresh."""

    def check(self, manifest: Manifest) -> None:
        """Raise `UsageError` if the model cannot read the windows asked for."""
        shortest, first = manifest.window.shortest_s, self.window.first_s
        if first < shortest:
            raise UsageError(
                f"a window of {first:g} s is too short: model {manifest.name} takes windows "
                f"from {shortest:g} s"
            )
