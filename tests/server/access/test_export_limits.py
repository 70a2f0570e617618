"""Exports are bounded: nobody keeps others from theirs."""

import asyncio
import socket as sockets

import pytest
from talking import SPEC, client, code, stream, until

from livemood.server.serve.written import Written


@pytest.mark.slow
async def test_exports_are_bounded_and_one_that_is_not_read_is_cut(serving, speech):
    limits = {"exports": 2, "stall_s": 3.0}
    with serving(limits=limits) as service:
        session = (await stream(service, speech))[0].session
        opened = service.sessions.open(session)
        assert opened is None or await asyncio.to_thread(opened.settled.wait, 20)
        filler = '{"type":"x","text":"' + "x" * 20_000 + '"}'
        service.storage.events.append(session, [(9000 + n, filler) for n in range(2000)])
        service.storage.events.close(session)
        path = f"/v1/sessions/{session}/timeline?format=jsonl"
        stuck = [_asking(service, path) for _ in range(2)]
        with client(service) as http:
            await until(lambda: _busy(http, path))
            assert http.get("/healthz").status_code == 200
            await until(lambda: not _busy(http, path))  # cut, and their places are free
        for one in stuck:
            one.close()
        with client(service) as http:
            text = http.get(path).text
        assert text.count("\n") == text.count('"type"') > 2000


@pytest.mark.slow
async def test_a_large_timeline_is_written_by_a_process_of_its_own(serving, speech, monkeypatch):
    with serving() as service:
        session = (await stream(service, speech))[0].session
        opened = service.sessions.open(session)
        assert opened is None or await asyncio.to_thread(opened.settled.wait, 20)

        def all_of():
            with client(service) as http:
                forms = ("json", "csv", "vtt", "emotionml")
                paths = [f"/v1/sessions/{session}/timeline?format={form}" for form in forms]
                answers = [http.get(path) for path in (*paths, f"/v1/sessions/{session}/report")]
                return [(a.status_code, a.text, a.headers["content-type"]) for a in answers]

        here = await asyncio.to_thread(all_of)
        monkeypatch.setattr(Written, "LARGE", 1)
        by_child = await asyncio.to_thread(all_of)
    assert [status for status, *_ in by_child] == [200] * 5
    assert by_child[:4] == here[:4]
    assert by_child[4][1][:200] == here[4][1][:200]
    assert len(by_child[4][1]) == pytest.approx(len(here[4][1]), abs=200)


@pytest.mark.slow
async def test_large_exports_that_are_not_read_keep_no_other_from_its_end(
    serving, speech, monkeypatch, tmp_path
):
    """They hold places, not the one process that writes. Those who ask together share a file."""
    monkeypatch.setattr(Written, "LARGE", 1)
    with serving(limits={"exports": 10, "exports_per_token": 9, "stall_s": 600}) as service:
        session = (await stream(service, speech))[0].session
        opened = service.sessions.open(session)
        assert opened is None or await asyncio.to_thread(opened.settled.wait, 20)
        (last,) = service.storage.read(session, service.storage.events.last(session) - 1)
        emotion = next(t for _, t in service.storage.read(session) if '"type":"emotion"' in t)
        more = [(last[0] + n, emotion) for n in range(1, 3000)]
        service.storage.events.append(session, more)
        service.storage.events.close(session)
        paths = [f"/v1/sessions/{session}/timeline?format={form}" for form in ("json", "csv")]
        stuck = [_asking(service, paths[0]) for _ in range(6)]
        with client(service) as http:
            asked = [asyncio.to_thread(http.get, paths[n % 2], timeout=120) for n in range(3)]
            answers = await asyncio.gather(*asked)
            assert [a.status_code for a in answers] == [200] * 3
            assert answers[0].text == answers[2].text
            assert len(answers[0].json()["channels"][0]["events"]) > 3000
            while not _busy(http, paths[1]):
                stuck.append(_asking(service, paths[0]))
            assert http.get("/healthz").status_code == 200
        for one in stuck:
            one.close()
    left = [p.name for p in (tmp_path / "data").iterdir() if p.name.startswith("tmp")]
    assert left == [], "what is being written has no name"


@pytest.mark.slow
async def test_one_token_cannot_take_every_place_of_exports(serving, speech):
    with serving(limits={"exports": 3, "exports_per_token": 2, "stall_s": 600}) as service:
        tokens = service.storage.tokens
        one, other = tokens.create(("manage", "watch")), tokens.create(("watch",))
        with client(service, one) as http:
            session = http.post("/v1/sessions", json=SPEC).json()["id"]
        filler = '{"type":"x","text":"' + "x" * 20_000 + '"}'
        service.storage.events.append(session, [(n, filler) for n in range(1, 2000)])
        service.storage.events.close(session)
        path = f"/v1/sessions/{session}/timeline?format=jsonl"
        stuck = [_asking(service, path, one) for _ in range(2)]
        with client(service, one) as http, client(service, other) as another:
            await until(lambda: _busy(http, path))
            assert another.get(path).text.count("\n") == 1999
        for each in stuck:
            each.close()


def _asking(service, path, token=None):
    """A client that asks, and reads nothing."""
    who = f"Authorization: Bearer {token}\r\n" if token else ""
    asking = sockets.socket()
    asking.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    asking.connect(("127.0.0.1", service.port))
    asking.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{who}\r\n".encode())
    return asking


def _busy(http, path):
    with http.stream("GET", path) as answer:
        if answer.status_code == 503:
            answer.read()
            return code(answer) == (503, "busy")
        assert answer.status_code == 200
        return False
