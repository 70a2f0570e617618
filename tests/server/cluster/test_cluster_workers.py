"""Machines with several workers, each a node of a cluster, with real NATS and PostgreSQL."""

import asyncio
import json
import signal
from contextlib import AsyncExitStack

import pytest
from calling import CALL, Caller, mu_law
from many import Many
from nodes import Cluster
from own_servers import Nats, Postgres
from speakers import Speaker, moves, numbers, texts, watch
from talking import SPEC, START, received, socket, until

from livemood.timeline.events import parse_event

SOUND = {"type": "start", "rate": 16000, "encoding": "s16le"}

pytestmark = pytest.mark.slow  # NATS, PostgreSQL, a supervisor with two workers, and a node


def machine(made, name, *args):
    """A machine with two workers."""
    node = made.node(name, "--workers", "2", *args)
    return node, Many(node.process, node.url, node.data, node.token)


async def live(workers, stack, **where):
    """A stream that has begun at a certain worker, and its session."""
    ws = await workers.websocket(stack, "/v1/stream", **where)
    await ws.send(json.dumps(START))
    return ws, parse_event(await ws.recv()).session


async def speak(ws, speech, end=True):
    """Send a clip on a stream that has begun."""
    for at in range(0, len(speech), 3200):
        await ws.send(speech[at : at + 3200].tobytes())
    if end:
        await ws.send('{"type": "end"}')


async def hear(ws, speech):
    """All that is said of a clip."""
    speaking = asyncio.create_task(speak(ws, speech))
    events = await received(ws)
    await speaking
    return events


async def test_a_machine_of_workers_is_one_address_of_a_cluster(nats, postgresql, speech, tmp_path):
    with Cluster(tmp_path, nats, postgresql.new()) as made:
        _, workers = machine(made, "m")
        other = made.node("b")
        first, second = (worker.pid for worker in workers.workers)
        async with AsyncExitStack() as stack:
            begun = [await live(workers, stack, at=pid) for pid in (first, second)]
            there = await stack.enter_async_context(socket(other, "/v1/stream", made.token))
            await there.send(json.dumps(START))
            begun.append((there, parse_event(await there.recv()).session))
            for _, session in begun:
                for pid in (first, second):
                    found = workers.ask(pid, "GET", f"/v1/sessions/{session}").json()
                    assert found["state"] == "live"
                assert other.get(f"/v1/sessions/{session}").json()["state"] == "live"
            watching = []
            for _, session in begun:
                path = f"/v1/timeline?session={session}&after=0"
                for pid in (first, second):
                    watching.append(received(await workers.websocket(stack, path, at=pid)))
                ws = await stack.enter_async_context(socket(other, path, made.token))
                watching.append(received(ws))
            heard = await asyncio.gather(*(hear(ws, speech) for ws, _ in begun))
            seen = await asyncio.gather(*watching)
        for n, own in enumerate(heard):
            for events in seen[3 * n : 3 * n + 3]:
                assert numbers(events) == list(range(1, own[-1].seq + 1))
                assert texts(events)[1:] == texts(own)


async def test_sound_may_come_to_any_worker_of_any_machine(nats, postgresql, speech, tmp_path):
    with Cluster(tmp_path, nats, postgresql.new()) as made:
        node, workers = machine(made, "m")
        other = made.node("b")
        first, second = (worker.pid for worker in workers.workers)
        created = [workers.ask(first, "POST", "/v1/sessions", json=SPEC) for _ in range(2)]
        created.append(other.post("/v1/sessions", json=SPEC))
        ids = [answer.json()["id"] for answer in created]
        for session, place in zip(ids, (second, None, first), strict=True):
            path = f"/v1/stream?session={session}"
            async with AsyncExitStack() as stack:
                if place is None:
                    ws = await stack.enter_async_context(socket(other, path, made.token))
                else:
                    ws = await workers.websocket(stack, path, at=place)
                await ws.send(json.dumps(SOUND))
                events = await hear(ws, speech)
            assert events[-1].reason == "end"
            assert any(event.type == "emotion" for event in events)
            record = f"/v1/sessions/{session}"
            await until(lambda r=record: other.get(r).json()["reason"] == "end")
            await until(lambda r=record: node.get(r).json()["reason"] == "end")


async def test_a_killed_worker_costs_its_own_sessions_and_another_takes_its_place(
    nats, postgresql, speech, tmp_path
):
    with Cluster(tmp_path, nats, postgresql.new()) as made:
        node, workers = machine(made, "m", "--set", "limits.idle_s=600")
        other = made.node("b")
        doomed, living = workers.workers
        async with AsyncExitStack() as stack:
            lost, gone = await live(workers, stack, at=doomed.pid)
            kept, _ = await live(workers, stack, at=living.pid)
            for ws in (lost, kept):
                await speak(ws, speech, end=False)
            watched = asyncio.create_task(watch([other], gone))
            also = asyncio.create_task(watch([node, other], gone))
            await asyncio.sleep(1)
            doomed.kill()
            for place in (other, node):
                path = f"/v1/sessions/{gone}"
                await until(lambda p=place, q=path: p.get(q).json()["reason"] == "interrupted")
            for events in await asyncio.gather(watched, also):
                assert events[-1].reason == "interrupted"
                assert numbers(events) == list(range(1, len(events) + 1))
            await until(lambda: len(workers.workers) == 2)
            fresh = next(w.pid for w in workers.workers if w.pid != living.pid)
            again, _ = await live(workers, stack, at=fresh)
            for ws in (kept, again):
                await ws.send('{"type": "end"}')
                assert (await received(ws))[-1].reason == "end"


async def test_streams_of_a_machine_that_is_stopped_go_on_at_another(
    nats, postgresql, speech, tmp_path
):
    with Cluster(tmp_path, nats, postgresql.new()) as made:
        node, _ = machine(made, "m", "--set", "drain_timeout_s=1")
        other = made.node("b")
        speakers = [Speaker(node, speech) for _ in range(4)]
        talking = [asyncio.create_task(each.run()) for each in speakers]
        for speaker in speakers:
            await speaker.begun.wait()
        call = node.post("/v1/sessions", json=CALL).json()
        with Caller(call["rtp"]["host"], call["rtp"]["ports"][0]) as caller:
            caller.say(mu_law(speech[::2]), end=False)
        asked = f"/v1/sessions/{call['id']}"
        await until(lambda: node.get(asked).json()["state"] == "live")
        node.process.send_signal(signal.SIGTERM)
        await until(lambda: all(moves(speaker.events) for speaker in speakers))
        assert await asyncio.to_thread(node.process.wait) == 0
        await until(lambda: other.get(asked).json()["reason"] == "interrupted")  # a call stays
        watched = [asyncio.create_task(watch([other], s.session)) for s in speakers]
        for speaker in speakers:
            speaker.stop.set()
        await asyncio.gather(*talking)
        for speaker, events in zip(speakers, await asyncio.gather(*watched), strict=True):
            assert speaker.events[-1].reason == "end"
            assert texts(events) == texts(speaker.events)
            assert numbers(events) == list(range(1, len(events) + 1))
        assert not list((node.data / "timelines").iterdir())


async def test_without_nats_the_workers_of_a_machine_still_know_each_other(speech, tmp_path):
    with (
        Nats("let me in") as nats,
        Postgres() as postgres,
        Cluster(tmp_path, nats, postgres.new()) as made,
    ):
        node, workers = machine(made, "m")
        first, second = (worker.pid for worker in workers.workers)
        async with AsyncExitStack() as stack:
            running, _ = await live(workers, stack, at=first)
            await asyncio.to_thread(nats.stop)
            await until(lambda: node.get("/healthz").json()["status"] == "degraded")
            made_now = workers.ask(first, "POST", "/v1/sessions", json=SPEC).json()["id"]
            assert workers.ask(second, "GET", f"/v1/sessions/{made_now}").status_code == 200
            ws = await workers.websocket(stack, f"/v1/stream?session={made_now}", at=second)
            await ws.send(json.dumps(SOUND))
            told = await asyncio.gather(hear(ws, speech), hear(running, speech))
            assert [events[-1].reason for events in told] == ["end", "end"]
            await asyncio.to_thread(nats.start)
        await until(lambda: node.get("/healthz").json()["status"] == "ok")
        watched = await watch([node], made_now)
        assert texts(watched) == texts(told[0])
