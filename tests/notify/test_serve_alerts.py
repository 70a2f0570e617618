"""Alerts of `livemood serve`, which is killed while nobody receives them."""

import asyncio
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
import soundfile
from standardwebhooks import Webhook
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
START = {"type": "start", "rate": 16000, "encoding": "s16le", "purpose": "personal"}
START |= {"informed": True, "participants": ["Caller"]}


@contextmanager
def served(data, rules):
    command = [sys.executable, "-m", "livemood", "serve", "--data", str(data), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--set", f"alerts={rules}"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"DESK_SECRET": SECRET},
    )
    try:
        line = process.stderr.readline()
        while line and "serving at" not in line:
            line = process.stderr.readline()
        assert line, "the server did not start"
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


async def speak(url, sound):
    """Stream `sound`; the events until the end."""
    events = []
    async with connect(url.replace("http", "ws", 1) + "/v1/stream", max_size=None) as ws:
        await ws.send(json.dumps(START))
        for at in range(0, len(sound), 3200):
            await ws.send(sound[at : at + 3200].tobytes())
        await ws.send('{"type": "end"}')
        try:
            while True:
                events.append(json.loads(await ws.recv()))
        except ConnectionClosed:
            return events


@pytest.fixture(scope="module")
def angry(corpora):
    """Some 4 s of a woman who sounds angry."""
    clips = []
    for name in ("03-01-05-02-01-01-12", "03-01-05-02-02-01-12"):
        sound, _ = soundfile.read(corpora / "ravdess" / "audio" / f"{name}.flac")
        loud = np.flatnonzero(np.abs(sound) > 0.01)
        clips.append(sound[loud[0] : loud[-1]])
    return (np.concatenate(clips)[: 16_000 * 9 // 2] * 32767).astype("<i2")


@pytest.mark.slow
def test_a_server_that_is_killed_while_its_receiver_is_down_delivers_after_its_restart(
    angry, receiver, tmp_path
):
    rules = tmp_path / "alerts.toml"
    rules.write_text(
        '[[alerts]]\nname = "angry"\nlabels = ["angry"]\nfor_s = 1\ncool_down_s = 3600\n'
        f'[[webhooks]]\nname = "desk"\nurl = "{receiver.url}"\nsecret = {{env = "DESK_SECRET"}}\n'
    )
    receiver.answers = [503] * 100
    data = tmp_path / "data"
    with served(data, rules) as (process, url):
        events = asyncio.run(speak(url, angry))
        (raised,) = [e for e in events if e["type"] == "alert" and e["state"] == "raised"]
        receiver.wait_for(1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    receiver.answers = []
    before = len(receiver.requests)
    with served(data, rules) as (_, url):
        headers, body = receiver.wait_for(before + 1)[before]
        message = Webhook(SECRET).verify(body, headers)
        assert message["participant"] == "Caller"
        assert message["start_ms"] == raised["start_ms"]
        assert int(headers["livemood-attempt"]) >= 2
        receiver.stop()  # what is raised from now on waits
        session = asyncio.run(speak(url, angry))[0]["session"]
        assert httpx.delete(f"{url}/v1/sessions/{session}").status_code in (200, 204)
        with sqlite3.connect(data / "outbox.db") as outbox:
            left = outbox.execute("SELECT COUNT(*) FROM outbox WHERE session = ?", (session,))
            assert left.fetchone() == (0,)


async def talk(socket, sound):
    """Send `sound`, then silence, as a microphone does: each block when it has been recorded."""
    clock = asyncio.get_running_loop().time
    begin, silence = clock(), bytes(3200)
    await socket.send(json.dumps(START))
    for n in itertools.count():
        await asyncio.sleep(begin + n / 10 - clock())
        await socket.send(sound[1600 * n : 1600 * (n + 1)].tobytes() or silence)


async def told(socket, receiver, sound):
    """What comes of live sound until an alert is over, and what its receiver has had."""
    events, alerts = [], 0
    talking = asyncio.create_task(talk(socket, sound))
    while alerts < 2:
        events.append(json.loads(await socket.recv()))
        if events[-1]["type"] == "alert":
            alerts += 1
            came = await asyncio.to_thread(receiver.wait_for, alerts)
    talking.cancel()
    return events, came


@pytest.mark.slow
def test_a_rule_given_by_rest_goes_from_live_sound_to_a_signed_webhook_in_order(
    angry, receiver, tmp_path
):
    async def go(url):
        async with connect(url.replace("http", "ws", 1) + "/v1/stream", max_size=None) as socket:
            return await told(socket, receiver, angry)

    receivers = tmp_path / "alerts.toml"
    receivers.write_text(
        f'[[webhooks]]\nname = "desk"\nurl = "{receiver.url}"\nsecret = {{env = "DESK_SECRET"}}\n'
    )
    rule = {"name": "angry", "labels": ["angry"], "channel": 0, "for_s": 1, "clear_after_s": 1}
    with served(tmp_path / "data", receivers) as (_, url):
        assert httpx.post(f"{url}/v1/alerts", json=rule).status_code == 201
        events, came = asyncio.run(go(url))
    # On the wire: first what was read, then what follows from it.
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    raised, cleared = (e for e in events if e["type"] == "alert")
    readings = [e for e in events if e["type"] == "emotion" and e["seq"] < raised["seq"]]
    assert readings[-1]["label"] == "angry"
    assert raised["end_ms"] - raised["start_ms"] >= 1000
    assert cleared["end_ms"] > raised["end_ms"]
    # At the receiver: the same, signed, in the same order, each under a key of its own.
    messages = [Webhook(SECRET).verify(body, headers) for headers, body in came]
    for message, event in zip(messages, (raised, cleared), strict=True):
        assert (message["rule"], message["state"]) == ("angry", event["state"])
        assert (message["start_ms"], message["end_ms"]) == (event["start_ms"], event["end_ms"])
        assert (message["session"], message["participant"]) == (event["session"], "Caller")
    assert len({headers["webhook-id"] for headers, _ in came}) == 2
    assert {headers["livemood-attempt"] for headers, _ in came} == {"1"}


def test_receivers_are_tried_by_rest_and_what_became_of_it_is_told(receiver, tmp_path):
    rules = tmp_path / "alerts.toml"
    desk = f'url = "{receiver.url}"\nsecret = {{env = "DESK_SECRET"}}\n'
    rules.write_text(
        '[[alerts]]\nname = "angry"\nlabels = ["angry"]\nfor_s = 1\n'
        f'[[webhooks]]\nname = "desk"\n{desk}[[webhooks]]\nname = "night-desk"\n{desk}'
    )
    receiver.answers = [200, 401]
    with served(tmp_path / "data", rules) as (_, url):
        assert httpx.get(f"{url}/v1/about").json()["features"]["receivers"] is True
        answer = httpx.post(f"{url}/v1/alerts/test")
        lines = httpx.get(f"{url}/v1/audit").json()["lines"]
    assert answer.json() == [
        {"receiver": "desk", "error": None},
        {"receiver": "night-desk", "error": "answered 401"},
    ]
    assert "alert.test" in {line["action"] for line in lines}
    headers, body = receiver.wait_for(1)[0]
    message = Webhook(SECRET).verify(body, headers)
    assert (message["type"], message["rule"], message["session"]) == ("test", "angry", "test")
