"""What happened when: smoothing, events, segments, summaries, exports."""

from livemood.timeline.events import AnyEvent, Event, parse_event
from livemood.timeline.smoother import Smoother, SmootherSettings
from livemood.timeline.timeline import Timeline

__all__ = ["AnyEvent", "Event", "Smoother", "SmootherSettings", "Timeline", "parse_event"]
