"""Messages of a telephony provider, before there is a server: pieces of sound, gaps, nonsense."""

import base64
import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.server.inputs.tracks import Media, Tracks, parse, spec_of
from livemood.server.refused import Refused


def pieces(numbers, timestamps=None, size=160):
    for n in numbers:
        at = 20 * n if timestamps is None else timestamps[n]
        payload = base64.b64encode(b"\x90" * size).decode()
        yield Media(chunk=n + 1, timestamp=at, payload=payload)


def pushed(tracks, messages):
    return [b for n, m in enumerate(messages) for b in tracks.push(m, 0.019 * n)] + tracks.flush()


def holes(blocks):
    out, end = [], 0
    for block in blocks:
        if block.start > end:
            out.append((end, block.start, block.gap_cause))
        end = block.end
    return out


def test_a_piece_that_is_missing_is_a_gap_and_one_out_of_order_is_not():
    numbers = [*range(10), 12, 11, *range(13, 20), *range(21, 40)]
    blocks = pushed(Tracks(("inbound",), 0.0), pieces(numbers))
    assert holes(blocks) == [
        (10 * 160, 11 * 160, "packet_loss"),
        (20 * 160, 21 * 160, "packet_loss"),
    ]
    assert blocks[-1].end == 40 * 160


def test_a_track_that_begins_later_is_absent_before():
    tracks = Tracks(("inbound", "outbound"), 0.0)
    late = Media(
        track="outbound", chunk=1, timestamp=2000, payload=base64.b64encode(bytes(160)).decode()
    )
    (block,) = tracks.push(late, 2.0)
    assert (block.start, block.channel, block.gap_cause) == (16000, 1, "absent")
    # But not by more than time has passed.
    (block,) = Tracks(("outbound",), 0.0).push(late.model_copy(update={"timestamp": 10**9}), 2.0)
    assert block.start <= 3 * 8000


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("inbound", "outbound")),
            st.none() | st.integers(0, 2**53) | st.integers(0, 30),
            st.integers(0, 2**53) | st.integers(0, 1000),
            st.binary(max_size=400),
        ),
        max_size=30,
    )
)
def test_whatever_pieces_come_each_channel_goes_on(sent):
    tracks, ends = Tracks(("inbound", "outbound"), 0.0), {0: 0, 1: 0}
    for n, (track, chunk, timestamp, payload) in enumerate(sent):
        text = base64.b64encode(payload).decode()
        message = Media(track=track, chunk=chunk, timestamp=timestamp, payload=text)
        for block in tracks.push(message, 0.02 * n):
            assert block.start >= ends[block.channel]
            ends[block.channel] = block.end
    assert all(end <= 8000 * (len(sent) * 0.05 + 6) + 400 for end in ends.values())


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=100)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(("event", "start", "media", "tracks", "payload", "chunk", "x")),
                inner | st.sampled_from(("start", "media", "stop")),
                max_size=4,
            )
        ),
        max_leaves=8,
    ).map(json.dumps)
)
def test_any_message_is_read_or_refused(text):
    with suppress(Refused):
        assert isinstance(parse(text).event, str)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(("purpose", "consent", "participants", "informed", "retention_days", "x")),
        st.text(max_size=300) | st.sampled_from(("true", "30", "personal", ",,", "a,b")),
    )
)
def test_any_parameters_are_read_or_refused(parameters):
    with suppress(Refused):
        assert all(spec_of(parameters).participants)
