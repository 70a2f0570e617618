"""Two workers at one address, as real processes, on real speech."""

import asyncio
import base64
import json
from contextlib import AsyncExitStack

import pytest
import soundfile as sf
from calling import CALL, Caller, mu_law
from many import http
from talking import SPEC, START, code, received, send_all, stream, until

from livemood.audio import resample
from livemood.timeline.events import parse_event


async def live(two, stack, **where):
    """A stream that has begun at a certain worker: its socket and its session."""
    ws = await two.websocket(stack, "/v1/stream", **where)
    await ws.send(json.dumps(START))
    return ws, parse_event(await ws.recv()).session


async def finish(ws, speech):
    """Send the clip and read to the end."""
    for at in range(0, len(speech), 3200):
        await ws.send(speech[at : at + 3200].tobytes())
    await ws.send('{"type": "end"}')
    return await received(ws)


def numbers(events):
    return [event.seq for event in events if event.seq is not None]


def other_than(two, pid):
    return next(worker.pid for worker in two.workers if worker.pid != pid)


async def test_streams_spread_over_the_workers_and_are_all_heard(two, speech):
    async with AsyncExitStack() as stack:
        streams = [await live(two, stack) for _ in range(6)]
        served = [two.of(ws) for ws, _ in streams]
        heard = await asyncio.gather(*(finish(ws, speech) for ws, _ in streams))
    assert set(served) == {worker.pid for worker in two.workers}
    assert {events[-1].reason for events in heard} == {"end"}
    assert all(any(e.type == "emotion" for e in events) for events in heard)


def busiest(two):
    with http(two) as one:
        text = one.get("/metrics").text
    return float(text.split("\nlivemood_load ")[1].split()[0])


@pytest.mark.slow
async def test_a_worker_that_carries_more_leaves_connections_to_the_other(two):
    first = two.workers[0].pid
    await until(lambda: busiest(two) < 0.04)  # others of these tests have just been here
    async with AsyncExitStack() as stack:
        loads = [await two.websocket(stack, "/v1/stream", at=first) for _ in range(2)]
        for ws in loads:
            await ws.send(json.dumps(START | {"channels": 8}))
            await ws.recv()
        came = [await two.websocket(stack, "/v1/stream") for _ in range(16)]
        served = [two.of(ws) for ws in came]
        for ws in loads:
            await ws.send('{"type": "end"}')
            await received(ws)
    assert served.count(first) <= 4  # a connection that nobody takes for long is anybody's


async def test_a_watcher_at_the_other_worker_gets_every_event_once_and_in_order(two, speech):
    async with AsyncExitStack() as stack:
        ws, session = await live(two, stack)
        path = f"/v1/timeline?session={session}&after=0"
        there = await two.websocket(stack, path, at=other_than(two, two.of(ws)))
        here = await two.websocket(stack, path, at=two.of(ws))
        late = await two.websocket(
            stack, f"/v1/timeline?session={session}", at=other_than(two, two.of(ws))
        )
        own, *watched = await asyncio.gather(finish(ws, speech), received(there), received(here))
        since = await received(late)
    assert numbers(watched[0]) == list(range(1, own[-1].seq + 1))
    assert watched[0] == watched[1]
    assert watched[0][1:] == own
    assert watched[0][-1].type == "session.ended"
    # From now on: that is once its worker has asked the other one.
    assert since[-1] == own[-1]
    assert since == own[-len(since) :]
    assert there.close_code == 1000


async def test_a_watcher_that_goes_on_from_a_number_gets_what_follows(two, speech):
    async with AsyncExitStack() as stack:
        ws, session = await live(two, stack)
        other = other_than(two, two.of(ws))
        own = await finish(ws, speech)
        path = f"/v1/timeline?session={session}&after=5"
        events = await received(await two.websocket(stack, path, at=other))
        ahead = await received(
            await two.websocket(stack, f"/v1/timeline?session={session}&after=999", at=other)
        )
    assert numbers(events) == list(range(6, own[-1].seq + 1))
    assert ahead[0].code == "bad_request"


async def test_the_sound_of_a_waiting_session_may_come_to_the_other_worker(two, speech):
    """It is watched at both before its sound comes. It moves to where that comes."""
    first, second = (worker.pid for worker in two.workers)
    made = two.ask(first, "POST", "/v1/sessions", json=SPEC).json()
    for at in (first, second):
        assert two.ask(at, "GET", f"/v1/sessions/{made['id']}").json()["state"] == "waiting"
    async with AsyncExitStack() as stack:
        path = f"/v1/timeline?session={made['id']}&after=0"
        watching = [await two.websocket(stack, path, at=at) for at in (first, second)]
        ws = await two.websocket(stack, f"/v1/stream?session={made['id']}", at=second)
        form = {"type": "start", "rate": 16000, "encoding": "s16le"}
        sending = asyncio.create_task(send_all(ws, speech, form))
        own, *watched = await asyncio.gather(received(ws), *map(received, watching))
        await sending
    assert own[-1].reason == "end"
    assert watched == [own, own]


@pytest.mark.slow
async def test_a_live_session_is_read_noted_listed_and_ended_at_the_other_worker(two, speech):
    async with AsyncExitStack() as stack:
        ws, session = await live(two, stack)
        other = other_than(two, two.of(ws))
        for at in range(0, len(speech), 3200):
            await ws.send(speech[at : at + 3200].tobytes())
        while (await asyncio.wait_for(ws.recv(), 20)).find('"type":"emotion"') < 0:
            pass
        path = f"/v1/sessions/{session}"
        note = await asyncio.to_thread(
            two.ask, other, "POST", f"{path}/markers", json={"note": "here"}
        )
        read = await asyncio.to_thread(two.ask, other, "GET", path)
        listed = await asyncio.to_thread(two.ask, other, "GET", "/v1/sessions?state=live")
        lines = await asyncio.to_thread(two.ask, other, "GET", f"{path}/timeline?format=jsonl")
        ended = await asyncio.to_thread(two.ask, other, "POST", f"{path}/end")
        again = await asyncio.to_thread(two.ask, other, "POST", f"{path}/end")
    assert note.status_code == 201
    assert (read.json()["state"], read.json()["channels"]) == ("live", 1)
    found = next(each for each in listed.json()["sessions"] if each["id"] == session)
    assert found["moods"][0]["label"]
    events = [json.loads(line) for line in lines.text.splitlines()]
    assert {"emotion", "marker"} <= {event["type"] for event in events}
    assert ended.json()["reason"] == "end"
    assert code(again) == (409, "not_live")


@pytest.mark.slow
async def test_an_ended_session_is_either_workers(two, speech):
    events = await stream(two, speech, token=two.token)
    session = events[0].session
    answers = [
        [
            two.ask(worker.pid, "GET", f"/v1/sessions/{session}/{what}")
            for what in ("timeline?format=csv", "report")
        ]
        for worker in two.workers
    ]
    assert [[a.status_code for a in each] for each in answers] == [[200, 200], [200, 200]]
    assert answers[0][0].text == answers[1][0].text
    first, second = (worker.pid for worker in two.workers)
    assert two.ask(first, "DELETE", f"/v1/sessions/{session}").status_code == 204
    assert code(two.ask(second, "GET", f"/v1/sessions/{session}")) == (404, "not_found")
    assert code(two.ask(first, "GET", f"/v1/sessions/{session}")) == (404, "not_found")


async def test_a_live_session_is_deleted_at_the_other_worker(two):
    async with AsyncExitStack() as stack:
        ws, session = await live(two, stack)
        other = other_than(two, two.of(ws))
        gone = await asyncio.to_thread(two.ask, other, "DELETE", f"/v1/sessions/{session}")
        events = await received(ws)
    assert gone.status_code == 204
    assert events[-1].reason == "interrupted"
    assert not list(two.data.rglob(f"*{session}*"))


def test_calls_come_to_ports_of_both_workers(two, clip):
    samples, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    coded = mu_law(resample(samples, rate, 8000))
    with http(two) as client:
        halves = {}
        while len(halves) < 2:  # by load: one worker may be given some before the other is
            each = client.post("/v1/sessions", json=CALL).json()
            halves.setdefault(each["rtp"]["ports"][0] < 34500, each)
        made = list(halves.values())
        for each in made:
            with Caller(each["rtp"]["host"], each["rtp"]["ports"][0]) as caller:
                caller.say(coded)
        for each in made:  # a watcher is told its end
            asyncio.run(_end_of(two, each["id"]))
        texts = [
            client.get(f"/v1/sessions/{each['id']}/timeline?format=jsonl").text for each in made
        ]
        for record in client.get("/v1/sessions?state=waiting").json()["sessions"]:
            client.post(f"/v1/sessions/{record['id']}/end")
    assert all('"type":"emotion"' in text for text in texts)


async def _end_of(two, session):
    async with AsyncExitStack() as stack:
        ws = await two.websocket(stack, f"/v1/timeline?session={session}&after=0")
        return (await received(ws))[-1]


@pytest.mark.slow
def test_a_recording_may_be_uploaded_to_either_worker(two, clip):
    path = clip("03-01-05-02-01-01-20")
    spec = SPEC | {"kind": "recording"}
    first, second = (worker.pid for worker in two.workers)
    made = two.ask(first, "POST", "/v1/sessions", json=spec).json()
    content = path.read_bytes()
    sent = two.ask(second, "POST", f"/v1/recordings?session={made['id']}", content=content)
    again = two.ask(first, "POST", f"/v1/recordings?session={made['id']}", content=content)
    assert sent.status_code == 202, sent.text
    assert again.status_code == 409
    assert asyncio.run(_end_of(two, made["id"])).reason == "end"


def sessions_at(two, worker):
    return two.ask(worker.pid, "GET", "/healthz").json()["sessions"]


def test_health_and_metrics_are_those_of_all(two):
    while sessions_at(two, two.workers[0]):  # what other tests ended is being written
        pass
    made = [
        two.ask(worker.pid, "POST", "/v1/sessions", json=SPEC).json()["id"]
        for worker in two.workers
    ]
    health = [two.ask(worker.pid, "GET", "/healthz").json() for worker in two.workers]
    others = [two.ask(worker.pid, "GET", "/v1/sessions?state=waiting") for worker in two.workers]
    ready = [two.ask(worker.pid, "GET", "/readyz").json() for worker in two.workers]
    metrics = [two.ask(worker.pid, "GET", "/metrics").text for worker in two.workers]
    with http(two) as client:
        for session in made:
            client.post(f"/v1/sessions/{session}/end")
    assert [each["sessions"] for each in health] == [2, 2]
    for answer in others:
        assert {record["id"] for record in answer.json()["sessions"]} == set(made)
    assert [each["status"] for each in health + ready] == ["ok", "ok", "ready", "ready"]
    for text in metrics:
        lines = [line for line in text.splitlines() if line.startswith("livemood_windows_total ")]
        assert len(lines) == 1
        assert 'livemood_model_info{name="small"' in text
    assert not any(session in text for session in made for text in metrics)


async def test_a_twilio_call_may_come_to_either_worker(two, clip):
    samples, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    coded = mu_law(resample(samples, rate, 8000))
    first, second = (worker.pid for worker in two.workers)
    made = two.ask(first, "POST", "/v1/sessions", json=SPEC | {"kind": "twilio"}).json()
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    start = {"tracks": ["inbound"], "mediaFormat": form, "streamSid": "MZ0", "callSid": "CA0"}
    start |= {"accountSid": "AC0", "customParameters": {"token": two.token, "session": made["id"]}}
    async with AsyncExitStack() as stack:
        ws = await two.websocket(stack, "/v1/twilio", at=second)
        await ws.send(json.dumps({"event": "start", "start": start, "sequenceNumber": "1"}))
        for n in range(len(coded) // 160):
            payload = base64.b64encode(coded[160 * n : 160 * n + 160]).decode()
            media = {"track": "inbound", "chunk": str(n + 1), "timestamp": str(20 * n)}
            await ws.send(json.dumps({"event": "media", "media": media | {"payload": payload}}))
        await ws.send(json.dumps({"event": "stop", "stop": {}}))
        await ws.wait_closed()
        watcher = await two.websocket(stack, f"/v1/timeline?session={made['id']}&after=0", at=first)
        events = await received(watcher)
    assert any(event.type == "emotion" for event in events)
    assert events[-1].reason == "end"


async def test_who_publishes_at_one_worker_is_parted_with_at_the_other(two, clip, tmp_path):
    aiortc = pytest.importorskip("aiortc", reason="needs the extra webrtc")
    media = pytest.importorskip("aiortc.contrib.media")
    samples, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    sf.write(tmp_path / "speech.wav", samples, rate)
    first, second = (worker.pid for worker in two.workers)
    made = two.ask(first, "POST", "/v1/sessions", json=SPEC | {"kind": "whip"}).json()
    peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    try:
        peer.addTrack(media.MediaPlayer(str(tmp_path / "speech.wav")).audio)
        await peer.setLocalDescription(await peer.createOffer())
        offer = {
            "content": peer.localDescription.sdp,
            "headers": {"Content-Type": "application/sdp"},
        }
        path = f"/v1/whip?session={made['id']}"
        answer = await asyncio.to_thread(two.ask, second, "POST", path, **offer)
        again = await asyncio.to_thread(two.ask, first, "POST", path, **offer)
        gone = await asyncio.to_thread(two.ask, first, "DELETE", answer.headers["location"])
    finally:
        await peer.close()
    assert answer.status_code == 201, answer.text
    assert again.status_code == 409
    assert gone.status_code == 200
