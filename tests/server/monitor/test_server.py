"""The server on a real socket, with a real client."""

import asyncio
import itertools
import json
import socket
import urllib.error
import urllib.request

import pytest
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from livemood.client import connect
from livemood.errors import LivemoodError, UsageError
from livemood.server import ServerThread
from livemood.timeline.events import parse_event


@pytest.fixture(scope="module")
def events(demo_timeline):
    """The events of the demo conversation."""
    return demo_timeline.events


def endless(events):
    """The session's events without its end, over and over, numbered on."""
    body = events[:-1]
    for seq, event in enumerate(itertools.cycle(body), start=1):
        yield event.model_copy(update={"seq": seq})


def get(server, path, **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as response:
        return response.read().decode()


async def test_a_late_client_gets_every_event_once_and_in_order(events):
    with ServerThread(0) as server:
        for event in events:
            server.publish(event)
        got = [event async for event in connect(server.url, after=0)]
    assert got == events


async def test_a_client_resumes_where_it_left_off(events):
    with ServerThread(0) as server:
        for event in events[:50]:
            server.publish(event)
        async with open_socket(f"{server.url}?after=0", close_timeout=0.1) as client:
            first = [parse_event(await client.recv()) for _ in range(20)]
        for event in events[50:]:
            server.publish(event)
        rest = [event async for event in connect(server.url, after=first[-1].seq)]
    assert first + rest == events


async def test_the_client_reconnects_to_a_restarted_server_without_loss(events):
    """The server goes away in the middle and comes back on the same port with the session."""
    server = ServerThread(0)
    port = server.port
    got = []
    with server:
        for event in events[:60]:
            server.publish(event)
        stream = connect(f"ws://127.0.0.1:{port}")
        async for event in stream:
            got.append(event)
            if len(got) == 60:
                break
    with ServerThread(port) as again:
        for event in events:
            again.publish(event)
        got += [event async for event in stream]
    assert got == events


async def test_a_client_without_after_hears_only_what_comes(events):
    with ServerThread(0) as server:
        for event in events[:10]:
            server.publish(event)
        async with open_socket(f"{server.url}?after=0") as early, open_socket(server.url) as late:
            for _ in range(10):
                await early.recv()
            server.publish(events[10])
            assert parse_event(await late.recv()) == events[10]


@pytest.mark.slow
async def test_a_client_that_stops_reading_loses_only_its_own_emotion_events(events):
    published = []
    with ServerThread(0, history=100_000, queue_limit=64) as server:
        stuck_socket = socket.socket()
        stuck_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        stuck_socket.connect(("127.0.0.1", server.port))
        stuck_socket.setblocking(False)
        async with (
            open_socket(f"{server.url}?after=0", sock=stuck_socket, max_queue=1) as stuck,
            open_socket(f"{server.url}?after=0") as quick,
        ):
            # Paced by the quick client, so that only the other one falls behind; enough to fill
            # whatever the kernel's buffers hold.
            source = endless(events)
            for _ in range(600):
                batch = list(itertools.islice(source, 32))
                published += batch
                for event in batch:
                    server.publish(event)
                for event in batch:
                    assert parse_event(await quick.recv()) == event
            metrics = await asyncio.to_thread(get, server, "/metrics")
            seen, lost = [], 0
            while not seen or seen[-1].seq < published[-1].seq:
                event = parse_event(await stuck.recv())
                if event.seq is None:
                    assert event.code == "slow_client"
                    lost += event.count
                else:
                    seen.append(event)
    assert lost > 0
    assert len(seen) + lost == len(published)
    missing = {e.seq for e in published} - {e.seq for e in seen}
    assert {published[seq - 1].type for seq in missing} == {"emotion"}
    assert [e.seq for e in seen] == sorted({e.seq for e in seen})
    assert "livemood_client_events_dropped_total" in metrics


async def test_wrong_requests_get_a_reason(events):
    with ServerThread(0) as server:
        server.publish(events[0])
        for after in ("-1", "x", "5"):
            async with open_socket(f"{server.url}?after={after}") as client:
                error = parse_event(await client.recv())
                assert error.type == "error"
                assert error.fatal
                assert "after" in error.message
                with pytest.raises(ConnectionClosed):
                    await client.recv()


async def test_pages_of_other_origins_are_refused(events):
    with ServerThread(0) as server:
        server.publish(events[0])
        with pytest.raises(InvalidStatus):
            await open_socket(f"{server.url}?after=0", origin="https://elsewhere.example")
        own = f"http://127.0.0.1:{server.port}"
        async with open_socket(f"{server.url}?after=0", origin=own) as client:
            assert parse_event(await client.recv()) == events[0]


async def test_other_host_names_are_refused(events):
    with ServerThread(0) as server:
        with pytest.raises(urllib.error.HTTPError) as refused:
            await asyncio.to_thread(get, server, "/healthz", Host="attacker.example")
        assert refused.value.code == 400


async def test_health_and_metrics(events):
    with ServerThread(0) as server:
        for event in events[:-1]:
            server.publish(event)
        async with open_socket(f"{server.url}?after=0") as client:
            for _ in events[:-1]:
                await client.recv()
            health = json.loads(await asyncio.to_thread(get, server, "/healthz"))
            metrics = await asyncio.to_thread(get, server, "/metrics")
    assert health == {"status": "ok", "session_open": True}
    windows = sum(event.type == "emotion" for event in events)
    assert f"livemood_windows_total {windows:.1f}" in metrics
    assert f'livemood_latency_seconds_count{{stage="total"}} {windows:.1f}' in metrics
    assert "livemood_clients 1.0" in metrics
    assert events[0].session not in metrics


def test_the_server_listens_on_loopback_alone():
    with ServerThread(0) as server:
        assert server._http.listener.getsockname()[0] == "127.0.0.1"


def test_a_busy_port_is_one_clear_line():
    with ServerThread(0) as server, pytest.raises(LivemoodError, match="is in use") as error:
        ServerThread(server.port)
    assert "\n" not in str(error.value)


async def test_connecting_to_nothing_says_what_to_do():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(LivemoodError, match="livemood listen"):
        async for _ in connect(f"ws://127.0.0.1:{port}", patience_s=0.3):
            pass
    nowhere = [f"ws://127.0.0.1:{port}", f"ws://localhost:{port}"]
    with pytest.raises(LivemoodError, match=rf"127.0.0.1:{port}\S+ or ws://localhost:{port}/"):
        async for _ in connect(nowhere, patience_s=0.3):
            pass
    with pytest.raises(UsageError, match="ws://"):
        async for _ in connect("ftp://127.0.0.1:1"):
            pass
