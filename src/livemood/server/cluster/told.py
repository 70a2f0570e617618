"""What nodes tell each other through NATS."""

from pydantic import BaseModel

from livemood.server.spec import Kind


class Lease(BaseModel):
    """What a node says of itself, every second."""

    node: int
    name: str
    """By which the database knows it."""
    beat: int
    """Counts up."""
    address: str
    """Where other nodes ask it: a URL."""
    url: str
    """Where clients do."""
    load: float
    cost: float
    ready: bool
    """Whether it takes sessions."""


class Moved(BaseModel):
    """What a node says of a live session that it has left."""

    at: int
    """Number, in the stream of events, of what it last said."""
    seq: int
    """Number of the last event."""
    end_ms: int
    """Up to where it was heard."""
    heard: float
    """When that was, Unix seconds."""


class Held(BaseModel):
    """A session that waits or is live."""

    node: int
    creator: str
    kind: Kind
    parties: int
    waiting: bool
    moved: Moved | None = None
    """Set while no node has it: then `node` is nobody's number, made for this session alone.

    If nobody goes on with it, the others take that node for dead, and end the session.
    """
