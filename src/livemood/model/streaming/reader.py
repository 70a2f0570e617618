"""Running the network over new frames of many streams, each from its own state."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from livemood.model.features import Frames, FrontEnd
from livemood.model.network import OnnxNetwork
from livemood.model.network.batch import Batch
from livemood.model.network.interface import BLOCKS
from livemood.model.network.pooling import weights_of
from livemood.model.streaming.grid import StepGrid
from livemood.model.streaming.streaming_state import InferenceRequest, StreamingState

Float32 = NDArray[np.float32]


class StepReader:
    """Reads new frames into states, a batch of streams at a time. Used by one thread at a time.

    A network that takes any number of frames reads all of them in one call; one that takes a
    block of frames is called for each block in turn.
    """

    def __init__(self, network: OnnxNetwork, grid: StepGrid, front_end: FrontEnd) -> None:
        self._network, self._grid, self._front_end = network, grid, front_end
        self._interface = network.interface
        self._in_blocks = network.interface.frames is not None
        self._rings = [n for n, s in enumerate(network.interface.states) if s.new]
        self._sequences: dict[tuple[int, int], Frames] = {}

    def kind(self, state: StreamingState, steps: int) -> tuple[int, bool]:
        """What requests must agree in to run as one batch."""
        return steps, state.fresh and self._interface.empty_when_fresh

    def read(self, requests: Sequence[InferenceRequest]) -> None:
        """Read the sound of requests of one kind into their states."""
        steps, fresh = requests[0].kind
        states, overlap = [request.state for request in requests], self._grid.overlap
        frames = self._frames(steps, fresh=fresh)
        sequence = self._sequence(len(states), frames, steps, fresh=fresh)
        for row, request in enumerate(requests):
            state, known = request.state, 0 if request.state.fresh else overlap
            new = sequence[row, known:]
            self._front_end.log_mel(request.sound, out=new)
            state.maximum = self._front_end.finish(new, state.maximum)
            sequence[row, :known] = state.frames[:known]
            state.frames[:] = sequence[row, -overlap:]
        self.advance(states, sequence, steps, fresh=fresh)

    def advance(
        self, states: Sequence[StreamingState], sequence: Frames, steps: int, *, fresh: bool
    ) -> None:
        """Read `sequence` (streams, frames, mels), all that `steps` new steps see, into states."""
        size, length = len(states), self._interface.frames
        if length is None or length == sequence.shape[1]:
            batch = self._network.batch(size, sequence.shape[1], steps, fresh=fresh)
            if batch.features is not sequence:
                batch.features[:] = sequence
            self._call(states, batch)
            return
        block_steps = self._interface.steps or 1
        batch = self._network.batch(size, length, block_steps, fresh=False)
        for block in range(steps // block_steps):
            at = block * self._grid.block_frames
            batch.features[:] = sequence[:, at : at + length]
            self._call(states, batch)

    def _frames(self, steps: int, *, fresh: bool) -> int:
        """Frames that one call for so many new steps takes."""
        if self._in_blocks or fresh:
            return self._grid.frames_of(steps)
        return self._grid.overlap + steps // self._grid.block_steps * self._grid.block_frames

    def _sequence(self, size: int, frames: int, steps: int, *, fresh: bool) -> Frames:
        """Where a batch's frames are to be written: its own memory if it takes them all."""
        length = self._interface.frames
        if length is None or length == frames:
            return self._network.batch(size, frames, steps, fresh=fresh).features
        key = (size, frames)
        if key not in self._sequences:
            self._sequences[key] = np.empty((size, frames, self._interface.mels), np.float32)
        return self._sequences[key]

    def _call(self, states: Sequence[StreamingState], batch: Batch) -> None:
        alone = len(states) == 1
        for row, state in enumerate(states):
            if batch.age is not None:
                batch.age[row] = state.age
            if batch.block is not None:
                since = (state.next or 0) - state.begun
                batch.block[row] = since // self._grid.block_steps % BLOCKS
            for place in batch.filled:
                if alone and place in self._rings:
                    batch.lend(place, state.tensors[place][np.newaxis])
                else:
                    batch.states[place][row] = state.tensors[place]
        batch.run()
        weights = weights_of(batch.scores)
        for row, state in enumerate(states):
            state.take(batch.new_states, row)
            not_speech = None if batch.not_speech is None else batch.not_speech[:, row]
            state.push(batch.votes[:, row], weights[:, row], not_speech)
