"""A voice's baseline: how it usually sounds, so that readings can be related to it.

Some voices are always bright, some always low. The baseline is a running mean of what the network
pooled of one voice's windows so far, in deviations from the mean over training speakers. A share
of it is subtracted from each window's statistics before they are read. The share grows with what
is known, so that a voice never heard before reads as it would without.
"""

import base64
import os
from pathlib import Path
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from livemood.errors import FileError, ModelError
from livemood.model.manifest import BaselineSettings, Manifest
from livemood.model.network.pooling import Speakers

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class VoiceBaseline:
    """The running mean of one voice. Pure: pushed statistics, asked for what to subtract.

    What sounds neutral counts most. Somebody who is angry from the first second would otherwise
    make anger the measure; so it still comes, but slowly and within bounds.
    """

    __slots__ = ("_anchor", "_settings", "_shift", "_speakers", "enrolled", "mean", "seconds")

    def __init__(
        self,
        settings: BaselineSettings,
        speakers: Speakers,
        mean: Float64 | None = None,
        seconds: float = 0.0,
    ) -> None:
        self._settings, self._speakers = settings, speakers
        self.mean: Float64 = np.zeros(len(speakers.mean)) if mean is None else mean.copy()
        """In deviations from the mean over training speakers, shape (values,)."""
        self.seconds = seconds
        """Seconds of speech that it rests on, less where that did not sound neutral."""
        self.enrolled = False
        """Whether it was told what to rest on: it then counts at once."""
        self._anchor = self.mean.copy()
        self._shift: Float32 | None = None

    @property
    def share(self) -> float:
        """How much it counts, from 0 for a voice never heard towards 1."""
        beyond = max(0.0, self.seconds - (0.0 if self.enrolled else self._settings.wait_s))
        return beyond / (beyond + self._settings.shrink_s)

    @property
    def counted_s(self) -> float:
        """Seconds that a reading is related to: none as long as it does not count."""
        return self.seconds if self.share else 0.0

    def shift(self) -> Float32 | None:
        """What to subtract from a window's statistics, shape (values,); None for nothing."""
        if self._shift is None and (share := self.share) > 0:
            scaled = share * self.mean * self._speakers.deviation
            self._shift = scaled.astype(np.float32)
        return self._shift

    def push(
        self, statistics: Float32, seconds: float, neutral: float, not_speech: float = 0.0
    ) -> None:
        """Take the statistics of a window, shape (values,), that brought `seconds` of new sound.

        `neutral` is the probability that it sounded neutral, `not_speech` that it was no speech.
        """
        s = self._settings
        weight = seconds * (s.least_weight + (1 - s.least_weight) * neutral) * (1 - not_speech)
        if weight <= 0:
            return
        off = (statistics - self._speakers.mean) / self._speakers.deviation
        np.clip(off, -s.most, s.most, out=off)
        total = self.seconds + weight
        self.mean += (off - self.mean) * (weight / total)
        np.clip(self.mean, self._anchor - s.most_moved, self._anchor + s.most_moved, out=self.mean)
        self.seconds = min(total, s.longest_s)
        self._shift = None

    def enroll(self) -> None:
        """Count at once from now on."""
        self.enrolled, self._shift = True, None

    def set(self, mean: Float64, seconds: float) -> None:
        """Go on from a baseline that was saved; what is heard moves it within bounds of that."""
        self.mean[:] = mean
        self._anchor = self.mean.copy()
        self.seconds = min(seconds, self._settings.longest_s)
        self.enroll()


class _File(BaseModel):
    """What is saved: JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_: Literal["livemood.baseline/1"] = Field("livemood.baseline/1", alias="schema")
    model: str
    version: str
    sha256: str
    """Of the network that it belongs to."""
    seconds: float = Field(ge=0)
    mean: str
    """float32, little-endian, base64."""


class _Model(Protocol):
    """What a baseline needs of the model that it belongs to."""

    @property
    def manifest(self) -> Manifest: ...

    def hear(self, baseline: VoiceBaseline, samples: ArrayLike, sample_rate: int) -> None: ...


class Baseline:
    """How one voice usually sounds, as a model hears it. Made by `Model.baseline`.

        b = model.baseline()
        b.hear(samples, rate)           # some 20 s of ordinary speech
        model.predict(clip, rate, baseline=b)
        b.save("me.baseline")           # model.baseline("me.baseline") reads it again

    Give it to one channel of a session at most: it grows by what that channel says. A saved
    baseline is biometric data: ask whoever speaks, and delete the file when it is not needed.
    """

    def __init__(self, voice: VoiceBaseline, model: _Model) -> None:
        self.voice = voice
        """The running mean itself."""
        self._model = model

    @property
    def seconds(self) -> float:
        """Seconds of speech that it rests on, less where that did not sound neutral."""
        return self.voice.seconds

    def hear(self, samples: ArrayLike, sample_rate: int) -> None:
        """Add speech of this voice: mono, in [-1, 1], shape (n,), of any length and rate.

        Raises `UsageError` if it is something else.
        """
        self._model.hear(self.voice, samples, sample_rate)

    def voice_for(self, model: _Model) -> VoiceBaseline:
        """The running mean, for use by `model`. Raises `ModelError` if it is another model's."""
        own, other = self._model.manifest, model.manifest
        if own.sha256 != other.sha256:
            raise ModelError(_foreign("this baseline", own.name, own.version, model))
        return self.voice

    def to_json(self) -> str:
        """The baseline as text; `from_json` reads it."""
        manifest = self._model.manifest
        mean = np.ascontiguousarray(self.voice.mean, "<f4").tobytes()
        return _File(
            schema="livemood.baseline/1",
            model=manifest.name,
            version=manifest.version,
            sha256=manifest.sha256,
            seconds=round(self.seconds, 3),
            mean=base64.b64encode(mean).decode(),
        ).model_dump_json(by_alias=True)

    def from_json(self, text: str | bytes, what: str = "the baseline") -> Self:
        """Become the baseline that `text` holds. `what` names it in errors.

        Raises `FileError` if it is damaged, `ModelError` if it is another model's.
        """
        try:
            told = _File.model_validate_json(text)
            mean = np.frombuffer(base64.b64decode(told.mean, validate=True), "<f4")
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            raise FileError(f"{what} is damaged or no baseline: {reason}") from None
        except ValueError:
            raise FileError(f"{what} is damaged: its values cannot be read") from None
        if told.sha256 != self._model.manifest.sha256:
            raise ModelError(_foreign(what, told.model, told.version, self._model))
        if mean.shape != self.voice.mean.shape or not np.isfinite(mean).all():
            raise FileError(f"{what} is damaged: its values do not fit the model")
        self.voice.set(mean.astype(np.float64), told.seconds)
        return self

    def save(self, path: str | Path) -> None:
        """Write it to a file that only you can read. Raises `FileError` if that cannot be."""
        path = Path(path)
        part = path.with_name(f"{path.name}.part")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with os.fdopen(os.open(part, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(self.to_json() + "\n")
            part.replace(path)
        except OSError as error:
            raise FileError(f"cannot write {path}: {error.strerror or error}") from None

    def read(self, path: Path) -> Self:
        """Become the baseline that was saved at `path`; see `from_json`."""
        try:
            text = path.read_bytes()
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror or error}") from None
        return self.from_json(text, str(path))


def _foreign(what: str, name: str, version: str, model: _Model) -> str:
    own = model.manifest
    return (
        f"{what} was made with model {_plain(name)} {_plain(version)} and does not fit model "
        f"{own.name} {own.version}: make a new one with `livemood enroll`"
    )


def _plain(text: str) -> str:
    """`text` of somebody's file on one line, and short."""
    return " ".join(text.split())[:40]
