"""Buffers that ONNX Runtime reads from and writes to, for a batch of streams."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from livemood.model.network.interface import (
    AGE,
    BLOCK,
    FEATURES,
    NOT_SPEECH,
    SCORES,
    VOTES,
    Interface,
)

Array = NDArray[Any]


class Buffers:
    """Memory for one network's batches: a smaller batch is the beginning of a larger one."""

    def __init__(self, largest_batch: int) -> None:
        self._largest = largest_batch
        self._made: dict[tuple[str, tuple[int, ...]], Array] = {}

    def of(
        self,
        size: int,
        name: str,
        shape: tuple[int, ...],
        dtype: type[np.generic] = np.float32,
    ) -> Array:
        """The buffer `name` of shape (size, *shape)."""
        key = (name, shape)
        if key not in self._made:
            self._made[key] = np.zeros((self._largest, *shape), dtype)
        return self._made[key][:size]


class Batch:
    """Bound buffers for one call: fill the inputs, `run`, read the outputs.

    Nothing is allocated or copied between them and ONNX Runtime. Valid until the next batch of
    the same network. `states` and `new_states` are in the order of the interface's states, each
    with the batch first.
    """

    def __init__(
        self,
        session: Any,  # noqa: ANN401 - onnxruntime has no types
        interface: Interface,
        buffers: Buffers,
        size: int,
        frames: int,
        steps: int,
        *,
        fresh: bool,
    ) -> None:
        of, self._interface = buffers.of, interface
        self.features = of(size, FEATURES, (frames, interface.mels))
        """Shape (size, frames, mels)."""
        self.states = [
            of(size, s.name, s.fresh_shape if fresh else s.shape, s.dtype) for s in interface.states
        ]
        self.new_states = [of(size, s.output, s.new_shape, s.dtype) for s in interface.states]
        self.filled = [
            place
            for place, s in enumerate(interface.states)
            if not fresh or s.shape == s.fresh_shape
        ]
        """Places of the states that are not empty."""
        self.age = of(size, AGE, (interface.entries,)) if interface.has_age else None
        """Calls since each entry of the rings was written, shape (size, entries)."""
        self.block = of(size, BLOCK, ()) if interface.has_block else None
        """Numbers of the blocks, shape (size,)."""
        self.votes = np.empty((steps, size, interface.width), np.float32)
        """What each step says, shape (steps, size, width)."""
        self.scores = np.empty((steps, size), np.float32)
        self.not_speech = np.empty((steps, size), np.float32) if interface.has_not_speech else None
        self._run = session.run_with_iobinding
        self._binding = session.io_binding()
        self._bind_all([node.name for node in session.get_outputs()])

    def run(self) -> None:
        """Compute the outputs."""
        self._run(self._binding)

    def lend(self, place: int, state: Array) -> None:
        """Read the state at `place` from memory of the only stream, so that it is not copied."""
        self._bind(self._binding.bind_input, self._interface.states[place].name, state)

    def _bind_all(self, output_names: list[str]) -> None:
        inputs: dict[str, Array] = {FEATURES: self.features}
        outputs: dict[str, Array] = {VOTES: self.votes, SCORES: self.scores}
        if self.age is not None:
            inputs[AGE] = self.age
        if self.block is not None:
            inputs[BLOCK] = self.block
        if self.not_speech is not None:
            outputs[NOT_SPEECH] = self.not_speech
        for state, old, new in zip(
            self._interface.states, self.states, self.new_states, strict=True
        ):
            inputs[state.name] = old[np.newaxis] if state.batch_axis else old
            outputs[state.output] = new[np.newaxis] if state.batch_axis else new
        for name, array in inputs.items():
            self._bind(self._binding.bind_input, name, array)
        for name in output_names:
            self._bind(self._binding.bind_output, name, outputs[name])

    def _bind(self, bind: Any, name: str, array: Array) -> None:  # noqa: ANN401
        bind(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
