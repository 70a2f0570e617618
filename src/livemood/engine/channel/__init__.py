"""One channel of a session: its sound on one clock, its windows, its events."""

from livemood.engine.channel.channel import Channel, Inference

__all__ = ["Channel", "Inference"]
