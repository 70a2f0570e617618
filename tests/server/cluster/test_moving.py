"""A node that is stopped: its sessions go on at another one, and their producers go there."""

import asyncio
import json
import signal

import pytest
from nodes import Cluster, cluster
from speakers import Speaker, moves, numbers, texts, watch
from talking import START, received, socket, until

from livemood.timeline.events import parse_event

pytestmark = pytest.mark.slow  # three nodes, NATS and PostgreSQL


@pytest.mark.timeout(400)
async def test_all_nodes_are_replaced_one_by_one_and_no_session_ends(
    nats, postgresql, speech, tmp_path
):
    drain = ("--set", "drain_timeout_s=1")
    with Cluster(tmp_path, nats, postgresql.new()) as made:
        nodes = [made.node(name, *drain) for name in "abc"]
        first = list(nodes)
        speakers = [Speaker(node, speech, forgetful=f) for node in nodes for f in (0, 1)]
        talking = [asyncio.create_task(each.run()) for each in speakers]
        for speaker in speakers:
            await speaker.begun.wait()
        fresh = []
        watched = []
        for n, node in enumerate(first):
            fresh.append(await asyncio.to_thread(made.node, f"new-{n}", *drain))
            if not n:  # their watchers begin elsewhere, and go where somebody answers
                places = [*first, *fresh]
                watched = [asyncio.create_task(watch(places, s.session)) for s in speakers]
            moved = [s for s in speakers if s.node is node]
            node.process.send_signal(signal.SIGTERM)
            await until(lambda m=moved: all(moves(s.events) for s in m))
            assert await asyncio.to_thread(node.process.wait) == 0
            assert not list((node.data / "timelines").iterdir())
        late = [asyncio.create_task(watch(fresh, s.session)) for s in speakers]
        await asyncio.sleep(1)
        for speaker in speakers:
            speaker.stop.set()
        await asyncio.gather(*talking)
        for speaker, events in zip(speakers, await asyncio.gather(*watched), strict=True):
            assert texts(events) == texts(speaker.events)
        for speaker, events in zip(speakers, await asyncio.gather(*late), strict=True):
            assert speaker.events[-1].reason == "end"
            assert numbers(speaker.events) == list(range(1, len(speaker.events) + 1))
            assert texts(events) == texts(speaker.events)
            gaps = moves(speaker.events)
            assert gaps
            assert all(gap.end_ms - gap.start_ms < 2000 for gap in gaps)
            path = f"/v1/sessions/{speaker.session}"
            await until(lambda p=path: fresh[0].get(p).json()["state"] == "ended")
            kept = fresh[0].get(f"{path}/timeline?format=jsonl").text.splitlines()
            assert kept == texts(speaker.events)
            assert fresh[1].get(path).json()["reason"] == "end"
        for task in watched:
            task.cancel()
        await asyncio.gather(*watched, return_exceptions=True)


async def left(node, speech, **about):
    """A session that its node has left: what its producer was told, and its events."""
    events = []
    async with socket(node, "/v1/stream", node.token) as ws:
        await ws.send(json.dumps(START | about))
        for at in range(0, len(speech), 3200):
            await ws.send(speech[at : at + 3200].tobytes())
        while not any(event.type == "emotion" and event.end_ms > 3000 for event in events):
            events.append(parse_event(await ws.recv()))
        node.process.send_signal(signal.SIGTERM)
        while '"redirect"' not in (text := await ws.recv()):
            events.append(parse_event(text))
        await ws.wait_closed()
    assert ws.close_code == 1012
    return json.loads(text), events


def resume(told):
    return {"type": "start", "rate": 16000, "encoding": "s16le", "resume": told["resume"]}


async def refused(node, told, start, token=None):
    """What a node says to who would go on with a session."""
    async with socket(node, f"/v1/stream?session={told['session']}", token or node.token) as ws:
        await ws.send(json.dumps(start))
        return (await received(ws))[-1].code


async def test_a_token_holds_once_for_its_session_and_its_creator(
    nats, postgresql, speech, tmp_path
):
    with Cluster(tmp_path, nats, postgresql.new()) as made:
        uses_baselines = ("--model", "default")
        b = made.node("b", *uses_baselines)
        a = made.node("a", "--set", "drain_timeout_s=0", *uses_baselines)
        stranger = made.new_token("ingest")
        told, events = await left(a, speech, keep_baselines=True, consent="f", participants=["Ada"])
        assert told["url"].startswith(b.url.replace("http", "ws", 1))
        start = resume(told)
        assert await refused(b, told, start, stranger) == "other_session"
        for wrong in ("", "1.2.3", told["resume"][:-1] + "x", f"9{told['resume']}"):
            assert await refused(b, told, start | {"resume": wrong}) == "bad_resume"
        assert await refused(b, told, start | {"channels": 2}) == "bad_channels"
        assert await refused(b, told, start | {"purpose": "x"}) == "bad_request"
        async with socket(b, f"/v1/stream?session={told['session']}", b.token) as ws:
            await ws.send(json.dumps(start))
            more = [parse_event(await ws.recv())]
            assert await refused(b, told, start) == "already_started"
            note = {"note": "here", "at_ms": told["end_ms"] + 1}
            path = f"/v1/sessions/{told['session']}"
            noted = (await asyncio.to_thread(b.post, f"{path}/markers", json=note)).json()
            await ws.send('{"type": "end"}')
            more += await received(ws)
        assert numbers([*events, *more]) == list(range(1, len(events) + len(more) + 1))
        gap, marker = more[0], next(event for event in more if event.type == "marker")
        assert (gap.cause, gap.start_ms) == ("moved", told["end_ms"])
        assert (noted["seq"], noted["start_ms"]) == (marker.seq, marker.start_ms)
        assert marker.start_ms == gap.end_ms if note["at_ms"] < gap.end_ms else note["at_ms"]
        # Consent covers the voice's baseline: it came along, and is kept at the end.
        assert b.get("/v1/baselines").json()["baselines"][0]["name"] == "Ada"
        kept = await asyncio.to_thread(b.get, path)
        assert kept.json()["duration_ms"] == more[-1].end_ms >= gap.end_ms
        assert await refused(b, told, start) == "already_started"


async def test_a_session_that_nobody_goes_on_with_is_ended(nats, postgresql, speech, tmp_path):
    with cluster(tmp_path, nats, postgresql, "b") as made:
        a = made.node("a", "--set", "drain_timeout_s=0")
        b = made.nodes[0]
        told, events = await left(a, speech)
        watched = await watch([b], told["session"])
        assert watched[-1].reason == "interrupted"
        assert texts(watched)[:-1] == texts(events)
        path = f"/v1/sessions/{told['session']}"
        await until(lambda: b.get(path).json()["reason"] == "interrupted")
        assert await refused(b, told, resume(told)) == "already_started"
