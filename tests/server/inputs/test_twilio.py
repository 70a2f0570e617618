"""`/v1/twilio`: calls as a telephony provider sends them."""

import asyncio
import base64
import json
from contextlib import AsyncExitStack, suppress

import pytest
import soundfile as sf
from calling import mu_law
from talking import client, socket, until
from websockets.exceptions import ConnectionClosed, InvalidStatus

from livemood.audio import resample
from livemood.server.inputs.twilio import Strangers
from livemood.server.refused import Refused

PARAMETERS = {"purpose": "personal", "informed": "true", "flow": "the caller's own"}


@pytest.fixture(scope="module")
def coded(clip):
    names = ("03-01-05-02-01-01-20", "03-01-04-02-01-01-02")
    sounds = (sf.read(clip(name), dtype="float32") for name in names)
    return [mu_law(resample(sound, rate, 8000)) for sound, rate in sounds]


def start(tracks=("inbound",), parameters=PARAMETERS, **form):
    about = {
        "accountSid": "AC0",
        "streamSid": "MZ0",
        "callSid": "CA0",
        "tracks": list(tracks),
        "customParameters": parameters,
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1} | form,
    }
    return {"event": "start", "sequenceNumber": "1", "start": about, "streamSid": "MZ0"}


def media(track, chunk, payload, timestamp):
    body = {
        "track": track,
        "chunk": str(chunk),
        "timestamp": str(timestamp),
        "payload": base64.b64encode(payload).decode(),
    }
    return {"event": "media", "sequenceNumber": str(chunk + 1), "media": body, "streamSid": "MZ0"}


def talk(coded, track="inbound", begin=0):
    for n in range(len(coded) // 160):
        # The times that a provider gives are not exact.
        timestamp = begin + 20 * n + (n * 7) % 5
        yield media(track, n + 1, coded[160 * n : 160 * n + 160], timestamp)


async def call(service, messages, token=None, parameters=PARAMETERS, tracks=("inbound",)):
    """A whole call; the code and reason with which the server closes."""
    async with socket(service, "/v1/twilio", token) as ws:
        await ws.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await ws.send(json.dumps(start(tracks, parameters)))
        for message in messages:
            await ws.send(json.dumps(message))
        await ws.send(json.dumps({"event": "stop", "sequenceNumber": "9", "stop": {}}))
        said = []
        with suppress(ConnectionClosed):
            async for message in ws:
                said.append(message)
        return ws.close_code, [json.loads(s) for s in said]


def timeline(service, number=0):
    with client(service) as http:
        record = http.get("/v1/sessions").json()["sessions"][number]
        text = http.get(f"/v1/sessions/{record['id']}/timeline?format=jsonl").text
    return record, [json.loads(line) for line in text.splitlines()]


def ended(service):
    for opened in service.sessions.all_open():
        assert opened.settled.wait(60)


async def test_both_tracks_are_channels(shared, coded):
    one, two = talk(coded[0]), talk(coded[1], "outbound")
    both = [m for pair in zip(one, two, strict=False) for m in pair]
    keys = {
        "event": "dtmf",
        "sequenceNumber": "5",
        "dtmf": {"track": "inbound_track", "digit": "1"},
    }
    mark = {"event": "mark", "sequenceNumber": "6", "mark": {"name": "x"}}
    with shared() as service:
        parameters = PARAMETERS | {"participants": "Caller, Agent"}
        closed = await call(
            service,
            [*both[:100], keys, mark, *both[100:]],
            parameters=parameters,
            tracks=("inbound", "outbound"),
        )
        await asyncio.to_thread(ended, service)
        record, events = timeline(service)
    assert closed == (1000, [])
    assert (record["kind"], record["reason"]) == ("twilio", "end")
    assert record["participants"] == ["Caller", "Agent"]
    assert not [e for e in events if e["type"] in ("gap", "error")]
    shorter = min(len(c) // 160 for c in coded) * 20
    for channel in (0, 1):
        assert [e for e in events if e["type"] == "emotion" and e["channel"] == channel]
        assert events[-1]["summary"][channel]["duration_ms"] == shorter


async def test_a_call_into_a_session_created_before(shared, coded):
    with shared() as service:
        with client(service) as http:
            spec = {"kind": "twilio", "purpose": "personal", "informed": True}
            made = http.post("/v1/sessions", json=spec).json()
        other = {"session": made["id"], "purpose": "research", "participants": "Ada"}
        code, said = await call(service, [], parameters=other)
        assert (code, said[0]["code"]) == (1008, "bad_request"), "other words for it are refused"
        assert "participants, purpose" in said[0]["message"]
        closed = await call(service, talk(coded[0]), parameters={"session": made["id"]})
        await asyncio.to_thread(ended, service)
        record, _ = timeline(service)
    assert closed == (1000, [])
    assert (record["id"], record["state"]) == (made["id"], "ended")
    assert record["duration_ms"] == len(coded[0]) // 160 * 20


async def test_the_token_may_come_as_a_parameter_or_a_header(serving, coded):
    with serving() as service:
        tokens = service.storage.tokens
        good, watch = tokens.create(("ingest",)), tokens.create(("watch",))
        for header, parameter, code in (
            (None, None, "no_token"),
            (None, "lm_wrong", "bad_token"),
            (None, watch, "missing_scope"),
            (watch, None, "missing_scope"),
        ):
            parameters = PARAMETERS | ({"token": parameter} if parameter else {})
            close_code, said = await call(service, [], header, parameters)
            assert close_code == 1008
            assert [s["code"] for s in said] == [code]
        with pytest.raises(InvalidStatus):
            await call(service, [], "lm_wrong")
        assert await call(service, [], None, PARAMETERS | {"token": good}) == (1000, [])
        assert await call(service, [], good) == (1000, [])


async def test_what_makes_no_sense_is_refused(shared, coded):
    with shared() as service:

        async def refusal(*messages):
            async with socket(service, "/v1/twilio") as ws:
                for message in messages:
                    text = message if isinstance(message, str | bytes) else json.dumps(message)
                    await ws.send(text)
                try:
                    return json.loads(await ws.recv())["code"]
                except ConnectionClosed:
                    return None

        first = next(talk(coded[0]))
        assert await refusal("{") == "bad_request"
        assert await refusal(b"x") == "bad_request"
        assert await refusal({"events": "noise"}) == "bad_request"
        assert await refusal(first | {"media": {}}) == "bad_request"
        assert await refusal(start(encoding="audio/wav")) == "bad_request"
        assert await refusal(start(sampleRate=16000)) == "bad_request"
        assert await refusal(start(parameters={})) == "bad_request"
        assert await refusal(start(parameters={"purpose": "work"})) not in (None, "bad_request")
        assert await refusal(start(), start()) == "bad_request"
        assert await refusal(start(), media("outbound", 1, b"", 0)) == "bad_track"
        broken = {"event": "media", "media": first["media"] | {"payload": "?"}}
        assert await refusal(start(), broken) == "bad_sound"
        assert await refusal(
            start(("inbound", "outbound"), PARAMETERS | {"participants": "A"})
        ) == ("bad_participants")
        assert not any(kept.participants for _, kept in service.storage.sessions.find())
        # Nobody else notices.
        assert await call(service, talk(coded[0])) == (1000, [])
        await asyncio.to_thread(ended, service)
        record, _ = timeline(service)
        assert record["labels"][0]


async def test_a_silent_call_leaves_with_its_session(shared):
    with shared() as service:
        async with socket(service, "/v1/twilio") as ws:
            await ws.send(json.dumps(start()))
            await until(lambda: any(opened.live for opened in service.sessions.all_open()))
            async with asyncio.timeout(30):
                (opened,) = service.sessions.all_open()
                with client(service) as http:
                    path = f"/v1/sessions/{opened.record.id}/end"
                    assert (await asyncio.to_thread(http.post, path)).status_code == 200
                with pytest.raises(ConnectionClosed):
                    await ws.recv()
        assert ws.close_code == 1000


async def test_strangers_keep_out_no_call(serving, coded, monkeypatch):
    """Real calls bring no token before their start message: they look like strangers."""
    monkeypatch.setattr(Strangers, "MOST_OF_ONE", 8)
    monkeypatch.setattr(Strangers, "MOST", 20)
    with serving() as service:
        async with AsyncExitStack() as strangers:
            there = [
                await strangers.enter_async_context(socket(service, "/v1/twilio"))
                for _ in range(30)
            ]
            assert await call(service, list(talk(coded[0]))[:20]) == (1000, [])
            notice = json.loads(await asyncio.wait_for(there[0].recv(), 10))
            assert notice["code"] == "too_many_clients", "the oldest gives way"
            await there[-1].send(json.dumps(start()))
            await there[-1].send(json.dumps({"event": "stop"}))
            with suppress(ConnectionClosed):
                await there[-1].recv()
            assert there[-1].close_code == 1000, "the newest may still begin"


async def test_strangers_make_way_by_address_first():
    strangers, cut, there = Strangers(), [], []

    async def stay(address, name):
        try:
            with strangers.held(address):
                await asyncio.sleep(60)
        except Refused:
            cut.append(name)

    for n in range(Strangers.MOST):
        address = "flood" if n % 2 else f"other {n}"
        there.append(asyncio.create_task(stay(address, (address, n))))
        await asyncio.sleep(0)
    there.append(asyncio.create_task(stay("flood", "last")))
    await asyncio.sleep(0.01)
    assert cut == [("flood", 1)], "whoever holds most places of one address gives way"
    for task in there:
        task.cancel()
    await asyncio.gather(*there, return_exceptions=True)
    assert len(strangers) == 0
