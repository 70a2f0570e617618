"""Where the network's steps lie: windows of samples to steps, and steps to samples."""

from livemood.audio.block import Span
from livemood.model.features import FeatureSettings
from livemood.model.manifest import Manifest


class StepGrid:
    """Steps on a grid from the beginning of the stream.

    What is computed for one then holds in every window. Steps come in blocks, which the network
    reads in one go; a block of one step is the usual case.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.features: FeatureSettings = manifest.features
        self._network = network = manifest.network
        self.block_steps = network.block_steps
        """Steps in one block."""
        self.block_frames = network.step_frames * network.block_steps
        """Frames from one block to the next."""
        self.block_samples = self.block_frames * self.features.hop_length
        """Samples from one block to the next."""
        self.overlap = network.context_frames - self.block_frames - network.kept_frames
        """Frames that a block sees again of those before it."""
        self.longest = round(manifest.window.longest_s * self.features.sample_rate)

    @property
    def slots(self) -> int:
        """Steps in the longest window."""
        return self.steps_in(self.features.frames_in(self.longest))

    @property
    def block_s(self) -> float | None:
        """Seconds of a block where windows must come at whole numbers of them, else None."""
        if self.block_steps == 1:
            return None
        return self.block_samples / self.features.sample_rate

    @property
    def step_s(self) -> float:
        """Seconds from one step to the next."""
        step = self._network.step_frames * self.features.hop_length
        return step / self.features.sample_rate

    def steps_in(self, frames: int) -> int:
        """How many steps `frames` frames give, if nothing is known of what came before."""
        blocks = (frames - self._network.context_frames) // self.block_frames + 1
        return max(0, blocks) * self._network.block_steps

    def frames_of(self, steps: int) -> int:
        """How many frames so many steps, whole blocks of them, see."""
        blocks = steps // self._network.block_steps
        return (blocks - 1) * self.block_frames + self._network.context_frames

    def steps(self, window: Span) -> Span:
        """The steps of the whole blocks that lie in `window`, in absolute samples."""
        lead, features = self._network.lead_samples, self.features
        first = -(-(window.start + lead) // self.block_samples) * self._network.block_steps
        frames = (window.end + lead - features.frame_length) // features.hop_length + 1
        end = (frames - self._network.context_frames) // self.block_frames + 1
        return Span(first, max(first, end * self._network.block_steps))

    def sound_of(self, steps: Span, *, fresh: bool = True) -> Span:
        """The samples that `steps`, at least one block, need: all that they see if they are fresh.

        Right after the step before, the last frames of it and what the convolutions gave for
        those before are there.
        """
        network, features = self._network, self.features
        seen = network.context_frames - self.block_frames
        first = steps.start * network.step_frames + (0 if fresh else seen)
        end = (steps.end - network.block_steps) * network.step_frames + network.context_frames
        start = first * features.hop_length - network.lead_samples
        return Span(start, start + features.samples_for(end - first))

    def window_of(self, window: Span) -> Span:
        """What is read of `window`: a network that reads in blocks may leave out its end."""
        if self._network.block_steps == 1:
            return window
        steps = self.steps(window)
        if not len(steps):
            return Span(window.start, window.start)
        return Span(window.start, self.sound_of(steps).end)
