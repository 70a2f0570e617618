"""`/v1/stream` on a real socket, with real speech."""

from talking import stream

from livemood.engine import analyze_file
from livemood.timeline.events import without_wall_clock


def said(events):
    """What events say of the sound, less what depends on the session."""
    return [without_wall_clock(e) for e in events if e.type != "session.started"]


async def test_a_stream_gives_the_events_that_analyze_gives(serving, speech, clip, model):
    timeline, failure = analyze_file(clip("03-01-05-02-01-01-20"), model)
    assert failure is None
    with serving() as service:
        events = await stream(service, speech)
    assert events[0].type == "session.started"
    assert events[0].purpose == "personal"
    expected, got = said(timeline.events), said(events)
    assert [(e["type"], e["start_ms"], e["end_ms"], e["seq"]) for e in got] == [
        (e["type"], e["start_ms"], e["end_ms"], e["seq"]) for e in expected
    ]
    # Batched and alone agree to the last digit only where the batch is one, as it is here.
    assert got == expected
