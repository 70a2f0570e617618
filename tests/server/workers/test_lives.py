"""Workers and their supervisor that die, drain, or cannot start: real processes, real speech."""

import asyncio
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import AsyncExitStack, suppress

import psutil
import pytest
from many import many
from talking import SPEC, START, client, received, send_all, stream, until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from livemood.model.registry import find_model
from livemood.timeline.events import parse_event

GONE_S = 20


class Talker:
    """One who streams a clip again and again, at the pace of time, until told to stop."""

    def __init__(self, server, speech, token):
        self._server, self._speech, self._token = server, speech, token
        self.session, self.worker, self.events = None, None, []
        self.stop, self.begun = asyncio.Event(), asyncio.Event()
        self.code = None

    async def run(self, at):
        async with AsyncExitStack() as stack:
            ws = await self._server.websocket(stack, "/v1/stream", at=at)
            self.worker = at
            await ws.send(json.dumps(START))
            reading = asyncio.create_task(self._read(ws))
            with suppress(ConnectionClosed):
                place = 0
                while not self.stop.is_set():
                    await ws.send(self._speech[place : place + 3200].tobytes())
                    place = (place + 3200) % (len(self._speech) - 3200)
                    await asyncio.sleep(0.2)
                await ws.send('{"type": "end"}')
            await reading
            self.code = ws.close_code

    async def _read(self, ws):
        with suppress(ConnectionClosed):
            while True:
                event = parse_event(await ws.recv())
                self.session = event.session
                self.events.append(event)
                if event.type == "emotion":
                    self.begun.set()


async def talking(server, speech, of_each):
    """Talkers at each worker, all of whom are heard by now, and their tasks."""
    talkers, tasks = [], []
    for worker in server.workers:
        for _ in range(of_each):
            talker = Talker(server, speech, server.token)
            talkers.append(talker)
            tasks.append(asyncio.create_task(talker.run(worker.pid)))
    await asyncio.gather(*(talker.begun.wait() for talker in talkers))
    return talkers, tasks


async def watched(server, talker, at, events=None):
    """What a watcher at worker `at` gets of a talker's session; added to `events` as it comes."""
    async with AsyncExitStack() as stack:
        path = f"/v1/timeline?session={talker.session}&after=0"
        ws = await server.websocket(stack, path, at=at)
        return await received(ws, events)


def records(server):
    with client(server, server.token) as http:
        found = http.get("/v1/sessions?limit=200").json()["sessions"]
    return {record["id"]: record for record in found}


def metric(server, name):
    with client(server, server.token) as http:
        text = http.get("/metrics").text
    return float(text.split(f"{name} ")[1].split()[0])


@pytest.mark.slow
async def test_a_worker_that_hangs_is_killed_and_another_takes_its_place(tmp_path, speech):
    with many(tmp_path / "data", "--set", "hang_timeout_s=6") as server:
        first, second = server.workers
        talkers, tasks = await talking(server, speech, 1)
        first.suspend()  # SIGSTOP
        await until(lambda: server.process.poll() is None and first not in server.workers)
        await until(lambda: len(server.workers) == 2)
        lost = next(t for t in talkers if t.worker == first.pid)
        await until(lambda: records(server)[lost.session]["reason"] == "interrupted")
        assert second in server.workers
        kept = next(t for t in talkers if t.worker == second.pid)
        kept.stop.set()
        await asyncio.gather(*tasks)
        assert kept.events[-1].reason == "end"


@pytest.mark.slow
async def test_a_worker_that_is_killed_costs_its_own_sessions_alone(tmp_path, speech):
    with many(tmp_path / "data") as server:
        first, second = server.workers
        talkers, tasks = await talking(server, speech, 3)
        lost = [t for t in talkers if t.worker == first.pid]
        kept = [t for t in talkers if t.worker == second.pid]
        got = [[] for _ in talkers]
        watching = [
            asyncio.create_task(watched(server, talker, second.pid, events))
            for talker, events in zip(talkers, got, strict=True)
        ]
        await until(lambda: all("emotion" in {e.type for e in events} for events in got))

        first.kill()
        ends = await asyncio.wait_for(asyncio.gather(*watching[:3]), GONE_S)

        for talker, events in zip(lost, ends, strict=True):
            assert events[-1].type == "session.ended"
            assert events[-1].reason == "interrupted"
            # Each once and in order. Events go out before they are written, so those that a killed
            # worker had not written yet are lost to whoever had not got them.
            kept_events = [event for event in events[:-1] if event.seq is not None]
            assert [event.seq for event in kept_events] == list(range(1, len(kept_events) + 1))
            assert "emotion" in {event.type for event in kept_events}
            assert all(a == b for a, b in zip(kept_events, talker.events, strict=False))
        known = records(server)
        assert {known[t.session]["state"] for t in lost} == {"ended"}
        assert {known[t.session]["reason"] for t in lost} == {"interrupted"}
        assert {known[t.session]["state"] for t in kept} == {"live"}

        # Another takes its place, and serves.
        while len(workers := server.workers) < 2 or first.pid in {w.pid for w in workers}:
            await asyncio.sleep(0.05)
        new = next(w for w in workers if w.pid != second.pid)
        fresh = Talker(server, speech, server.token)
        fresh_task = asyncio.create_task(fresh.run(new.pid))
        await asyncio.wait_for(fresh.begun.wait(), GONE_S)
        events = await stream(server, speech, token=server.token)
        assert events[-1].reason == "end"

        for talker in (*kept, fresh):
            talker.stop.set()
        await asyncio.gather(*tasks, fresh_task)
        whole = await asyncio.gather(*watching[3:])
        for talker, events in zip(kept, whole, strict=True):
            assert talker.events[-1].reason == "end"
            assert events == talker.events
        # What the dead one counted is still counted, what it had is not.
        assert metric(server, 'livemood_sessions_started_total{kind="stream"}') == len(talkers) + 2
        while metric(server, 'livemood_sessions{state="live"}'):
            await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_a_server_that_drains_lets_sessions_end_at_every_worker(tmp_path, speech):
    with many(tmp_path / "data") as server:
        talkers, tasks = await talking(server, speech, 1)
        got = [[] for _ in talkers]
        watching = [
            asyncio.create_task(watched(server, talker, other.worker, events))
            for talker, other, events in zip(talkers, talkers[::-1], got, strict=True)
        ]
        await until(lambda: all(got))
        server.process.send_signal(signal.SIGTERM)
        assert "2 workers" not in (line := server.process.stderr.readline())
        assert "waiting up to 20 s for 2 sessions" in line
        with client(server, server.token) as http:
            while (ready := http.get("/readyz")).status_code == 200:
                await asyncio.sleep(0.02)
            assert ready.json() == {"status": "stopping"}
            refused = http.post("/v1/sessions", json=SPEC)
            assert refused.json()["error"]["code"] == "stopping"
        count = [len(talker.events) for talker in talkers]
        while any(len(t.events) < n + 3 for t, n in zip(talkers, count, strict=True)):
            await asyncio.sleep(0.05)  # both go on
        talkers[0].stop.set()
        await tasks[0]
        with client(server, server.token) as http:  # the other's end is waited for
            assert http.get("/healthz").json()["sessions"] >= 1
        talkers[1].stop.set()
        await tasks[1]
        assert server.process.wait(GONE_S) == 0
        for talker, events in zip(talkers, await asyncio.gather(*watching), strict=True):
            assert talker.events[-1].reason == "end"
            assert events == talker.events


@pytest.mark.slow
async def test_sessions_that_outlast_the_drain_are_interrupted_and_told_to_start_anew(
    tmp_path, speech
):
    with many(tmp_path / "data", "--set", "drain_timeout_s=0.5") as server:
        talkers, tasks = await talking(server, speech, 1)
        pids = [worker.pid for worker in server.workers]
        server.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*tasks), GONE_S)
        assert server.process.wait(GONE_S) == 0
        assert [talker.events[-1].reason for talker in talkers] == ["interrupted"] * 2
        assert [talker.code for talker in talkers] == [1012, 1012]
        assert not any(psutil.pid_exists(pid) for pid in pids)


@pytest.mark.slow
async def test_workers_do_not_outlive_their_supervisor(tmp_path, speech):
    data = tmp_path / "data"
    with many(data) as server:
        talkers, tasks = await talking(server, speech, 1)
        workers = server.workers
        server.process.kill()
        await asyncio.wait_for(asyncio.gather(*tasks), GONE_S)
        gone, alive = psutil.wait_procs(workers, GONE_S)
        assert not alive
        assert len(gone) == 2
    with many(data) as server:  # the folder is free, and nothing is left open
        assert {record["state"] for record in records(server).values()} == {"ended"}
        assert {records(server)[t.session]["reason"] for t in talkers} == {"interrupted"}


@pytest.mark.slow
def test_an_interrupt_ends_everything_at_once(tmp_path):
    with many(tmp_path / "data", workers=3) as server:
        assert len(server.workers) == 3
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(GONE_S) == 0
        assert "Traceback" not in server.process.stderr.read()


@pytest.mark.slow
def test_a_worker_that_dies_again_and_again_at_its_start_ends_the_server(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(find_model("small"), model)
    with many(tmp_path / "data", "--model", model) as server:
        shutil.rmtree(model)
        server.workers[0].kill()
        assert server.process.wait(60) == 1
        said = server.process.stderr.read()
        assert "Traceback" not in said
        assert "a worker ended again and again at its start" in said.splitlines()[-1]


@pytest.mark.slow
def test_what_is_wrong_is_said_once_before_anything_serves(tmp_path):
    command = [sys.executable, "-m", "livemood", "serve", "--workers", "2", "--port", "0"]
    command += ["--data", str(tmp_path / "data"), "--model", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    first, last = done.stderr.splitlines()
    assert first.startswith("livemood: ")
    assert "none" in first
    assert last == "livemood: the server does not start: see what its first worker said above"


@pytest.mark.slow
async def test_with_tls_it_is_the_same(tmp_path, certificate, speech):
    cert, key = certificate
    trusted = ssl.create_default_context(cafile=str(cert))
    with many(tmp_path / "data", "--cert", cert, "--key", key) as server:
        headers = {"Authorization": f"Bearer {server.token}"}

        def opened(path):
            url = server.url.replace("https", "wss", 1) + path
            return connect(url, ssl=trusted, additional_headers=headers, max_size=None)

        # One that says nothing holds up nobody.
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))):
            async with AsyncExitStack() as stack:
                ws = await stack.enter_async_context(opened("/v1/stream"))
                sending = asyncio.create_task(send_all(ws, speech, end=False))
                session = parse_event(await ws.recv()).session
                path = f"/v1/timeline?session={session}&after=0"
                watching = []

                async def both_serve():
                    watching.append(await stack.enter_async_context(opened(path)))
                    serving = {server.of(each) for each in (ws, *watching)}
                    return serving == {worker.pid for worker in server.workers}

                await until(both_serve)  # the one that carries less takes the next
                await sending
                await ws.send('{"type": "end"}')
                own, *watched = await asyncio.gather(received(ws), *map(received, watching))
    assert own[-1].reason == "end"
    assert all(events[1:] == own for events in watched)  # whose first was read above
