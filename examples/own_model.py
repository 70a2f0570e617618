"""Bring your own model: here, the louder, the more excited.

python examples/own_model.py call.wav
"""

import sys

import numpy as np

import livemood


class Loudness:
    """Reads a window of speech whole. `labels` are in the order of the probabilities."""

    labels = ("calm", "excited")

    def predict(self, samples: np.ndarray, rate: int) -> list[float]:
        """Probabilities, which sum to 1. `samples` is float32 in [-1, 1], mono, `rate` 16000."""
        excited = min(1.0, 8 * float(np.sqrt(np.mean(samples**2))))
        return [1 - excited, excited]


def main(path: str) -> None:
    """Print every stretch of one label."""
    for event in livemood.listen(path, speed=None, model=Loudness()):
        if event.type == "segment":
            print(f"{event.start_ms:6} to {event.end_ms:6} ms: {event.label}")


if __name__ == "__main__":
    main(sys.argv[1])
