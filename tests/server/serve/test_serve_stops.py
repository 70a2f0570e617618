"""How a real `livemood serve` stops: by signals, in order, or killed."""

import asyncio
import datetime
import json
import signal
import time

import httpx
import pytest
from served import STREAM, served
from talking import SPEC, START, received, send_all, until

from livemood.server.storage.database import check
from livemood.timeline.events import parse_event


async def test_a_stop_ends_sessions_in_order_and_tells_everybody(tmp_path, speech):
    with served(tmp_path, "--set", "drain_timeout_s=0") as server:
        async with server.websocket("/v1/stream") as ws:
            await send_all(ws, speech, end=False)
            first = parse_event(await ws.recv())
            path = f"/v1/timeline?session={first.session}&after=0"
            async with server.websocket(path) as watcher:
                seen = [parse_event(await watcher.recv())]
                server.process.send_signal(signal.SIGTERM)
                own = [first, *await received(ws)]
                seen += await received(watcher)
        assert own[-1].type == "session.ended"
        assert own[-1].reason == "interrupted"
        assert own[-1].summary[0].windows > 0
        assert seen == own
        assert (ws.close_code, ws.close_reason) == (1012, "stopping")
        assert (watcher.close_code, watcher.close_reason) == (1000, "the session has ended")
        assert server.process.wait(20) == 0
        left = server.process.stderr.read()
        assert "Traceback" not in left
    with served(tmp_path) as server, httpx.Client(base_url=server.url) as http:
        record = http.get(f"/v1/sessions/{first.session}").json()
        assert (record["state"], record["reason"]) == ("ended", "interrupted")
        lines = http.get(f"/v1/sessions/{first.session}/timeline?format=jsonl").text.splitlines()
        assert [parse_event(line) for line in lines] == own


async def test_sigterm_lets_running_sessions_end_and_takes_no_others(tmp_path, speech):
    with served(tmp_path, "--set", "drain_timeout_s=600") as server:
        async with (
            httpx.AsyncClient(base_url=server.url) as http,
            server.websocket("/v1/stream") as ws,
            server.websocket("/v1/stream") as late,
        ):
            assert (await http.get("/readyz")).json() == {"status": "ready"}
            waiting = (await http.post("/v1/sessions", json=SPEC)).json()["id"]
            await send_all(ws, speech[:32000], end=False)
            first = parse_event(await ws.recv())
            server.process.send_signal(signal.SIGTERM)
            said = server.process.stderr.readline()
            assert said.startswith("stopping: waiting up to 600 s for 1 sessions to end")

            async def stopping():
                return (await http.get("/readyz")).status_code != 200

            await until(stopping)
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()) == (503, {"status": "stopping"})
            assert (await http.get("/healthz")).status_code == 200
            refused = await http.post("/v1/sessions", json=SPEC)
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "stopping"
            assert refused.headers["retry-after"]
            await late.send(json.dumps(START))
            assert parse_event(await late.recv()).code == "stopping"
            await late.wait_closed()
            assert late.close_code == 1013
            async with server.websocket(f"/v1/stream?session={waiting}") as created:
                await created.send(json.dumps(STREAM))
                assert parse_event(await created.recv()).code == "stopping"

            # The session that runs goes on, to an end of its own.
            for at in range(32000, len(speech), 3200):
                await ws.send(speech[at : at + 3200].tobytes())
            await ws.send('{"type": "end"}')
            own = [first, *await received(ws)]
        assert own[-1].reason == "end"
        assert own[-1].summary[0].duration_ms == pytest.approx(len(speech) / 16, abs=1)
        assert ws.close_code == 1000
        assert server.process.wait(20) == 0
        assert "Traceback" not in server.process.stderr.read()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_sessions_at_once(tmp_path, speech, second):
    with served(tmp_path, "--set", "drain_timeout_s=600") as server:
        async with server.websocket("/v1/stream") as ws:
            await send_all(ws, speech, end=False)
            await ws.recv()
            server.process.send_signal(signal.SIGTERM)
            assert server.process.stderr.readline().startswith("stopping: waiting")
            server.process.send_signal(second)
            events = await received(ws)
        assert events[-1].reason == "interrupted"
        assert ws.close_code == 1012
        assert server.process.wait(20) == 0


async def test_sessions_that_do_not_end_are_ended_after_the_timeout(tmp_path, speech):
    with served(tmp_path, "--set", "drain_timeout_s=0.5") as server:
        async with server.websocket("/v1/stream") as ws:
            await send_all(ws, speech, end=False)
            await ws.recv()
            server.process.send_signal(signal.SIGTERM)
            events = await received(ws)
        assert events[-1].reason == "interrupted"
        assert ws.close_code == 1012
        assert server.process.wait(20) == 0


@pytest.mark.slow
async def test_killed_it_loses_a_second_at_most_and_comes_back_with_the_rest(tmp_path, speech):
    """`benchmarks/kill.py` does so twenty times, with many sessions."""
    had = []
    with served(tmp_path) as server:
        async with server.websocket("/v1/stream") as ws:
            await send_all(ws, speech, end=False)
            while not had or had[-1].type != "speech.ended":
                had.append(parse_event(await ws.recv()))
            for _ in range(20):  # what was said a second ago must be there
                await ws.send('{"type": "marker", "note": "tick"}')
                had.append(parse_event(await ws.recv()))
                await asyncio.sleep(0.1)
            server.process.kill()
            killed = time.time()
            server.process.wait()
    for path in [tmp_path / "livemood.db", *(tmp_path / "timelines").glob("*.db")]:
        assert check(path) == "ok"
    with served(tmp_path) as server, httpx.Client(base_url=server.url) as http:
        (record,) = http.get("/v1/sessions").json()["sessions"]
        assert (record["state"], record["reason"]) == ("ended", "interrupted")
        url = f"/v1/sessions/{record['id']}/timeline?format=jsonl"
        kept = [parse_event(line) for line in http.get(url).text.splitlines()]
    assert kept[:-1] == had[: len(kept) - 1]
    assert kept[-1].type == "session.ended"
    made = [datetime.datetime.fromisoformat(e.time).timestamp() for e in had]
    lost = made[len(kept) - 1 :]
    assert not lost or killed - lost[0] <= 1.0
    assert kept[-1].summary[0].windows == sum(e.type == "emotion" for e in kept)
