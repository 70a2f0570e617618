"""A model: sound in, probabilities by label out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from livemood.audio.block import Samples, Span
from livemood.audio.resample import resample
from livemood.errors import ModelError, UsageError
from livemood.model.features import Frames, LogMel
from livemood.model.labels import CIRCUMPLEX
from livemood.model.manifest import Manifest, read_manifest
from livemood.model.network import (
    ROWS,
    Batch,
    OnnxNetwork,
    Provider,
    pooled,
    weights_of,
)
from livemood.model.registry import DEFAULT, find_model
from livemood.model.streaming_state import InferenceRequest, StreamingState
from livemood.speech.bounds import speech_bounds
from livemood.speech.vad import WebRtcVad

Probabilities = NDArray[np.float64]
"""One row of label probabilities for each window, shape (windows, labels); rows sum to 1."""


_HOP_S = 0.2625
"""Sound of the frames that a usual hop of three steps computes, and a little more."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """How one clip sounds."""

    label: str
    """The likeliest label."""
    probabilities: dict[str, float]
    """Calibrated probability of each label; they sum to 1."""
    valence: float
    """Unpleasant to pleasant, in [-1, 1]."""
    arousal: float
    """Calm to excited, in [-1, 1]."""


class Model:
    """A network with its manifest. Stateless between calls; used by one thread at a time."""

    def __init__(self, manifest: Manifest, network: OnnxNetwork) -> None:
        takes, gives = (manifest.features.mels, len(manifest.labels))
        has = network.shape
        if (has.mels, has.labels) != (takes, gives):
            raise ModelError(
                f"model {manifest.name} is damaged: by its manifest the network takes {takes} mel "
                f"bands and gives {gives} labels, but it has {has.mels} and {has.labels}"
            )
        self.manifest = manifest
        self.front_end = LogMel(manifest.features)
        self._network = network
        self._steps = steps = manifest.network
        self._overlap = steps.context_frames - steps.step_frames - steps.kept_frames
        self._largest_batch = most = network.largest_batch
        self._votes = np.empty((most, self._slots, network.said), np.float32)
        self._weights = np.empty((most, self._slots), np.float32)
        self._coordinates = [CIRCUMPLEX.get(label, (0.0, 0.0)) for label in manifest.labels]

    @property
    def _slots(self) -> int:
        """Steps in the longest window."""
        features, network = self.manifest.features, self.manifest.network
        frames = features.frames_in(round(self.manifest.window.longest_s * features.sample_rate))
        return (frames - network.context_frames) // network.step_frames + 1

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of probabilities."""
        return self.manifest.labels

    @property
    def provider(self) -> str:
        """Where the network runs, `cpu` or `cuda`."""
        return self._network.provider

    def steps(self, window: Span) -> Span:
        """The network's steps that lie in `window`, in absolute samples.

        Steps lie on a grid of their own from the beginning of the stream, so that what is computed
        for one holds in every window.
        """
        features, network = self.manifest.features, self.manifest.network
        first = -(-window.start // (features.hop_length * network.step_frames))
        frames = (window.end - features.frame_length) // features.hop_length + 1
        end = (frames - network.context_frames) // network.step_frames + 1
        return Span(first, max(first, end))

    def sound_of(self, steps: Span, *, fresh: bool = True) -> Span:
        """The samples that `steps`, at least one, need: all that they see if they begin afresh.

        Right after the step before, the last frames of it and what the convolutions gave for
        those before are kept.
        """
        network, features = self.manifest.network, self.manifest.features
        overlap = network.context_frames - network.step_frames
        first = steps.start * network.step_frames + (0 if fresh else overlap)
        end = (steps.end - 1) * network.step_frames + network.context_frames
        start = first * features.hop_length
        return Span(start, start + features.samples_for(end - first))

    def new_kept(self) -> StreamingState:
        """Memory for one stream."""
        return StreamingState(
            said=self._network.said,
            slots=self._slots,
            units=self._network.units,
            frames=(self._overlap, self.manifest.features.mels),
            rows=self._network.no_rows(),
        )

    def batch_of(self, hop: InferenceRequest) -> int:
        """How many hops like this one are best read together, at most.

        The first window of a speech brings as much sound as four hops, and fills a batch as they
        do.
        """
        room = self._largest_batch * _HOP_S * self.manifest.features.sample_rate
        return max(1, min(self._largest_batch, int(room / max(1, len(hop.sound)))))

    def read(self, hops: Sequence[InferenceRequest]) -> Probabilities:
        """Probabilities, shape (hops, labels), of windows of different streams.

        Hops with as much new sound run as one batch. A window that brings no new step reads as
        the one before.
        """
        if len(hops) == 1 and len(hops[0].sound):
            return self._read_batch(hops)
        out = np.empty((len(hops), len(self.labels)))
        alike: dict[tuple[int, bool], list[int]] = {}
        for index, hop in enumerate(hops):
            alike.setdefault(hop.kind, []).append(index)
        for (length, _), indices in alike.items():
            if not length:
                for i in indices:
                    out[i] = 1 / len(self.labels) if (p := hops[i].kept.last) is None else p
                continue
            for start in range(0, len(indices), self._largest_batch):
                picked = indices[start : start + self._largest_batch]
                out[picked] = self._read_batch([hops[i] for i in picked])
        return out

    def _read_batch(self, hops: Sequence[InferenceRequest]) -> Probabilities:
        """Read hops with as much sound, all fresh or none."""
        batch = self._fill(hops)
        batch.run()
        overlap, votes, weights = (
            self._overlap,
            self._votes[: len(hops)],
            self._weights[: len(hops)],
        )
        new_votes, new_weights = batch.votes, weights_of(batch.scores)
        for row, hop in enumerate(hops):
            kept = hop.kept
            kept.frames[:] = batch.features[row, -overlap:]
            kept.rows[0][:] = batch.new_rows1[row]
            kept.rows[1][:] = batch.new_rows2[row]
            kept.state[:] = batch.new_state[0, row]
            kept.push(new_votes[:, row], new_weights[:, row])
            votes[row], weights[row] = kept.votes, kept.weights
        probabilities = _softmax(
            pooled(votes, weights, self._network.moments), self.manifest.temperature
        )
        for row, hop in enumerate(hops):
            hop.kept.last = probabilities[row]
        return probabilities

    def _fill(self, hops: Sequence[InferenceRequest]) -> Batch:
        """A batch with the inputs of `hops` in it."""
        network, fresh = self._steps, hops[0].kept.fresh
        overlap = 0 if fresh else self._overlap
        frames = overlap + self.manifest.features.frames_in(len(hops[0].sound))
        seen = frames if fresh else frames + network.kept_frames
        steps = (seen - network.context_frames) // network.step_frames + 1
        batch = self._network.batch(len(hops), frames, steps, 0 if fresh else ROWS)
        for row, hop in enumerate(hops):
            kept = hop.kept
            self.front_end(hop.sound, out=batch.features[row, overlap:])
            if not fresh:
                batch.features[row, :overlap] = kept.frames
                batch.rows1[row] = kept.rows[0]
                batch.rows2[row] = kept.rows[1]
            batch.state[0, row] = kept.state
        return batch

    def classify(self, windows: Sequence[Frames]) -> Probabilities:
        """Probabilities for whole windows of features, each of shape (frames, mels).

        Windows of one length run as one batch.
        """
        out = np.empty((len(windows), len(self.labels)))
        by_length: dict[int, list[int]] = {}
        for index, window in enumerate(windows):
            by_length.setdefault(len(window), []).append(index)
        for indices in by_length.values():
            logits = self._network.whole(np.stack([windows[i] for i in indices]))
            out[indices] = _softmax(logits, self.manifest.temperature)
        return out

    def predict(self, samples: ArrayLike, sample_rate: int) -> Prediction:
        """How a whole clip sounds.

        `samples` is mono sound in [-1, 1], shape (n,), of any length and rate. Sound before the
        first and after the last speech is left out, as the live gate does; a clip longer than the
        model's window is read in overlapping windows, whose probabilities are averaged; one
        shorter than the shortest window is filled up with silence.

        Raises `UsageError` if `samples` has another shape, is empty, or is not finite.
        """
        sound = np.asarray(samples, np.float32)
        if sound.ndim != 1 or not len(sound):
            raise UsageError(f"predict takes mono sound of shape (n,), not {sound.shape}")
        if not 1000 <= sample_rate <= 1_000_000:
            raise UsageError(f"the sample rate must be from 1000 to 1000000, not {sample_rate}")
        if not np.isfinite(sound).all():
            raise UsageError("the sound has values that are not finite (NaN or infinite)")
        probabilities = self.classify(self.windows(sound, sample_rate)).mean(axis=0)
        valence, arousal = self.affect(probabilities.tolist())
        by_label = dict(zip(self.labels, map(float, probabilities), strict=True))
        label = max(by_label, key=by_label.__getitem__)
        return Prediction(label, by_label, valence, arousal)

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
        features, window = self.manifest.features, self.manifest.window
        rate = features.sample_rate
        sound = resample(sound, sample_rate, rate)
        shortest, longest = round(window.shortest_s * rate), round(window.longest_s * rate)
        span = speech_bounds(sound, WebRtcVad(), shortest)
        sound = sound[span.start : span.end]
        if len(sound) < shortest:
            sound = np.pad(sound, (0, shortest - len(sound)))
        frames = self.front_end(sound)
        length = features.frames_in(longest)
        count = 1 + -(-max(0, len(frames) - length) // (length // 2))
        starts = np.linspace(0, max(0, len(frames) - length), count).astype(int)
        return [frames[start : start + length] for start in starts]


def load_model(name: str | Path = DEFAULT, provider: Provider = "auto", threads: int = 1) -> Model:
    """The shipped model `name`, or the model in the folder `name`, ready to run.

    Raises `ModelError` if there is none or if it does not match its manifest.
    """
    folder = find_model(name)
    manifest = read_manifest(folder)
    return Model(manifest, OnnxNetwork(folder / manifest.file, provider, threads))


def _softmax(logits: NDArray[np.float32], temperature: float) -> Probabilities:
    if len(logits) == 1:  # plain floats: for one row arrays cost more than what they compute
        row = logits[0].tolist()
        top = max(row)
        parts = [math.exp((x - top) / temperature) for x in row]
        total = sum(parts)
        return np.array([[x / total for x in parts]])
    shifted = np.divide(logits, temperature, dtype=np.float64)
    shifted -= shifted.max(axis=-1, keepdims=True)
    out: Probabilities = np.exp(shifted, out=shifted)
    out /= out.sum(axis=-1, keepdims=True)
    return out
