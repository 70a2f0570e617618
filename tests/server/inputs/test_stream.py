"""`/v1/stream` on a real socket, with real speech."""

import asyncio
import json

import numpy as np
import pytest
from talking import START, client, received, send_all, socket, stream

from livemood.engine import analyze_file
from livemood.timeline.events import parse_event, without_wall_clock


def said(events):
    """What events say of the sound, less what depends on the session."""
    return [without_wall_clock(e) for e in events if e.type != "session.started"]


def dominant(events):
    return events[-1].summary[0].session.dominant


def mu_law(samples):
    """Samples of 16 bits as G.711 mu-law codes."""
    magnitude = np.minimum(np.abs(samples.astype(np.int32)) + 132, 32767)
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    code = (exponent << 4) | ((magnitude >> (exponent + 3)) & 15) | ((samples < 0) << 7)
    return (~code & 0xFF).astype(np.uint8)


def opus_packets(samples):
    """A clip of 16 kHz as Opus packets of 20 ms."""
    av = pytest.importorskip("av", reason="Opus needs the extra rtp")
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 16000, "mono", "s16"
    for at in range(0, len(samples) // 320 * 320, 320):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + 320], "s16", "mono")
        frame.sample_rate, frame.pts = 16000, at
        yield from map(bytes, encoder.encode(frame))
    yield from map(bytes, encoder.encode(None))


async def test_a_stream_gives_the_events_that_analyze_gives(shared, speech, clip, model):
    timeline, failure = analyze_file(clip("03-01-05-02-01-01-20"), model)
    assert failure is None
    with shared() as service:
        events = await stream(service, speech)
    assert events[0].type == "session.started"
    assert events[0].purpose == "personal"
    assert said(events) == said(timeline.events)
    assert events[0].model == timeline.started.model


def mean_probabilities(events):
    heard = [list(e.raw_probabilities.values()) for e in events if e.type == "emotion"]
    return np.mean(heard, axis=0)


def likeness(events, others):
    """Cosine of the mean probabilities, 0 to 1."""
    one, other = mean_probabilities(events), mean_probabilities(others)
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


@pytest.mark.parametrize("encoding", ["f32le", "mulaw", "opus"])
async def test_other_encodings_sound_the_same(shared, speech, encoding):
    start = START | {"encoding": encoding}
    if encoding == "f32le":
        messages = [
            (speech[a : a + 3200] / 32768).astype("<f4").tobytes()
            for a in range(0, len(speech), 3200)
        ]
    elif encoding == "mulaw":
        messages = [mu_law(speech[a : a + 3200]).tobytes() for a in range(0, len(speech), 3200)]
    else:
        messages = list(opus_packets(speech))
    with shared() as service:
        plain = await stream(service, speech)
        async with socket(service, "/v1/stream") as ws:
            await ws.send(json.dumps(start))
            for message in messages:
                await ws.send(message)
            await ws.send('{"type": "end"}')
            events = await received(ws)
    assert events[-1].reason == "end"
    # A codec moves the odds of labels that lie near each other, here angry and disgust.
    assert likeness(events, plain) > 0.8
    if encoding == "f32le":
        assert said(events) == said(plain)


async def test_two_channels_are_two_speakers(shared, speech):
    both = np.stack([speech, np.zeros_like(speech)], axis=1)
    start = START | {"channels": 2, "participants": ["Ada", "Grace"]}
    with shared() as service:
        events = await stream(service, both, start)
        with client(service) as http:
            (record,) = http.get("/v1/sessions").json()["sessions"]
    assert events[0].participants == ("Ada", "Grace")
    assert {e.channel for e in events if e.type == "emotion"} == {0}
    assert record["labels"] == [dominant(events), None]
    assert record["participants"] == ["Ada", "Grace"]


async def test_a_marker_comes_back_where_the_sound_is(shared, speech):
    with shared() as service:
        async with socket(service, "/v1/stream") as ws:
            await send_all(ws, speech[:16000], end=False)
            await ws.send('{"type": "marker", "note": "she laughs"}')
            async for message in ws:
                event = parse_event(message)
                if event.type == "marker":
                    break
            await ws.send('{"type": "end"}')
            last = (await received(ws))[-1]
    assert (event.note, event.start_ms) == ("she laughs", 1000)
    assert last.type == "session.ended"


async def test_a_client_that_goes_without_an_end_interrupts_its_session(shared, speech):
    with shared() as service:
        async with socket(service, "/v1/stream") as ws:
            await send_all(ws, speech, end=False)
            first = parse_event(await ws.recv())
        opened = service.sessions.open(first.session)
        if opened:
            await asyncio.to_thread(opened.settled.wait, 20)
        with client(service) as http:
            record = http.get(f"/v1/sessions/{first.session}").json()
            timeline = http.get(f"/v1/sessions/{first.session}/timeline").json()
    assert (record["state"], record["reason"]) == ("ended", "interrupted")
    assert record["duration_ms"] == pytest.approx(len(speech) / 16, abs=1)
    assert timeline["channels"][0]["summary"]["windows"] > 0


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (b"\x00\x00", "bad_request"),
        ("{", "bad_request"),
        ("[]", "bad_request"),
        ('{"type": "end"}', "bad_request"),
        (START | {"rate": "fast"}, "bad_request"),
        (START | {"rate": 100}, "bad_rate"),
        (START | {"rate": 10**9}, "bad_rate"),
        (START | {"channels": 0}, "bad_request"),
        (START | {"channels": 9}, "bad_request"),
        (START | {"participants": ["one", "two"]}, "bad_participants"),
        (START | {"participants": ["\ud800"]}, "bad_request"),
        (START | {"encoding": "mp3"}, "bad_request"),
        (START | {"encoding": "opus", "rate": 44100}, "bad_rate"),
        (START | {"purpose": ""}, "bad_request"),
        (START | {"purpose": "gossip"}, "unknown_purpose"),
        (START | {"purpose": "work"}, "purpose_refused"),
        (START | {"informed": False}, "not_informed"),
        (START | {"keep_sound": True}, "no_consent"),
        (START | {"secret": 1}, "bad_request"),
        (START | {"participants": ["A", "B"]}, "bad_participants"),
        ({k: v for k, v in START.items() if k != "purpose"}, "bad_request"),
    ],
    ids=repr,
)
async def test_a_wrong_beginning_gets_its_reason(shared, first, code):
    with shared() as service:
        async with socket(service, "/v1/stream") as ws:
            await ws.send(first if isinstance(first, str | bytes) else json.dumps(first))
            error = parse_event(await ws.recv())
            assert await received(ws) == []
        assert service.sessions.all_open() == []
        assert service.storage.sessions.find() == []
    assert (error.type, error.code, error.fatal) == ("error", code, True)
    assert ws.close_code == 1008


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\x00", "bad_sound"),
        (b"RIFF....WAVEfmt ", "bad_sound"),
        ("{", "bad_request"),
        ('{"type": "start"}', "bad_request"),
        ('{"type": "marker", "note": ""}', "bad_request"),
    ],
)
async def test_nonsense_on_the_way_ends_the_session_with_its_reason(shared, message, code):
    with shared() as service:
        async with socket(service, "/v1/stream") as ws:
            await ws.send(json.dumps(START))
            await ws.send(message)
            events = await received(ws)
        assert (ws.close_code, ws.close_reason) == (1008, code)
    assert [e.type for e in events] == ["session.started", "error", "session.ended"]
    assert events[1].code == code
    assert events[2].reason == "error"


async def test_numbers_that_are_none_become_a_gap(shared):
    sound = np.zeros(16000, "<f4")
    sound[4000:8000] = np.nan
    sound[9000] = 1e38
    with shared() as service:
        async with socket(service, "/v1/stream") as ws:
            await ws.send(json.dumps(START | {"encoding": "f32le"}))
            await ws.send(sound[:8000].tobytes())
            await ws.send(sound[8000:].tobytes())
            await ws.send('{"type": "end"}')
            events = await received(ws)
    gaps = [e for e in events if e.type == "gap"]
    assert [(g.start_ms, g.end_ms, g.cause) for g in gaps] == [(250, 500, "not_finite")]


async def test_a_session_created_before_gets_its_stream_once(shared, speech):
    spec = {"kind": "stream", "purpose": "research", "consent": "form 7", "participants": ["P1"]}
    with shared() as service, client(service) as http:
        made = http.post("/v1/sessions", json=spec).json()
        path = f"/v1/stream?session={made['id']}"
        plain = {k: START[k] for k in ("type", "rate", "encoding")}
        events = await stream(service, speech, plain, path=path)
        again = await stream(service, speech[:0], plain, path=path)
    assert events[0].session == made["id"]
    assert (events[0].purpose, events[0].consent) == ("research", "form 7")
    assert events[0].participants == ("P1",)
    assert [e.code for e in again] == ["already_started"]
