"""A timeline as a notebook shows it: a ribbon of labels and a table of shares for each channel."""

from html import escape
from typing import TYPE_CHECKING

from livemood.timeline.look import look

if TYPE_CHECKING:
    from livemood.timeline.timeline import Timeline

NOTE = "How speech sounds: an estimate, not what a person feels."


def timeline_html(timeline: "Timeline") -> str:
    """A fragment of HTML without scripts; names and labels are escaped."""
    end_ms = max((event.end_ms for event in timeline.events), default=0)
    parts = [f"<p><b>{escape(timeline.source)}</b>, {end_ms / 1000:.1f} s</p>"]
    for channel in timeline.channels:
        parts.append(f"<p>{escape(timeline.who(channel))}</p>")
        parts.append(_ribbon(timeline, channel, end_ms))
        parts.append(_shares(timeline, channel))
    return "<div>" + "".join([*parts, f"<p><small>{NOTE}</small></p></div>"])


def _ribbon(timeline: "Timeline", channel: int, end_ms: int) -> str:
    scale = 100 / max(1, end_ms)
    boxes = []
    for segment in timeline.segments(channel):
        seen = look(segment.label)
        left, width = scale * segment.start_ms, scale * (segment.end_ms - segment.start_ms)
        text = f"{segment.label}, {segment.start_ms / 1000:.1f} to {segment.end_ms / 1000:.1f} s"
        boxes.append(
            f'<div title="{escape(text, quote=True)}" style="position:absolute;left:{left:.3f}%;'
            f"width:{width:.3f}%;height:100%;background:{seen['colour']};color:#000;"
            f'overflow:hidden;text-align:center">{escape(seen["letter"])}</div>'
        )
    style = "position:relative;height:1.5em;background:#8882;max-width:60em"
    return f'<div style="{style}">{"".join(boxes)}</div>'


def _shares(timeline: "Timeline", channel: int) -> str:
    summary = timeline.summary(channel)
    if summary is None or not summary.session.shares:
        return "<p>no speech that is long enough was heard</p>"
    rows = "".join(
        f"<tr><td>{escape(label)}</td><td>{share:.0%}</td></tr>"
        for label, share in summary.session.shares.items()
    )
    return f"<table><tr><th>label</th><th>share of speech</th></tr>{rows}</table>"
