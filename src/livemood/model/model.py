"""A model: sound in, probabilities by label out."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livemood.audio.block import Samples, Span
from livemood.errors import UsageError
from livemood.model.baseline import Baseline, VoiceBaseline
from livemood.model.clip_windows import Prediction, checked_clip, clip_windows
from livemood.model.features import Frames, FrontEnd
from livemood.model.labels import UNCERTAIN
from livemood.model.manifest import Manifest
from livemood.model.network import OnnxNetwork
from livemood.model.network.pooling import Probabilities, sigmoid, softmax
from livemood.model.streaming.grid import StepGrid
from livemood.model.streaming.reader import StepReader
from livemood.model.streaming.streaming_state import InferenceRequest, Reading, StreamingState

Float32 = NDArray[np.float32]

LEAST_SPEECH_S = 0.3
"""A clip with less speech is not read: its label is `uncertain`."""

_HOP_S = 0.2625
"""Sound of the frames that a usual hop of three steps computes, and a little more."""


class Model:
    """A network with its manifest. Stateless between calls; used by one thread at a time."""

    def __init__(self, manifest: Manifest, network: OnnxNetwork) -> None:
        self.manifest = manifest
        self.grid = StepGrid(manifest)
        """Where the network's steps lie in the stream."""
        first, group = manifest.network.context_frames, self.grid.block_frames
        self.front_end = FrontEnd(manifest.features, first=first, group=group)
        self._network = network
        self._reader = StepReader(network, self.grid, self.front_end)
        self._largest_batch = most = network.largest_batch
        self._votes = np.empty((most, self.grid.slots, network.interface.width), np.float32)
        self._weights = np.empty((most, self.grid.slots), np.float32)
        self._nothing = np.empty(0, np.float32)
        self._coordinates = manifest.coordinates
        settings = manifest.baseline
        self._neutral = manifest.labels.index(settings.neutral) if settings else 0
        least = settings.least_window_s if settings else 0.0
        self._least_steps = round(least / self.grid.step_s)
        unknown = np.array(settings.unknown if settings else (), np.float32)
        self._unknown_voice: Float32 | None = unknown if unknown.any() else None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of probabilities."""
        return self.manifest.labels

    @property
    def provider(self) -> str:
        """Where the network runs, `cpu` or `cuda`."""
        return self._network.provider

    def baseline(self, file: str | Path | None = None) -> Baseline:
        """The baseline of a voice: one that was saved in `file`, or one that knows nothing yet.

        Raises `UsageError` if the model uses none, `FileError` if `file` cannot be read, and
        `ModelError` if it belongs to another model.
        """
        if (voice := self.new_baseline()) is None:
            name = f"{self.manifest.name} {self.manifest.version}"
            raise UsageError(f"model {name} uses no baselines: choose another model")
        baseline = Baseline(voice, self)
        return baseline if file is None else baseline.read(Path(file))

    def new_baseline(self) -> VoiceBaseline | None:
        """The baseline of a voice of which nothing is known; None if the model uses none."""
        speakers = self._network.speakers
        if self.manifest.baseline is None or speakers is None:
            return None
        return VoiceBaseline(self.manifest.baseline, speakers)

    def new_state(self, baseline: VoiceBaseline | None = None) -> StreamingState:
        """Memory for one stream. Its readings are related to `baseline`, and add to it."""
        return StreamingState(
            self._network.interface,
            slots=self.grid.slots,
            overlap=self.grid.overlap,
            baseline=baseline,
        )

    def request(
        self, state: StreamingState, window: Span, read: Callable[[Span], Samples]
    ) -> InferenceRequest:
        """What must be read of `window`, in samples since the stream began.

        `read` gives the sound of a span. If it raises, so does this, and the stream starts afresh.
        """
        steps = self.grid.steps(window)
        first = state.turn_to(steps.start, steps.end)
        if first == steps.end:
            return InferenceRequest(state, self._nothing, 0, (0, False))
        new = Span(first, steps.end)
        try:
            sound = read(self.grid.sound_of(new, fresh=state.fresh))
        except BaseException:
            state.forget()
            raise
        return InferenceRequest(state, sound, len(new), self._reader.kind(state, len(new)))

    def window_of(self, window: Span) -> Span:
        """What is read of `window`: see `StepGrid.window_of`."""
        return self.grid.window_of(window)

    def batch_of(self, request: InferenceRequest) -> int:
        """How many requests like this one are best read together, at most.

        The first window of a speech brings as much sound as four hops, and fills a batch as they
        do.
        """
        room = self._largest_batch * _HOP_S * self.manifest.features.sample_rate
        return max(1, min(self._largest_batch, int(room / max(1, len(request.sound)))))

    def read(self, requests: Sequence[InferenceRequest]) -> list[Reading]:
        """How the windows of different streams sound.

        Requests with as much new sound run as one batch. A window that brings no new step reads
        as the one before.
        """
        if len(requests) == 1 and requests[0].steps:
            return self._read_batch(requests)
        out: dict[int, Reading] = {}
        alike: dict[tuple[int, bool], list[int]] = {}
        for index, request in enumerate(requests):
            alike.setdefault(request.kind, []).append(index)
        for (steps, _), indices in alike.items():
            if not steps:
                out |= {i: requests[i].state.last or self._unknown() for i in indices}
                continue
            for start in range(0, len(indices), self._largest_batch):
                picked = indices[start : start + self._largest_batch]
                out |= zip(picked, self._read_batch([requests[i] for i in picked]), strict=True)
        return [out[i] for i in range(len(requests))]

    def _unknown(self) -> Reading:
        return Reading(np.full(len(self.labels), 1 / len(self.labels)))

    def _read_batch(self, requests: Sequence[InferenceRequest]) -> list[Reading]:
        """Read requests of one kind."""
        self._reader.read(requests)
        states = [request.state for request in requests]
        pooled, not_speech = self._pool(states)
        readings = self._readings(pooled, not_speech, [state.baseline for state in states])
        for request, row, reading in zip(requests, pooled, readings, strict=True):
            request.state.last = reading
            baseline = request.state.baseline
            if baseline is not None and request.state.steps >= self._least_steps:
                self._update_baseline(baseline, row, request.steps, reading)
        return readings

    def _pool(self, states: Sequence[StreamingState]) -> tuple[Float32, list[float | None]]:
        """What is pooled of the windows of states, and the probability that each is no speech."""
        votes, weights = self._votes[: len(states)], self._weights[: len(states)]
        for row, state in enumerate(states):
            votes[row], weights[row] = state.votes, state.weights
        pooled = self._network.pool(votes, weights)
        # A network has the output whether or not it learnt from sounds that are no speech.
        if self.manifest.not_speech is None or not self._network.interface.has_not_speech:
            return pooled, [None] * len(states)
        logits = [float(state.not_speech[state.weights > 0].mean()) for state in states]
        return pooled, [sigmoid(logit) for logit in logits]

    def _readings(
        self,
        pooled: Float32,
        not_speech: Sequence[float | None],
        baselines: Sequence[VoiceBaseline | None],
    ) -> list[Reading]:
        """How windows sound by what was pooled of them, related to their voices' baselines."""
        related = pooled
        for row, baseline in enumerate(baselines):
            shift = None if baseline is None else baseline.shift()
            if shift is not None:
                related = pooled.copy() if related is pooled else related
                related[row] -= shift
        told = self._network.read(related)
        logits, rated = told[:, : len(self.labels)], np.tanh(told[:, len(self.labels) :])
        if self._unknown_voice is not None:
            for row, baseline in enumerate(baselines):
                share = 0.0 if baseline is None else baseline.share
                logits[row] += np.float32(1.0 - share) * self._unknown_voice
        rows = softmax(logits, self.manifest.temperature)
        return [
            Reading(row, p, None if b is None else b.counted_s, self.is_speech(p), tuple(r))
            for row, p, b, r in zip(rows, not_speech, baselines, rated.tolist(), strict=True)
        ]

    def _update_baseline(
        self, baseline: VoiceBaseline, pooled: Float32, steps: int, reading: Reading
    ) -> None:
        """Add the new steps of a window to a voice's baseline, after the window was read."""
        neutral = float(reading.probabilities[self._neutral])
        seconds = steps * self.grid.step_s
        baseline.push(pooled, seconds, neutral, reading.not_speech or 0.0)

    def classify(
        self, windows: Sequence[Frames], baseline: VoiceBaseline | None = None
    ) -> Probabilities:
        """Probabilities for whole windows of features, each of shape (frames, mels).

        With `baseline` they are related to that, and leave it as it is. Windows of one length run
        as one batch.
        """
        readings = [reading for reading, _ in self.read_windows(windows, baseline)]
        return np.array([reading.probabilities for reading in readings])

    def read_windows(
        self, windows: Sequence[Frames], baseline: VoiceBaseline | None = None
    ) -> list[tuple[Reading, Float32]]:
        """How whole windows of features sound, and what was pooled of each."""
        out: dict[int, tuple[Reading, Float32]] = {}
        by_length: dict[int, list[int]] = {}
        for index, window in enumerate(windows):
            by_length.setdefault(len(window), []).append(index)
        for indices in by_length.values():
            pooled, not_speech = self._pool_windows(np.stack([windows[i] for i in indices]))
            readings = self._readings(pooled, not_speech, [baseline] * len(indices))
            out |= zip(indices, zip(readings, pooled, strict=True), strict=True)
        return [out[i] for i in range(len(windows))]

    def _pool_windows(self, windows: Frames) -> tuple[Float32, list[float | None]]:
        """What is pooled of windows (windows, frames, mels) that nothing precedes."""
        steps = self.grid.steps_in(windows.shape[1])
        pooled: list[Float32] = []
        not_speech: list[float | None] = []
        for start in range(0, len(windows), self._largest_batch):
            part = windows[start : start + self._largest_batch, : self.grid.frames_of(steps)]
            states = [self.new_state() for _ in part]
            for state in states:
                state.turn_to(0, steps)
            self._reader.advance(states, part, steps, fresh=self._reader.kind(states[0], steps)[1])
            more, of_these = self._pool(states)
            pooled.append(more)
            not_speech += of_these
        return np.concatenate(pooled), not_speech

    def predict(
        self, samples: ArrayLike, sample_rate: int, baseline: Baseline | None = None
    ) -> Prediction:
        """How a whole clip sounds.

        `samples` is mono sound, shape (n,), of any length and rate: floats in [-1, 1], or int16 or
        int32, which are divided by their full scale. The label is `uncertain` where less than
        0.3 s of it is speech, or where a model that tells so says that it is no speech. Sound
        before the first and after the last speech is left out, as the live gate does; a clip
        longer than the model's window is read in overlapping windows, whose probabilities are
        averaged; one shorter than the shortest window is filled up with silence. With `baseline`
        the reading is related to how that voice usually sounds; the baseline stays as it is.

        Raises `UsageError` if `samples` has another type or shape, is empty, is not finite, or
        holds floats of integer scale, and `ModelError` if `baseline` is another model's.
        """
        sound = checked_clip(samples, sample_rate)
        voice = baseline.voice_for(self) if baseline is not None else None
        windows, speech = self._windows(sound, sample_rate)
        readings = [reading for reading, _ in self.read_windows(windows, voice)]
        probabilities = np.array([r.probabilities for r in readings]).mean(axis=0)
        rated = np.array([r.dimensions for r in readings]).mean(axis=0).tolist()
        valence, arousal = rated[:2] or self.affect(probabilities.tolist())
        by_label = dict(zip(self.labels, map(float, probabilities), strict=True))
        not_speech = _mean([r.not_speech for r in readings])
        likeliest = max(by_label, key=by_label.__getitem__)
        heard = speech >= LEAST_SPEECH_S and self.is_speech(not_speech)
        label = likeliest if heard else UNCERTAIN
        dominance = rated[2] if len(rated) > 2 else None
        return Prediction(label, by_label, valence, arousal, not_speech, dominance)

    def hear(self, baseline: VoiceBaseline, samples: ArrayLike, sample_rate: int) -> None:
        """Add how a voice sounds in `samples` to its baseline; they are as `predict` takes them.

        Sound with less than 0.3 s of speech adds nothing.
        """
        sound = checked_clip(samples, sample_rate)
        windows, speech = self._windows(sound, sample_rate)
        if speech < LEAST_SPEECH_S:
            return
        baseline.enroll()
        steps = self.grid.steps_in(len(windows[0]))
        # Windows overlap by half, and the first is new as a whole.
        new = max(1, round(steps * (1 + len(windows)) / 2 / len(windows)))
        for reading, pooled in self.read_windows(windows, baseline):
            self._update_baseline(baseline, pooled, new, reading)

    def is_speech(self, not_speech: float | None) -> bool:
        """Whether a reading that is so probably no speech is one of speech all the same."""
        settings = self.manifest.not_speech
        return settings is None or not_speech is None or not_speech < settings.threshold

    def affect(self, probabilities: Sequence[float]) -> tuple[float, float]:
        """Valence and arousal, derived from the probability of each label."""
        valence = arousal = 0.0
        for p, (v, a) in zip(probabilities, self._coordinates, strict=True):
            valence += p * v
            arousal += p * a
        return valence, arousal

    def warm_up(self) -> None:
        """Run the network once at its shortest and full length: the first runs are slow."""
        window = self.manifest.window
        for seconds in (window.shortest_s, window.longest_s):
            silence = np.zeros(round(seconds * self.manifest.features.sample_rate), np.float32)
            self.classify([self.front_end(silence)])

    def windows(self, sound: Samples, sample_rate: int) -> list[Frames]:
        """The windows of features, all of one length, in which `predict` reads a clip."""
        return self._windows(sound, sample_rate)[0]

    def _windows(self, sound: Samples, sample_rate: int) -> tuple[list[Frames], float]:
        """The same, and how many seconds of the clip are speech."""
        return clip_windows(sound, sample_rate, self.manifest, self.front_end)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
