"""What attackers try. None of them stops the service for others."""

import asyncio
import json
import random
import socket as sockets
import struct
import zlib
from contextlib import suppress

import pytest
from talking import (
    ROUTES,
    SPEC,
    START,
    alive,
    client,
    code,
    received,
    refusal,
    send_all,
    socket,
    stream,
    until,
)
from websockets.exceptions import ConnectionClosed


@pytest.mark.parametrize(
    "name",
    [
        "../livemood.db",
        "..%2f..%2flivemood.db",
        "%2e%2e/%2e%2e/etc/passwd",
        "....//....//etc/passwd",
        "/etc/passwd",
        "x%00.db",
        "' OR '1'='1",
        "1; DROP TABLE sessions; --",
        '" UNION SELECT * FROM tokens --',
        "%",
        "*",
        "a" * 5000,
    ],
)
async def test_paths_and_sql_in_names_lead_nowhere(shared, speech, name):
    with shared() as service, client(service) as http:
        # Signs alone are no reference to a consent.
        consent = name[:200] if any(c.isalnum() for c in name) else "form 7"
        start = START | {"participants": [name[:200]], "consent": consent}
        events = await stream(service, speech[:1600], start)
        for method, path in ROUTES:
            url = path.format(name.replace("%", "%25") if "%" not in path else name)
            answer = http.request(method, url) if "{}" in path else http.get("/v1/sessions")
            assert answer.status_code in (200, 404, 405, 422), (method, url)
            assert "root:" not in answer.text
            assert b"SQLite format" not in answer.content
        raw = http.get(f"/v1/sessions/{name[:200]}".replace("?", ""))
        assert raw.status_code in (200, 404, 405, 422)
        for key in ("q", "purpose"):
            found = http.get("/v1/sessions", params={key: name[:100]})
            assert found.status_code == 200
        records = http.get("/v1/sessions", params={"q": name[:200]}).json()["sessions"]
        assert [r["id"] for r in records] == [events[0].session]
        assert records[0]["participants"] == [name[:200]]
        assert list(service.storage.database.path.parent.glob("**/passwd")) == []


async def test_oversized_messages_are_refused(serving, speech):
    with serving(limits={"message_bytes": 4096}) as service:
        with client(service) as http:
            body = json.dumps(SPEC | {"consent": "x" * 5000})
            assert code(http.post("/v1/sessions", content=body)) == (413, "message_too_big")
            chunks = (b"x" * 1000 for _ in range(100))
            assert http.post("/v1/sessions", content=chunks).status_code == 413
            long = http.get("/v1/sessions", headers={"X-Long": "x" * 100_000})
            assert long.status_code in (400, 431)  # by how it was cut on the way
        for message in (b"\x00" * 5000, "x" * 5000):
            async with socket(service, "/v1/stream") as ws:
                await ws.send(json.dumps(START))
                await ws.send(message)
                await received(ws)
                assert ws.close_code == 1009
        await alive(service, speech[:1600])
        await until(lambda: service.sessions.all_open() == [])


async def test_a_message_of_endless_empty_fragments_is_cut(shared, speech):
    with shared() as service:
        reader, writer = await _upgraded(service, "/v1/stream")
        writer.write(_frame(0x2, b"\x00", fin=False))
        assert await _cut(reader, writer, _frame(0x0, b"", fin=False) * 1000)
        await alive(service, speech)


async def test_pings_that_nobody_reads_the_answers_of_end_the_connection(shared, speech):
    with shared() as service:
        _, writer = await _upgraded(service, "/v1/stream")
        assert await _cut(None, writer, _frame(0x9, b"p" * 125) * 500)
        await alive(service, speech)


async def test_a_decompression_bomb_is_not_even_opened(shared, speech):
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    squeezed = bomb.compress(bytes(10_000_000)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    with shared() as service:
        offered = {"Sec-WebSocket-Extensions": "permessage-deflate"}
        reader, writer = await _upgraded(service, "/v1/stream", offered)
        writer.write(_frame(0x1, json.dumps(START).encode()))
        writer.write(_frame(0x2, squeezed, rsv1=True))
        left = await asyncio.wait_for(reader.read(), 10)
        assert struct.pack("!H", 1002) in left
        writer.close()
        with client(service) as http:
            gzip = zlib.compressobj(9, zlib.DEFLATED, 31)
            body = gzip.compress(b" " * 10_000_000) + gzip.flush()
            answer = http.post(
                "/v1/sessions",
                content=body,
                headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
            )
            assert answer.status_code == 400
        await alive(service, speech)


@pytest.mark.slow
async def test_a_thousand_half_open_sockets_keep_nobody_out(serving, speech):
    with serving(limits={"request_s": 3.0, "half_open": 512}) as service:
        silent = []
        for n in range(1000):
            one = sockets.create_connection(("127.0.0.1", service.port))
            one.sendall(b"" if n % 2 else b"GET /v1/sessions HTTP/1.1\r\nHost: local")
            silent.append(one)
        async with socket(service, "/v1/stream") as slow:  # opened, and then nothing
            took = await alive(service, speech)
            assert [e.code for e in await received(slow)] == ["too_slow"]
        assert took < 30
        for one in silent:
            one.settimeout(20)
            with suppress(ConnectionResetError):
                assert one.recv(1) == b""
            one.close()


async def test_a_body_that_drips_is_cut_off(serving, speech):
    with serving(limits={"request_s": 0.5}) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(
            b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"
        )
        head = await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)
        assert b"408" in head
        writer.close()
        async with socket(service, "/v1/stream") as ws:  # a first message that never ends
            with suppress(ConnectionClosed):
                await ws.send(_dripping())
            assert "too_slow" in [e.code for e in await received(ws)]
        await alive(service, speech)


@pytest.mark.slow
async def test_faster_than_real_time_is_stopped(serving, speech):
    with serving(limits={"ahead_s": 1.0}) as service:
        async with socket(service, "/v1/stream") as ws:
            await send_all(ws, speech, end=False)
            events = await received(ws)
        assert [e.code for e in events if e.type == "error"] == ["too_fast"]
        assert events[-1].type == "session.ended"
        assert events[-1].summary[0].duration_ms <= 1200
        assert (ws.close_code, ws.close_reason) == (1008, "too_fast")
        for flood in (b"", '{"type": "marker", "note": "x"}'):
            async with socket(service, "/v1/stream") as ws:
                await ws.send(json.dumps(START))
                sending = asyncio.create_task(_flood(ws, flood))
                events = await received(ws)
                await sending
            assert [e.code for e in events if e.type == "error"] == ["too_fast"]
            assert sum(e.type == "marker" for e in events) <= 25
        await alive(service, speech[:8000])


async def test_garbage_is_no_sound(shared, speech, clip):
    chance = random.Random(3)
    wav = b"RIFF" + bytes(chance.randbytes(4000))
    with shared() as service:
        for encoding, messages in {
            "opus": [chance.randbytes(n) for n in (1, 2, 100, 1275, 4000)],
            "s16le": [wav],
            "mulaw": [b"OggS" + chance.randbytes(100)],
            "f32le": [chance.randbytes(401), chance.randbytes(40_000)],
        }.items():
            for message in messages:
                async with socket(service, "/v1/stream") as ws:
                    await ws.send(json.dumps(START | {"encoding": encoding}))
                    await ws.send(message)
                    await ws.send('{"type": "end"}')
                    events = await received(ws)
                assert events[-1].type == "session.ended"
                if encoding != "opus":  # of which nearly any byte begins a packet
                    assert [e.code for e in events if e.type == "error"] == ["bad_sound"]
        for _ in range(3):  # noise of any kind is heard as such
            async with socket(service, "/v1/stream") as ws:
                await ws.send(json.dumps(START | {"encoding": "s16le"}))
                await ws.send(chance.randbytes(40_000))
                await ws.send('{"type": "end"}')
                assert (await received(ws))[-1].reason == "end"
        await alive(service, speech)


async def test_no_more_clients_than_allowed(serving):
    with serving(limits={"clients": 3}) as service:
        held = [await socket(service, "/v1/stream") for _ in range(3)]
        assert await refusal(service, "/v1/stream") == (503, "too_many_clients")
        for ws in held:
            await ws.close()
        await until(lambda: len(service.connections) == 0)
        async with socket(service, "/v1/stream"):
            pass


async def test_random_bytes_and_requests_stop_nothing(shared, speech):
    chance = random.Random(5)
    with shared() as service:
        for _ in range(300):
            with sockets.create_connection(("127.0.0.1", service.port)) as raw:
                verb = chance.choice([b"GET", b"POST", b"DELETE", b"\x16\x03\x01", b"PRI *"])
                raw.sendall(verb + b" /v1/" + chance.randbytes(chance.randrange(200)) + b"\r\n\r\n")
        reader, writer = await _upgraded(service, "/v1/stream")
        writer.write(chance.randbytes(20_000))
        assert await asyncio.wait_for(reader.read(), 20) is not None
        writer.close()
        await alive(service, speech)


async def _cut(reader, writer, data):
    """Whether the server ends a connection on which `data` is sent over and over."""
    try:
        for _ in range(2000):
            writer.write(data)
            await asyncio.wait_for(writer.drain(), 10)
        return reader is not None and await asyncio.wait_for(reader.read(), 10) is not None
    except ConnectionError:
        return True
    finally:
        writer.close()


async def _dripping():
    for _ in range(100):
        yield "x"
        await asyncio.sleep(0.05)


async def _flood(ws, message):
    with suppress(ConnectionClosed):
        for _ in range(20_000):
            await ws.send(message)


async def _upgraded(service, path, headers=None, expect=101):
    """A raw connection on which the WebSocket handshake was made."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    lines = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    } | (headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert f" {expect} ".encode() in answer
    assert b"permessage-deflate" not in answer
    return reader, writer


def _frame(opcode, payload, fin=True, rsv1=False):
    """A masked WebSocket frame (RFC 6455, section 5.2)."""
    first = opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0)
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    else:
        head = struct.pack("!BBH", first, 0xFE, size)
    return head + bytes(4) + payload
