"""Plug-ins as another package would bring them: nothing of livemood is imported."""

import numpy as np

NOT_CALLABLE = 7


class Loud:
    """Speech is what is louder than -40 dBFS."""

    frame_length = 320
    made = 0

    def __init__(self):
        Loud.made += 1

    def probabilities(self, samples):
        frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
        return (np.sqrt((frames**2).mean(axis=1)) > 0.01).astype(float)

    def reset(self):
        pass


class TooMany(Loud):
    """Gives a probability for each sample."""

    def probabilities(self, samples):
        return np.zeros(len(samples))


class Tone:
    """So many seconds of a tone between silences, 8 kHz, 16-bit, as fast as it is taken."""

    sample_rate, channels, live = 8000, 1, False

    def __init__(self, seconds="2"):
        self.seconds = float(seconds)
        self.name = f"tone of {seconds} s"

    def blocks(self):
        silence = np.zeros(8000, np.int16)
        tone = 8000 * np.sin(np.arange(int(8000 * self.seconds)) / 5)
        yield silence
        yield tone.astype(np.int16)
        yield silence


class LabelFile:
    """Writes the types of events to a file, one a line."""

    def __init__(self, path):
        self.file = open(path, "w")  # noqa: PTH123, SIM115 - closed below

    def __call__(self, event):
        self.file.write(f"{event.type}\n")

    def close(self):
        self.file.write("closed\n")
        self.file.close()


class Loudness:
    """Reads each window whole."""

    labels = ("calm", "excited")
    name, version = "loudness", "3"

    def predict(self, samples, rate):
        assert rate == 16000
        assert samples.dtype == np.float32
        excited = min(1.0, 2 * float(np.sqrt(np.mean(samples**2))))
        return [1 - excited, excited]


class Ramp:
    """A stream: the longer somebody speaks, the more excited."""

    labels = ("calm", "excited")

    def new_state(self):
        return {"samples": 0}

    def step(self, states, sounds):
        for state, sound in zip(states, sounds, strict=True):
            state["samples"] += len(sound)
        excited = np.array([min(1.0, state["samples"] / 16000 / 5) for state in states])
        return np.stack([1 - excited, excited], axis=1)


class Nonsense(Loudness):
    """Gives numbers that are no probabilities."""

    def predict(self, samples, rate):
        return [2.0, -1.0]
