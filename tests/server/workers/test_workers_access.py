"""Who is let in where two workers share an address: tokens, limits, the inner door."""

import asyncio
import json
import socket as sockets
import stat
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from many import http
from talking import SPEC, START, code, received

from livemood.server.storage.database import Database
from livemood.server.storage.tokens import Tokens

"""Two workers at one address, as real processes, on real speech."""


def tokens(two):
    return Tokens(Database(two.data))


def test_a_limit_holds_for_both_workers_together(two):
    """24 channels may wait for one token's sessions; each worker alone would allow one more."""
    token = tokens(two).create(("ingest",), "crowd")
    spec = SPEC | {"participants": [f"P{n}" for n in range(8)]}
    made, ends = [], []
    pids = [worker.pid for worker in two.workers]
    with http(two) as manager:
        try:
            for n in range(3):
                answer = two.ask(pids[n % 2], "POST", "/v1/sessions", token=token, json=spec)
                assert answer.status_code == 201
                made.append(answer.json()["id"])
            for pid in pids:
                ends.append(code(two.ask(pid, "POST", "/v1/sessions", token=token, json=spec)))
        finally:
            for session in made:
                manager.post(f"/v1/sessions/{session}/end")
    assert ends == [(429, "too_many_waiting")] * 2


async def test_a_revoked_token_ends_its_sessions_at_every_worker(two):
    known = tokens(two)
    token = known.create(("ingest",), "gone")
    number = max(each.number for each in known.all())
    async with AsyncExitStack() as stack:
        both = []
        for worker in two.workers:
            ws = await two.websocket(stack, "/v1/stream", at=worker.pid, token=token)
            await ws.send(json.dumps(START))
            await ws.recv()
            both.append(ws)
        assert known.revoke(number)
        ends = await asyncio.gather(*map(received, both))
    assert [events[-1].type for events in ends] == ["session.ended"] * 2 or [
        events[-1].code for events in ends
    ] == ["bad_token"] * 2
    with http(two) as manager:
        mine = [
            record
            for record in manager.get("/v1/sessions").json()["sessions"]
            if record["created_by"] == f"token:{number}"
        ]
    assert [record["state"] for record in mine] == ["ended", "ended"]


def test_only_workers_are_let_in_by_the_inner_door(two):
    worker = two.workers[0]
    path = next(c.laddr for c in worker.net_connections(kind="unix") if c.laddr.endswith(".sock"))
    folder = Path(path).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    principal = {"name": "x", "scopes": ["manage"], "session": None, "token": None}
    asked = [
        f"GET {target} HTTP/1.1\r\nHost: localhost\r\nX-Livemood-Secret: guess\r\n"
        f"X-Livemood-Principal: {json.dumps(principal)}\r\nConnection: close\r\n\r\n"
        for target in ("/v1/audit", "/listed", "/watch/x")
    ]
    for request in asked:
        with sockets.socket(sockets.AF_UNIX) as door:
            door.connect(path)
            door.sendall(request.encode())
            assert door.recv(65_536).startswith(b"HTTP/1.1 401")
    forged = {"X-Livemood-Principal": json.dumps(principal), "X-Livemood-Secret": "guess"}
    assert httpx.get(f"{two.url}/v1/audit", headers=forged).status_code == 401


@pytest.mark.parametrize("path", ["/listed", "/release/x", "/watch/x"])
def test_what_workers_ask_each_other_is_not_at_the_public_address(two, path):
    with http(two) as client:
        assert client.get(path).status_code == 404


@pytest.mark.slow
def test_wrong_tokens_are_counted_at_both_workers_together(two):
    first, second = (worker.pid for worker in two.workers)
    answers = [
        two.ask((first, second)[n % 2], "GET", "/v1/sessions", token=f"lm_guess{n}").status_code
        for n in range(12)
    ]
    assert answers == [401] * 10 + [429] * 2
