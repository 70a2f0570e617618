"""Nodes that are killed, and NATS and PostgreSQL that go away, under load."""

import asyncio
import json
import signal
import subprocess

import nats as nats_client
import pytest
from nodes import Cluster, cluster
from own_servers import Nats, Postgres
from talking import SPEC, START, client, code, received, socket, until

import livemood
from livemood.server.cluster.sealing import Seals
from livemood.timeline.events import parse_event

pytestmark = pytest.mark.slow  # three nodes, NATS and PostgreSQL


class Talker:
    """One who streams a clip again and again, at the pace of time, until told to stop."""

    def __init__(self, node, speech):
        self.node, self._speech = node, speech
        self.events, self.stop, self.begun = [], asyncio.Event(), asyncio.Event()
        self.session = None

    async def run(self):
        async with socket(self.node, "/v1/stream", self.node.token) as ws:
            await ws.send(json.dumps(START))
            reading = asyncio.create_task(self._read(ws))
            try:
                for place in self._places():
                    await ws.send(self._speech[place : place + 3200].tobytes())
                    await asyncio.sleep(0.2)
                    if self.stop.is_set():
                        break
                await ws.send('{"type": "end"}')
            except Exception:
                pass
            await reading

    def _places(self):
        while True:
            yield from range(0, len(self._speech) - 3200, 3200)

    async def _read(self, ws):
        try:
            while True:
                event = parse_event(await ws.recv())
                self.session = event.session
                self.events.append(event)
                if event.type == "emotion":
                    self.begun.set()
        except Exception:
            return


async def watch(node, session):
    async with socket(node, f"/v1/timeline?session={session}&after=0", node.token) as ws:
        return await received(ws)


def texts(events):
    return [event.model_dump_json() for event in events if event.seq is not None]


def numbers(events):
    return [event.seq for event in events if event.seq is not None]


async def test_a_killed_nodes_sessions_are_ended_by_the_others(nats, postgresql, speech, tmp_path):
    with cluster(tmp_path, nats, postgresql, "a", "b", "c") as made:
        doomed, other, third = made.nodes
        waiting = doomed.post("/v1/sessions", json=SPEC).json()["id"]
        talkers = [Talker(doomed, speech), Talker(doomed, speech), Talker(other, speech)]
        talking = [asyncio.create_task(talker.run()) for talker in talkers]
        for talker in talkers:
            await talker.begun.wait()
        watched = [asyncio.create_task(watch(third, t.session)) for t in talkers]
        await asyncio.sleep(1)
        await asyncio.to_thread(doomed.kill)
        for talker in talkers[:2]:
            await until(
                lambda s=talker.session: other.get(f"/v1/sessions/{s}").json()["state"] == "ended"
            )
        for talker, events in zip(talkers[:2], await asyncio.gather(*watched[:2]), strict=True):
            assert numbers(events) == list(range(1, len(events) + 1))
            assert events[-1].reason == "interrupted"
            assert texts(events)[:-1] == texts(talker.events)[: len(events) - 1]
            record = third.get(f"/v1/sessions/{talker.session}").json()
            assert record["reason"] == "interrupted"
            kept = third.get(f"/v1/sessions/{talker.session}/timeline?format=jsonl").text
            assert kept.splitlines() == texts(events)
        await until(lambda: other.get(f"/v1/sessions/{waiting}").json()["reason"] == "unused")
        talkers[2].stop.set()
        await asyncio.gather(*talking)
        assert talkers[2].events[-1].reason == "end"
        assert texts(await watched[2]) == texts(talkers[2].events)
        again = made.node("a")  # with what it had
        assert again.get(f"/v1/sessions/{talkers[0].session}").json()["reason"] == "interrupted"


@pytest.mark.parametrize("away", ["nats", "postgresql"])
async def test_while_what_is_shared_is_away_nothing_ends_and_nothing_is_lost(
    away, speech, tmp_path
):
    with (
        Nats("let me in") as nats,
        Postgres() as postgres,
        Cluster(tmp_path, nats, postgres.new()) as made,
    ):
        a, b = made.node("a"), made.node("b")
        talkers = [Talker(a, speech), Talker(b, speech)]
        talking = [asyncio.create_task(talker.run()) for talker in talkers]
        for talker in talkers:
            await talker.begun.wait()
        watched = [
            asyncio.create_task(watch(node, t.session))
            for node, t in zip((b, a), talkers, strict=True)
        ]
        await asyncio.sleep(1)
        stopped = nats if away == "nats" else postgres
        await asyncio.to_thread(stopped.stop)
        await until(lambda: a.get("/healthz").json()["status"] == "degraded")
        await asyncio.sleep(20)
        assert a.get("/healthz").status_code == 503
        await asyncio.to_thread(stopped.start)
        await until(lambda: a.get("/healthz").json()["status"] == "ok")
        await until(lambda: b.get("/healthz").json()["status"] == "ok")
        await asyncio.sleep(7)  # long enough for a node to be taken for dead
        for talker in talkers:
            talker.stop.set()
        await asyncio.gather(*talking)
        for talker, events in zip(talkers, await asyncio.gather(*watched), strict=True):
            assert talker.events[-1].reason == "end"
            assert texts(events) == texts(talker.events)
            session = talker.session
            await until(lambda s=session: a.get(f"/v1/sessions/{s}").json()["state"] == "ended")
            lines = b.get(f"/v1/sessions/{session}/timeline?format=jsonl").text.splitlines()
            assert lines == texts(talker.events)
        assert code(a.get("/v1/sessions/none")) == (404, "not_found")
        assert client(a, a.token).post("/v1/sessions", json=SPEC).status_code == 201


async def test_a_node_that_is_stopped_sends_new_sessions_on_and_leaves_in_order(
    nats, postgresql, speech, tmp_path
):
    with Cluster(tmp_path, nats, postgresql.new()) as made:
        a, b = made.node("a", "--set", "drain_timeout_s=10"), made.node("b")
        talker = Talker(a, speech)
        talking = asyncio.create_task(talker.run())
        await talker.begun.wait()
        watched = asyncio.create_task(watch(b, talker.session))
        a.process.send_signal(signal.SIGTERM)
        await until(lambda: a.get("/readyz").status_code == 503)
        answer = a.post("/v1/sessions", json=SPEC)
        assert (answer.status_code, answer.headers["Location"]) == (307, f"{b.url}/v1/sessions")
        await talking
        events = await watched
        # Its producer does not go on with it elsewhere, as `test_moving.py` does.
        assert events[-1].reason == "interrupted"
        assert texts(events)[:-1] == texts(talker.events)
        assert await asyncio.to_thread(a.process.wait) == 0
        path = f"/v1/sessions/{talker.session}"
        await until(lambda: b.get(path).json()["reason"] == "interrupted")
        await until(lambda: b.get("/healthz").json() == {"status": "ok", "sessions": 0})
        assert not list((a.data / "timelines").iterdir())


async def confirmed(made, session):
    """What NATS has of a session, as text."""
    connection = await nats_client.connect(made.nats.url, token=made.nats.token)
    seals, subject = Seals(made.secret), f"livemood_events.{session}"
    subscription = await connection.jetstream().subscribe(subject, ordered_consumer=True)
    said = []
    while not said or '"type":"session.ended"' not in said[-1]:
        message = await subscription.next_msg(timeout=30)
        said += seals.open(subject, message.data).decode().split("\n")
    await connection.close()
    return said


@pytest.mark.timeout(900)
async def test_ten_nodes_are_killed_and_nothing_that_nats_has_is_lost(
    nats, postgresql, speech, tmp_path
):
    with cluster(tmp_path, nats, postgresql, "a", "b", "c") as made:
        living = list(made.nodes)
        for n in range(10):
            doomed, other, third = living
            talkers = [Talker(doomed, speech), Talker(doomed, speech), Talker(other, speech)]
            talking = [asyncio.create_task(talker.run()) for talker in talkers]
            for talker in talkers:
                await talker.begun.wait()
            strict = [asyncio.create_task(watch(third, t.session)) for t in talkers]
            moving = [asyncio.create_task(watch_any(living, t.session)) for t in talkers]
            fresh = asyncio.create_task(asyncio.to_thread(made.node, f"new-{n}"))
            await asyncio.sleep(0.5)
            await asyncio.to_thread(doomed.kill)
            for talker, seen in zip(talkers[:2], await asyncio.gather(*strict[:2]), strict=True):
                assert seen[-1].reason == "interrupted"
                assert texts(seen)[:-1] == texts(talker.events)[: len(seen) - 1]
                assert texts(seen) == await confirmed(made, talker.session)
                path = f"/v1/sessions/{talker.session}"
                await until(lambda p=path, t=third: t.get(p).json()["state"] == "ended")
                kept = third.get(f"{path}/timeline?format=jsonl").text.splitlines()
                assert kept == texts(seen)
            talkers[2].stop.set()
            await asyncio.gather(*talking)
            assert texts(await strict[2]) == texts(talkers[2].events)
            for seen in await asyncio.gather(*moving):  # they came by themselves
                assert seen[-1].type == "session.ended"
            living = [other, third, await fresh]


async def watch_any(nodes, session):
    """A watcher who goes to the next node if one does not answer."""
    addresses = [f"{node.url}?session={session}".replace("http", "ws", 1) for node in nodes]
    return [event async for event in livemood.connect(addresses, token=nodes[0].token)]


def test_a_nats_that_does_not_answer_or_does_not_let_one_in_is_one_line(nats, postgresql, tmp_path):
    with Cluster(tmp_path, nats, postgresql.new()) as made:
        for environment, where, says in (
            (made.environment, "nats://127.0.0.1:1", "NATS cannot be used"),
            (made.environment | {"NATS_TOKEN": "wrong"}, nats.url, "Authorization"),
        ):
            command = [where if word == nats.url else word for word in made.command("a")]
            ran = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=60
            )
            assert ran.returncode == 1
            assert ran.stderr.count("\n") == 1, ran.stderr
            assert says in ran.stderr
