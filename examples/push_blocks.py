"""Push sound that your program already has, block by block, and get the events that follow.

python examples/push_blocks.py call.wav
"""

import sys

import soundfile

import livemood


def main(path: str) -> None:
    """Push a file in blocks of 20 ms, as a microphone would give them."""
    with soundfile.SoundFile(path) as sound:
        rate, channels = sound.samplerate, sound.channels
        session = livemood.Session(rate=rate, channels=channels, live=False)
        for block in sound.blocks(rate // 50, dtype="float32"):
            show(session.push(block))
    show(session.finish())


def show(events: list[livemood.AnyEvent]) -> None:
    """Print the readings."""
    for event in events:
        if event.type == "emotion":
            print(f"{event.end_ms / 1000:7.2f} s  speaker {event.channel}: {event.label}")


if __name__ == "__main__":
    main(sys.argv[1])
