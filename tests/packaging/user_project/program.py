"""A program that a user would write: every protocol of livemood, checked by `mypy --strict`."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import livemood

Samples = NDArray[np.float32]


class Radio:
    """A source: int16, as it comes from a socket."""

    sample_rate = 8000
    channels = 1
    live = False

    def blocks(self) -> Iterator[NDArray[np.int16]]:
        for _ in range(100):
            yield np.zeros(160, np.int16)


class Timed:
    """A source that knows when its sound was captured."""

    def __init__(self, rate: int) -> None:
        self.sample_rate = rate
        self.channels = 2

    def blocks(self) -> Iterator[livemood.AudioBlock]:
        yield livemood.AudioBlock(0, np.zeros((160, 2), np.float32), 0.0)


class Loud:
    """A voice activity detector."""

    frame_length = 320

    def probabilities(self, samples: Samples) -> list[float]:
        frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
        return [float(np.abs(frame).mean() > 0.01) for frame in frames]

    def reset(self) -> None:
        pass


class Loudness:
    """A model that reads whole windows."""

    labels = ("calm", "excited")

    def predict(self, samples: Samples, rate: int) -> list[float]:
        excited = min(1.0, 10 * float(np.sqrt(np.mean(samples**2))))
        return [1 - excited, excited]


class Recurrent:
    """A model of streams."""

    labels = ["calm", "excited"]

    def new_state(self) -> dict[str, float]:
        return {"energy": 0.0}

    def step(self, states: Sequence[Any], sounds: Sequence[Samples]) -> NDArray[np.float64]:
        for state, sound in zip(states, sounds, strict=True):
            state["energy"] = 0.8 * state["energy"] + 0.2 * float(np.mean(sound**2))
        excited = np.minimum(1.0, np.array([100 * s["energy"] for s in states]))
        return np.stack([1 - excited, excited], axis=1)


class Counter:
    """A sink that is an object; `print` is one that is a function."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, event: livemood.AnyEvent) -> None:
        self.count += 1


def source() -> livemood.Source:
    return Radio()


def timed() -> livemood.Source:
    return Timed(16000)


def model(streaming: bool) -> livemood.EmotionModel | livemood.StreamingEmotionModel:
    return Recurrent() if streaming else Loudness()


def detector() -> livemood.VoiceActivityDetector:
    return Loud()


def sink() -> livemood.Sink:
    return Counter()


def listens() -> list[str]:
    settings = livemood.MonitorSettings(window=livemood.WindowSettings(length_s=2.0))
    events = livemood.listen(
        source=Radio(), sinks=[Counter(), print], vad=Loud, model=Loudness(), settings=settings
    )
    return [event.label for event in events if isinstance(event, livemood.Emotion)]


def pushes() -> tuple[int, livemood.Timeline]:
    counter = Counter()
    timeline = livemood.Timeline()
    with livemood.Session(rate=16000, model=model(streaming=True), vad=Loud) as session:
        for event in session.push(np.zeros(16000, np.float32)):
            counter(event)
            timeline.add(event)
        for event in session.finish():
            counter(event)
            timeline.add(event)
    return counter.count, timeline


async def iterates() -> list[str]:
    session = livemood.Session(rate=16000, vad="webrtc", model=Loudness(), background=True)
    session.push(np.zeros(1600, np.int16))
    finishing = asyncio.ensure_future(asyncio.to_thread(session.finish))
    types: list[str] = [event.type async for event in session]
    await finishing
    return types


def main() -> None:
    count, timeline = pushes()
    summary = timeline.summary()
    assert count == 2 and summary is not None
    assert timeline.events[-1].type == "session.ended"
    assert listens() == []
    assert asyncio.run(iterates()) == ["session.started", "session.ended"]
    try:
        livemood.analyze("nowhere.wav")
    except livemood.FileError as error:
        print(error)
    except livemood.LivemoodError as error:
        print("another error:", error)


if __name__ == "__main__":
    main()
