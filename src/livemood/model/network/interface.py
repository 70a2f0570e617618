"""What a model file takes and gives, as the names and shapes of its inputs and outputs say.

Every input but `features`, `age` and `block` is a part of the streaming state, and the output
`new_NAME` is what becomes of it. One dimension of each is called `batch`. There are three kinds:

- A ring, `kept_NAME` of shape (batch, ..., entries, ...): `new_kept_NAME`, in which that one
  dimension is smaller, takes the place of the oldest entries. Keys and values of attention are kept
  so, best with the heads before the entries. Their order means nothing;
  `age` (batch, entries), float32, says how many calls ago each was written: 1 for those of the
  last call, 0 for those that are empty.
- A convolution cache, one of whose dimensions has no fixed size: it is empty when a stream
  begins and holds `CACHED_FRAMES` from then on.
- Anything else is zeros when a stream begins, and replaced as a whole.

`block` (batch,), float32, is the number of the block since the stream last began afresh, as it does
with each speech, modulo `BLOCKS`: positions made of it do not depend on when somebody speaks.

Outputs: `votes` (steps, batch, width), what each step says; `scores` (steps, batch), its attention
score; `not_speech` (steps, batch), if there is one, the logit that it is no speech.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from livemood.errors import ModelError

FEATURES: Final = "features"
AGE: Final = "age"
BLOCK: Final = "block"
BLOCKS: Final = 12000
"""Blocks after which their numbers begin again: many small numbers divide it."""
VOTES: Final = "votes"
SCORES: Final = "scores"
NOT_SPEECH: Final = "not_speech"
CACHED_FRAMES: Final = 2
"""What a convolution cache holds: what a kernel three frames high sees of the past."""

_BATCH: Final = "batch"
_RING: Final = "kept_"
_TYPES: Final[dict[str, type[np.generic]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


@dataclass(frozen=True, slots=True)
class StateTensor:
    """One part of the streaming state of one stream."""

    name: str
    """Of the input; the output has `new_` before it."""
    shape: tuple[int, ...]
    """Of one stream that goes on, without the batch."""
    fresh_shape: tuple[int, ...]
    """Of one stream that begins."""
    batch_axis: int
    """Where the batch stands in the file: 0, or 1 behind a dimension of 1."""
    dtype: type[np.generic]
    new: int
    """Entries of a ring that one call writes; 0 for what is replaced as a whole."""
    axis: int = 0
    """Where the entries of a ring lie in `shape`."""

    @property
    def new_shape(self) -> tuple[int, ...]:
        """Of what one call gives for one stream."""
        if not self.new:
            return self.shape
        return (*self.shape[: self.axis], self.new, *self.shape[self.axis + 1 :])

    @property
    def output(self) -> str:
        """The name of the output."""
        return f"new_{self.name}"


@dataclass(frozen=True, slots=True)
class Interface:
    """The inputs and outputs of one model file."""

    mels: int
    frames: int | None
    """Frames that one call takes; None if it takes any number."""
    steps: int | None
    """Steps that one call gives; None if that follows from the frames."""
    width: int
    """Values that each step says."""
    states: tuple[StateTensor, ...]
    has_age: bool
    has_block: bool
    has_not_speech: bool

    @property
    def entries(self) -> int:
        """Entries in each ring; 0 without one."""
        return max((s.shape[s.axis] for s in self.states if s.new), default=0)

    @property
    def new_entries(self) -> int:
        """Entries of each ring that one call writes; 0 without one."""
        return max((s.new for s in self.states), default=0)

    @property
    def empty_when_fresh(self) -> bool:
        """Whether streams that begin cannot share a batch with others."""
        return any(s.shape != s.fresh_shape for s in self.states)


def interface_of(session: Any, path: Path) -> Interface:  # noqa: ANN401 - onnxruntime has no types
    """The interface of the file at `path`, loaded into the ONNX Runtime `session`.

    Raises `ModelError` if it is not that of a streaming network.
    """
    inputs = {i.name: i for i in session.get_inputs()}
    outputs = {o.name: o for o in session.get_outputs()}
    try:
        return _interface(inputs, outputs)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"{path} is not a streaming network of this version: {_reason(error)}; its inputs are "
            f"{', '.join(inputs)}; export it again"
        ) from None


def _reason(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def _interface(inputs: dict[str, Any], outputs: dict[str, Any]) -> Interface:
    features, votes = inputs[FEATURES], outputs[VOTES]
    states = tuple(
        _state(node, outputs[f"new_{name}"])
        for name, node in inputs.items()
        if name not in (FEATURES, AGE, BLOCK)
    )
    expected = {VOTES, SCORES, NOT_SPEECH, *(s.output for s in states)}
    if unknown := set(outputs) - expected:
        raise ValueError(f"nothing is known of its output {min(unknown)}")
    if len(outputs[SCORES].shape) != 2 or len(votes.shape) != 3 or len(features.shape) != 3:
        raise ValueError("features and votes need three dimensions, scores two")
    rings = {(s.shape[s.axis], s.new) for s in states if s.new}
    if len(rings) > 1 or any(entries % new for entries, new in rings):
        raise ValueError("its rings must be alike and hold a whole number of calls")
    if bool(rings) != (AGE in inputs):
        raise ValueError("rings and age come together")
    frames, steps = (s if isinstance(s, int) else None for s in (features.shape[1], votes.shape[0]))
    if (frames is None) != (steps is None):
        raise ValueError("both frames and steps have a fixed number, or neither")
    return Interface(
        mels=_fixed(features.shape[2]),
        frames=frames,
        steps=steps,
        width=_fixed(votes.shape[2]),
        states=states,
        has_age=AGE in inputs,
        has_block=BLOCK in inputs,
        has_not_speech=NOT_SPEECH in outputs,
    )


def _state(node: Any, output: Any) -> StateTensor:  # noqa: ANN401
    axis = list(node.shape).index(_BATCH)
    if axis > 1 or (axis == 1 and node.shape[0] != 1):
        raise ValueError(f"the batch must come first in {node.name}")
    inner = [size for place, size in enumerate(node.shape) if place != axis]
    shape = tuple(s if isinstance(s, int) else CACHED_FRAMES for s in inner)
    fresh = tuple(s if isinstance(s, int) else 0 for s in inner)
    new = ring_axis = 0
    if node.name.startswith(_RING):
        written = [_fixed(size) for size in output.shape[1:]]
        differing = [n for n, size in enumerate(shape) if written[n] != size]
        if axis or len(written) != len(shape) or len(differing) != 1:
            raise ValueError(f"{node.name} and its new entries must differ in one dimension")
        ring_axis = differing[0]
        new = written[ring_axis]
    return StateTensor(
        name=node.name,
        shape=shape[1:] if axis else shape,
        fresh_shape=fresh[1:] if axis else fresh,
        batch_axis=axis,
        dtype=_TYPES[node.type],
        new=new,
        axis=ring_axis,
    )


def _fixed(size: object) -> int:
    if not isinstance(size, int):
        raise ValueError(f"a dimension called {size} needs a fixed size")
    return size
