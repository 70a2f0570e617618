"""Three nodes, as processes of their own, on real speech."""

import asyncio
import json

import httpx
import nats as nats_client
import pytest
from nodes import Cluster
from talking import SPEC, START, code, received, send_all, socket, stream, until

pytestmark = pytest.mark.slow  # three nodes, NATS and PostgreSQL


def numbers(events):
    return [event.seq for event in events if event.seq is not None]


async def begun(node, ws):
    """The session of a stream that begins."""
    await ws.send(json.dumps(START))
    return json.loads(await ws.recv())["session"]


async def finish(ws, speech):
    """Send the clip and read to the end."""
    for at in range(0, len(speech), 3200):
        await ws.send(speech[at : at + 3200].tobytes())
    await ws.send('{"type": "end"}')
    return await received(ws)


def watching(node, session, after=None):
    query = "" if after is None else f"&after={after}"
    return socket(node, f"/v1/timeline?session={session}{query}", node.token)


async def test_watchers_at_other_nodes_get_every_event_once_and_in_order(three, speech):
    a, b, c = three
    async with socket(a, "/v1/stream", a.token) as ws:
        session = await begun(a, ws)
        async with (
            watching(b, session, 0) as at_b,
            watching(b, session, 0) as too,
            watching(c, session, 0) as at_c,
        ):
            own, *watched = await asyncio.gather(
                finish(ws, speech), *map(received, (at_b, too, at_c))
            )
        codes = {at_b.close_code, at_c.close_code}
    assert numbers(watched[0]) == list(range(1, own[-1].seq + 1))
    assert watched[0] == watched[1] == watched[2]
    assert watched[0][1:] == own
    assert codes == {1000}


async def test_an_ended_session_is_any_nodes(three, speech):
    a, b, _ = three
    events = await stream(a, speech, token=a.token)
    session = events[0].session
    async with watching(b, session, 5) as late:
        assert numbers(await received(late)) == list(range(6, events[-1].seq + 1))
    await until(lambda: b.get(f"/v1/sessions/{session}").json()["state"] == "ended")
    texts = [node.get(f"/v1/sessions/{session}/timeline?format=csv").text for node in (a, b)]
    assert texts[0] == texts[1]


async def test_a_live_session_is_read_noted_listed_and_ended_at_another_node(three, speech):
    a, b, c = three
    async with socket(a, "/v1/stream", a.token) as ws:
        session = await begun(a, ws)
        await until(lambda: session in b.get("/v1/sessions?state=live").text)
        for at in range(0, len(speech), 3200):
            await ws.send(speech[at : at + 3200].tobytes())
        while (await ws.recv()).find('"type":"emotion"') < 0:
            pass
        path = f"/v1/sessions/{session}"
        note = await asyncio.to_thread(b.post, f"{path}/markers", json={"note": "here"})
        assert note.status_code == 201, note.text
        lines = (await asyncio.to_thread(c.get, f"{path}/timeline?format=jsonl")).text.splitlines()
        assert {"emotion", "marker"} <= {json.loads(line)["type"] for line in lines}
        listed = (await asyncio.to_thread(b.get, "/v1/sessions?state=live")).json()["sessions"]
        assert next(each for each in listed if each["id"] == session)["moods"][0]["label"]
        ended = await asyncio.to_thread(b.post, f"{path}/end")
        assert ended.json()["reason"] == "end"


async def test_the_sound_of_a_waiting_session_may_come_to_another_node(three, speech):
    a, b, c = three
    made = a.post("/v1/sessions", json=SPEC).json()
    async with watching(c, made["id"], 0) as ws:
        form = {"type": "start", "rate": 16000, "encoding": "s16le"}
        async with socket(b, f"/v1/stream?session={made['id']}", b.token) as sound:
            sending = asyncio.create_task(send_all(sound, speech, form))
            own, watched = await asyncio.gather(received(sound), received(ws))
            await sending
    assert own[-1].reason == "end"
    assert watched == own


async def test_a_session_is_deleted_at_another_node(three, speech):
    a, b, _ = three
    async with socket(a, "/v1/stream", a.token) as ws:
        session = await begun(a, ws)
        with b.http() as http:
            gone = await asyncio.to_thread(http.delete, f"/v1/sessions/{session}")
        assert (await received(ws))[-1].reason == "interrupted"
    assert gone.status_code == 204
    assert code(a.get(f"/v1/sessions/{session}")) == (404, "not_found")
    assert not list(a.data.rglob(f"*{session}*"))


async def test_a_full_node_names_another(nats, postgresql, speech, tmp_path):
    with Cluster(tmp_path, nats, postgresql.new()) as made:
        small, large = made.node("a", "--set", "limits.sessions=1"), made.node("b")
        async with socket(small, "/v1/stream", small.token) as ws:
            await begun(small, ws)
            async with asyncio.timeout(30):  # until each knows of the other
                while (answer := small.post("/v1/sessions", json=SPEC)).status_code != 307:
                    assert code(answer) == (503, "too_many_sessions")
            assert answer.headers["Location"] == f"{large.url}/v1/sessions"
            moved = httpx.post(
                answer.headers["Location"],
                json=SPEC,
                headers={"Authorization": f"Bearer {small.token}"},
            )
            assert moved.status_code == 201
            async with socket(small, "/v1/stream", small.token) as refused:
                await refused.send(json.dumps(START))
                told = json.loads(await refused.recv())
                await refused.wait_closed()
            assert told == {
                "type": "redirect",
                "url": f"{large.url.replace('http', 'ws')}/v1/stream",
            }
            assert refused.close_code == 1012


async def test_sound_is_had_at_another_node_than_the_one_that_keeps_it(three, speech):
    a, b, _ = three
    start = START | {"keep_sound": True, "consent": "form 7"}
    session = (await stream(a, speech, start, a.token))[0].session
    await until(lambda: a.get(f"/v1/sessions/{session}/sound").status_code == 200)
    here, there = (node.get(f"/v1/sessions/{session}/sound") for node in (a, b))
    assert here.status_code == there.status_code == 200
    assert here.content == there.content
    assert there.content.startswith(b"OggS")


async def test_a_deleted_session_is_not_in_nats_any_more(three, nats, speech):
    a, b, _ = three
    session = (await stream(a, speech, token=a.token))[0].session
    await until(lambda: b.get(f"/v1/sessions/{session}").json()["state"] == "ended")
    connection = await nats_client.connect(nats.url, token=nats.token)
    events = f"livemood_events.{session}"
    info = await connection.jetstream().stream_info("livemood_events", subjects_filter=events)
    assert info.state.subjects == {events: info.state.subjects[events]}
    with b.http() as http:
        assert http.delete(f"/v1/sessions/{session}").status_code == 204
    while True:
        info = await connection.jetstream().stream_info("livemood_events", subjects_filter=events)
        if not info.state.subjects:
            break
        await asyncio.sleep(0.02)
    await connection.close()
