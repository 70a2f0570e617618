"""Bring your own source: raw sound from a pipe, here from ffmpeg, which reads almost anything.

ffmpeg -v error -re -i call.mp3 -f s16le -ac 1 -ar 16000 - | python examples/own_source.py
"""

import sys
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

import livemood


class Pipe:
    """16-bit mono sound out of a file object. It ends where the pipe does."""

    sample_rate, channels = 16000, 1

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe

    def blocks(self) -> Iterator[np.ndarray]:
        """Blocks of 20 ms."""
        while data := self._pipe.read(640):
            yield np.frombuffer(data[: len(data) // 2 * 2], np.int16)


def main() -> None:
    """Print the readings of what comes through standard input."""
    for event in livemood.listen(source=Pipe(sys.stdin.buffer)):
        if event.type == "emotion":
            print(event.end_ms, event.label, f"{event.confidence:.2f}", flush=True)


if __name__ == "__main__":
    main()
