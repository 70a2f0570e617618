"""Bring your own voice activity detector: here, whatever is loud counts as speech.

python examples/own_detector.py call.wav
"""

import sys

import numpy as np

import livemood


class Loud:
    """Says of each frame of 20 ms whether it is louder than a threshold."""

    frame_length = 320  # samples at 16 kHz

    def probabilities(self, samples: np.ndarray) -> list[float]:
        """One probability of speech for each whole frame."""
        frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
        return [float(np.sqrt(np.mean(frame**2)) > 0.01) for frame in frames]

    def reset(self) -> None:
        """Start afresh. This detector keeps nothing."""


def main(path: str) -> None:
    """Print when somebody speaks, as this detector hears it."""
    for event in livemood.listen(path, speed=None, vad=Loud):  # one for each channel
        if event.type == "speech.ended":
            print(f"speaker {event.channel}: {event.start_ms} to {event.end_ms} ms")


if __name__ == "__main__":
    main(sys.argv[1])
