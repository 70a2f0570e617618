"""`/v1/timeline` of sessions that wait, run or have ended."""

import asyncio
import json
import socket as sockets

import pytest
from talking import START, client, received, send_all, socket, stream, until

from livemood.client import connect
from livemood.errors import LivemoodError
from livemood.server.refused import Refused
from livemood.server.sessions.live import OpenSession
from livemood.timeline.events import parse_event


async def watch(service, session, after=0, token=None):
    async with socket(service, f"/v1/timeline?session={session}&after={after}", token) as ws:
        return await received(ws)


async def test_an_ended_session_is_told_from_any_place_after_a_restart_too(serving, speech):
    with serving() as service:
        events = await stream(service, speech)
        session = events[0].session
        assert await watch(service, session) == events
    with serving() as service:
        assert await watch(service, session) == events
        for after in (0, 1, 7, len(events) - 1, len(events)):
            assert await watch(service, session, after) == events[after:]
        async with socket(service, f"/v1/timeline?session={session}") as ws:
            assert await received(ws) == [], "without after only what comes from now on"
            assert ws.close_code == 1000


async def test_storage_that_cannot_be_read_is_an_error_event(serving, speech, monkeypatch):
    """As it would be over REST: one line for the client, no traceback."""
    from livemood.server.storage.interface import StorageError

    with serving() as service:
        session = (await stream(service, speech))[0].session

        def broken(_session):
            raise StorageError("disk I/O error")

        monkeypatch.setattr(service.storage.events, "last", broken)
        opened = service.sessions.open(session)
        assert opened is None or await asyncio.to_thread(opened.settled.wait, 20)
        async with socket(service, f"/v1/timeline?session={session}&after=0") as ws:
            (event,) = await received(ws)
            assert (event.type, event.code) == ("error", "storage_failed")
            assert ws.close_code == 1013


async def test_watchers_of_a_live_session_get_every_event_once(shared, speech):
    with shared() as service, client(service) as http:
        made = await asyncio.to_thread(
            http.post,
            "/v1/sessions",
            json={"kind": "stream", "purpose": "personal", "informed": True},
        )
        session = made.json()["id"]
        early = [asyncio.create_task(watch(service, session)) for _ in range(10)]
        plain = {k: START[k] for k in ("type", "rate", "encoding")}
        async with socket(service, f"/v1/stream?session={session}") as ws:
            await send_all(ws, speech, plain, end=False)
            first = [parse_event(await ws.recv()) for _ in range(3)]
            late = [asyncio.create_task(watch(service, session, n)) for n in range(4)]
            await ws.send('{"type": "end"}')
            own = first + await received(ws)
        assert all([await task == own for task in early])
        for after, task in enumerate(late):
            assert await task == own[after:]


async def test_what_is_no_longer_in_memory_comes_from_disk(serving, speech, monkeypatch):
    monkeypatch.setattr(OpenSession, "HISTORY", 5)
    with serving() as service:
        async with socket(service, "/v1/stream") as ws:
            await send_all(ws, speech, end=False)
            own = [parse_event(await ws.recv())]
            session = own[0].session
            while service.sessions.open(session).log.first_seq < 3:
                own.append(parse_event(await ws.recv()))
            service.storage.writer.flush()
            async with socket(service, f"/v1/timeline?session={session}&after=0") as watcher:
                # One and no more: whoever is slow may lose some of the others.
                got = [parse_event(await watcher.recv())]
                await ws.send('{"type": "end"}')
                own += await received(ws)
                got += await received(watcher)
    numbered = [event for event in got if event.seq is not None]
    assert (numbered[0].seq, numbered[-1].type) == (1, "session.ended")
    # Whoever is slow, here or there, may lose readings, and is told how many.
    dropped = sum(event.count for event in got if event.seq is None)
    assert len(numbered) + dropped == numbered[-1].seq
    heard = {event.seq: event for event in own if event.seq is not None}
    assert all(heard.get(event.seq, event) == event for event in numbered)
    kept = {seq for seq, event in heard.items() if event.type != "emotion"}
    assert kept <= {event.seq for event in numbered}


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "after=²", "after=99999", "after=" + "9" * 30]
)
async def test_wrong_places_get_a_reason(shared, speech, query):
    with shared() as service:
        events = await stream(service, speech[:1600])
        refused = []
        try:
            async with socket(service, f"/v1/timeline?session={events[0].session}&{query}") as ws:
                refused = [e.code for e in await received(ws)]
        except Exception as error:
            refused = [json.loads(error.response.body)["error"]["code"]]
    assert refused == ["bad_request"]


async def test_a_session_is_needed_and_must_exist(shared):
    from websockets.exceptions import InvalidStatus

    with shared() as service:
        for path, status in (
            ("/v1/timeline", 400),
            ("/v1/timeline?session=none", 404),
            ("/v1/timeline?session=../../etc/passwd", 404),
            ("/v1/timeline?session=' OR 1=1 --", 404),
        ):
            with pytest.raises(InvalidStatus) as refused:
                await socket(service, path.replace(" ", "%20"))
            assert refused.value.response.status_code == status
            assert json.loads(refused.value.response.body)["error"]["code"]


async def test_the_client_follows_a_session_by_its_address(shared, speech):
    with shared() as service:
        events = await stream(service, speech)
        url = service.url.replace("http", "ws", 1)
        url += f"/v1/timeline?session={events[0].session}"
        assert [event async for event in connect(url)] == events


@pytest.mark.slow
async def test_the_client_waits_for_a_place(serving, speech):
    """A server that has as many clients as it takes is asked again, and not for ever."""
    with serving() as service:
        events = await stream(service, speech)
    with serving(limits={"clients": 1}) as service:
        path = f"/v1/timeline?session={events[0].session}"
        url = service.url.replace("http", "ws", 1) + path
        async with socket(service, "/v1/stream") as first:
            await first.send(json.dumps(START))
            await first.recv()
            with pytest.raises(LivemoodError, match="refused: as many clients as are allowed"):
                _ = [event async for event in connect(url, patience_s=0.3)]

            async def told():
                return [event async for event in connect(url)]

            waiting = asyncio.create_task(told())
            refused = service.sessions.metrics.refused.labels("too_many_clients")
            await until(lambda: waiting.done() or refused._value.get() >= 4)
            assert not waiting.done()
        assert await waiting == events


@pytest.mark.slow
async def test_the_client_asks_again_what_cannot_be_read_now(serving, speech, monkeypatch):
    """A server that says so after the handshake, and closes with 1013."""
    with serving() as service:
        events = await stream(service, speech)
        url = service.url.replace("http", "ws", 1) + f"/v1/timeline?session={events[0].session}"
        read, asked, broken = service.storage.read, [], 2

        def failing(*about):
            asked.append(about)
            if len(asked) <= broken:
                raise Refused("storage_failed", "the timeline cannot be read", 503, 10)
            return read(*about)

        monkeypatch.setattr(service.storage, "read", failing)
        await until(lambda: not service.sessions.all_open())  # before, events come from memory
        assert [event async for event in connect(url)] == events
        assert len(asked) == 3
        broken = 1000
        with pytest.raises(LivemoodError, match="refused: the timeline cannot be read"):
            _ = [event async for event in connect(url, patience_s=0.3)]
        assert len(asked) == 6, "it waits longer each time, though the handshake succeeds"


@pytest.mark.slow
async def test_a_watcher_that_stops_reading_harms_nobody(serving, demo_timeline):
    """Events of a long session, made as fast as they can be; one watcher never reads."""
    large = {f"label {n}": 0.5 for n in range(150)}  # fills whatever the kernel's buffers hold
    body = [
        e.model_copy(update={"raw_probabilities": large})
        for e in demo_timeline.events
        if e.type == "emotion"
    ]
    boundary = next(e for e in demo_timeline.events if e.type == "segment")
    with serving() as service, client(service) as http:
        made = http.post(
            "/v1/sessions", json={"kind": "rtp", "purpose": "personal", "informed": True}
        )
        session = made.json()["id"]
        service.sessions.start(session, source="test", sample_rate=16000, channels=2)
        opened = service.sessions.open(session)
        stuck_socket = sockets.socket()
        stuck_socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 65536)
        stuck_socket.connect(("127.0.0.1", service.port))
        stuck_socket.setblocking(False)
        path = f"/v1/timeline?session={session}&after=0"
        async with (
            socket(service, path, sock=stuck_socket, max_queue=1) as stuck,
            socket(service, path) as quick,
        ):
            seq = parse_event(await quick.recv()).seq
            for _ in range(100):
                for event in [*body[:31], boundary]:
                    seq += 1
                    made = event.model_copy(update={"session": session, "seq": seq})
                    service.sessions.flow._take(opened, service.sessions._forget, made)
                for _ in range(32):
                    last = parse_event(await quick.recv())
                assert last.seq == seq
            got, lost = [], 0
            while not got or got[-1].seq < seq:
                event = parse_event(await stuck.recv())
                if event.seq is None:
                    assert event.code == "slow_client"
                    lost += event.count
                else:
                    got.append(event)
        metrics = http.get("/metrics").text
        opened.live._session._core._seq = seq  # so that it ends behind what was made up
    assert lost > 0
    assert lost + len(got) == seq
    assert sum(e.type == "segment" for e in got) == 100
    assert f"livemood_client_events_dropped_total {lost}.0" in metrics
