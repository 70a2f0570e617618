"""Messages that are not known are passed over and counted; the call goes on."""

import asyncio
import base64
import json
import re
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from talking import START, client, received, socket, stream
from websockets.exceptions import ConnectionClosed

UNKNOWN = st.fixed_dictionaries(
    {"type": st.text(max_size=12).filter(lambda kind: kind not in ("start", "marker", "end"))},
    optional={
        "note": st.text(max_size=8),
        "quality": st.integers() | st.none() | st.lists(st.integers(), max_size=3),
        "rate": st.booleans(),
    },
)
EVENTS = ("connected", "start", "media", "stop", "mark", "dtmf")
UNKNOWN_EVENT = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["quality", "clear"])
        | st.text(max_size=12).filter(lambda kind: kind not in EVENTS)
    },
    optional={"streamSid": st.text(max_size=8), "start": st.none(), "media": st.integers()},
)
TWILIO_START = {
    "event": "start",
    "start": {
        "tracks": ["inbound"],
        "customParameters": {"purpose": "personal", "informed": "true"},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    },
}


def passed_over(service, kind):
    with client(service) as http:
        text = http.get("/metrics").text
    found = re.search(rf'livemood_unknown_messages_total{{kind="{kind}"}} ([0-9.]+)', text)
    return float(found[1]) if found else 0.0


@pytest.fixture(scope="module")
def one_service(model, tmp_path_factory):
    from livemood.engine import MonitorSettings
    from livemood.server.serve import ServeSettings, Service

    chosen = ServeSettings(port=0, data=tmp_path_factory.mktemp("data"))
    with Service(chosen, model, MonitorSettings(budget_s=60)) as service:
        service.sessions.load = lambda: 0.0  # what else the machine does keeps nobody out
        yield service


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.none() | UNKNOWN, min_size=1, max_size=12))
def test_any_order_of_unknown_messages_leaves_a_stream_as_it_is(one_service, messages):
    """`None` is a block of sound: all of it is heard, and nothing else ends the call."""
    before = passed_over(one_service, "stream")
    block = (np.sin(np.arange(1600) / 5) * 3000).astype(np.int16)

    async def talk():
        async with socket(one_service, "/v1/stream") as ws:
            await ws.send(json.dumps(START))
            for message in messages:
                await ws.send(block.tobytes() if message is None else json.dumps(message))
            await ws.send('{"type": "end"}')
            return await received(ws)

    events = asyncio.run(talk())
    assert (events[-1].type, events[-1].reason) == ("session.ended", "end")
    assert events[-1].summary[0].duration_ms == 100 * messages.count(None)
    unknown = len(messages) - messages.count(None)
    assert passed_over(one_service, "stream") == before + unknown


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.none() | UNKNOWN_EVENT, min_size=1, max_size=12), st.integers(0, 3))
def test_any_order_of_unknown_events_leaves_a_call_as_it_is(one_service, messages, first):
    before = passed_over(one_service, "twilio")

    async def call():
        async with socket(one_service, "/v1/twilio") as ws:
            for message in [m for m in messages if m is not None][:first]:
                await ws.send(json.dumps(message))
            await ws.send(json.dumps(TWILIO_START))
            at = 0
            for message in messages:
                if message is None:
                    # Base64 with line breaks, as MIME has it.
                    payload = base64.encodebytes(b"\x90" * 160).decode()
                    media = {"track": "inbound", "timestamp": str(20 * at), "payload": payload}
                    message, at = {"event": "media", "media": media}, at + 1
                await ws.send(json.dumps(message))
            await ws.send(json.dumps({"event": "stop"}))
            with suppress(ConnectionClosed):
                raise AssertionError(await ws.recv())
            return ws.close_code

    assert asyncio.run(call()) == 1000
    unknown = sum(m is not None for m in messages)
    assert passed_over(one_service, "twilio") == before + unknown + min(unknown, first)


async def test_unknown_fields_of_a_start_message_stay_refused(shared, speech):
    with shared() as service:
        events = await stream(service, speech[:1600], START | {"quality": 3})
    assert [e.code for e in events] == ["bad_request"]


async def test_unknown_messages_are_no_way_around_the_limits(shared):
    with shared() as service, suppress(ConnectionClosed):
        async with socket(service, "/v1/stream") as ws:
            await ws.send(json.dumps(START))
            reading = asyncio.create_task(received(ws))
            with suppress(ConnectionClosed):
                for _ in range(5000):
                    await ws.send('{"type": "x"}')
            events = await reading
            assert events[-2].code == "too_fast"
