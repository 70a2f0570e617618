"""Guests who take more than their share, all at once, and what that costs the others.

A server holds one long session on disk. Then, at the same moment: 24 exports of it, 150 watchers
who want it from its beginning, 12 clients who ask for exports and read nothing, and 60 sessions
that are created and never used. Meanwhile `/healthz` is asked every 0.2 s, honest streams begin one
after the other and say when their first reading comes, and the server's memory is read. Then two
figures by themselves: a stream that stalls and sends all at once, and the server stopped (SIGSTOP)
and continued. Exits with 1 if an aim is missed, with the reasons in `failed`. Linux only.
"""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import common_serve
import httpx
import numpy as np
import psutil
from websockets.exceptions import WebSocketException

AIMS = {"healthz_s": 1.0, "first_reading_s": 2.0, "memory_mb": 400.0, "refused": 0}
START = {"type": "start", "rate": common.RATE, "encoding": "s16le", **common_serve.PURPOSE}


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--hours", type=float, default=4.0, help="length of the kept session")
    parser.add_argument("--seconds", type=float, default=40.0, help="how long guests come")
    args = parser.parse_args()
    if args.quick:
        args.hours, args.seconds = 0.25, 20.0
    around = common.surroundings()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        session = kept(data, args.hours)
        with common_serve.serve(data, "--model", args.model) as server:
            crowd = asyncio.run(crowded(server, session, args))
            print(crowd, flush=True)
            stalls = asyncio.run(stalled(server, args))
    failed = [name for name, most in AIMS.items() if crowd[name] > most]
    least = 1 if args.quick else 24  # who asks for exports, each once
    failed += ["exports"] if crowd["exports"] < least else []
    failed += [name for name, whole in stalls.items() if not whole]
    result = {"hours": args.hours, "aims": AIMS, **crowd, **stalls, "failed": failed}
    common.report("server_faults", {**result, **around}, quick=args.quick)
    sys.exit(1 if failed else 0)


def kept(data: Path, hours: float) -> str:
    """A session of that length in the data folder, made of the events of a short one."""
    from livemood.server.spec import SessionRecord
    from livemood.server.storage.archive import Archive

    demo = Path(__file__).parents[1] / "src" / "livemood" / "assets" / "demo.opus"
    import livemood

    timeline = livemood.analyze(demo)
    archive = Archive(data)
    session = secrets.token_hex(8)
    record = SessionRecord(
        id=session,
        kind="stream",
        state="waiting",
        source=None,
        created="2026-01-01T00:00:00Z",
        purpose="demonstration",
        retention_days=30,
        created_by="local",
    )
    archive.sessions.add(record)
    middle = [e for e in timeline.events if e.type not in ("session.started", "session.ended")]
    length_ms = timeline.events[-1].end_ms
    seq, rows = 1, []
    rows.append((seq, timeline.events[0].model_copy(update={"session": session})))
    for turn in range(int(hours * 3_600_000 / length_ms)):
        for event in middle:
            seq += 1
            moved = {
                "session": session,
                "seq": seq,
                "start_ms": event.start_ms + turn * length_ms,
                "end_ms": event.end_ms + turn * length_ms,
            }
            rows.append((seq, event.model_copy(update=moved)))
    last = timeline.events[-1].model_copy(update={"session": session, "seq": seq + 1})
    rows.append((seq + 1, last))
    archive.events.append(session, [(n, event.model_dump_json()) for n, event in rows])
    archive.events.close(session)
    archive.sessions.update(record.model_copy(update={"state": "ended", "reason": "end"}))
    archive.close()
    return session


async def crowded(server, session: str, args) -> dict:
    """All guests at once, in a process of their own; what the others met."""
    over = asyncio.Event()
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss / 1e6
    memory, writers, health, first, refused = [before], [0.0], [], [], []
    command = [sys.executable, __file__, "--crowd", server.url, session, str(args.seconds)]
    guests = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    tasks = [
        asyncio.ensure_future(asking(server, health, over)),
        asyncio.ensure_future(measuring(process, memory, writers, over)),
        asyncio.ensure_future(streaming(server, args, first, refused, over)),
    ]
    said, _ = await guests.communicate()
    over.set()
    await asyncio.wait(tasks, timeout=30)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {
        "healthz_s": round(max(health), 3),
        "healthz_p50_s": round(float(np.median(health)), 4),
        "first_reading_s": round(max(first), 3) if first else 99.0,
        "first_readings": len(first),
        "memory_mb": round(max(memory), 1),
        "memory_before_mb": round(before, 1),
        "memory_of_writers_mb": round(max(writers), 1),
        "refused": len(refused),
        "refused_codes": sorted(set(refused)),
        **json.loads(said),
    }


async def crowd(url: str, session: str, seconds: float) -> None:
    """The guests; prints what they got."""
    server, over = common_serve.Server(None, url), asyncio.Event()
    counts = {"exports": 0, "exports_refused": 0, "watched_events": 0, "created": 0}
    limits = httpx.Limits(max_connections=400)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as http:
        guests = [
            *(exporting(http, session, over, counts) for _ in range(24)),
            *(watching(server, session, over, counts) for _ in range(150)),
            *(reading_nothing(server, session, over) for _ in range(12)),
            creating(http, counts),
        ]
        tasks = [asyncio.ensure_future(guest) for guest in guests]
        await asyncio.sleep(seconds)
        over.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps(counts))


async def exporting(http, session: str, over: asyncio.Event, counts: dict) -> None:
    """Exports over and over, one format after the other."""
    forms = ["json", "jsonl", "csv", "vtt", "emotionml"]
    while not over.is_set():
        form = forms[counts["exports"] % len(forms)]
        with suppress(httpx.HTTPError):
            answer = await http.get(f"/v1/sessions/{session}/timeline?format={form}")
            counts["exports" if answer.status_code == 200 else "exports_refused"] += 1
            if answer.status_code == 503:
                await asyncio.sleep(float(answer.headers.get("retry-after", 1)))


async def watching(server, session: str, over: asyncio.Event, counts: dict) -> None:
    """Watches from the beginning, and again."""
    while not over.is_set():
        with suppress(OSError, WebSocketException, TimeoutError):
            async with server.websocket(f"/v1/timeline?session={session}&after=0") as ws:
                async for _ in ws:
                    counts["watched_events"] += 1
                    if over.is_set():
                        break


async def reading_nothing(server, session: str, over: asyncio.Event) -> None:
    """Asks for an export and reads nothing of it; once it is cut off, again."""
    host, port = server.url.removeprefix("http://").rsplit(":", 1)
    loop = asyncio.get_running_loop()
    while not over.is_set():
        asking = socket.socket()
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asking.setblocking(False)
        with suppress(OSError):
            await loop.sock_connect(asking, (host, int(port)))
            head = f"GET /v1/sessions/{session}/timeline HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
            await loop.sock_sendall(asking, head.encode())
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), 15)
        asking.close()


async def creating(http, counts: dict) -> None:
    """Sixty sessions that nobody uses."""
    for _ in range(60):
        with suppress(httpx.HTTPError):
            answer = await http.post("/v1/sessions", json={"kind": "rtp", **common_serve.PURPOSE})
            counts["created"] += answer.status_code == 201


async def asking(server, health: list[float], over: asyncio.Event) -> None:
    """`/healthz` by a connection of its own each time."""
    host, port = server.url.removeprefix("http://").rsplit(":", 1)
    while not over.is_set():
        began = time.monotonic()
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        health.append(time.monotonic() - began)
        await asyncio.sleep(0.2)


async def measuring(process: psutil.Process, memory: list, writers: list, over) -> None:
    """Memory of the server, and of the processes that write exports for it."""
    while not over.is_set():
        memory.append(process.memory_info().rss / 1e6)
        with suppress(psutil.NoSuchProcess):
            writers.append(sum(p.memory_info().rss for p in process.children()) / 1e6)
        await asyncio.sleep(0.1)


async def streaming(server, args, first: list, refused: list, over: asyncio.Event) -> None:
    """Honest streams of speech, one after the other, in real time."""
    sound = np.concatenate(common.clips(8, args.seed))
    plain = np.clip(sound * 32767, -32768, 32767).astype("<i2")
    while not over.is_set():
        began = time.monotonic()
        with suppress(OSError, WebSocketException, TimeoutError):
            async with server.websocket("/v1/stream") as ws:
                await ws.send(json.dumps(START))
                sending = asyncio.create_task(in_real_time(ws, plain))
                try:
                    async with asyncio.timeout(30):
                        async for message in ws:
                            event = json.loads(message)
                            if event["type"] == "error":
                                refused.append(event["code"])
                                break
                            if event["type"] == "emotion":
                                first.append(time.monotonic() - began)
                                break
                finally:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
        await asyncio.sleep(0.5)


async def in_real_time(ws, plain: np.ndarray, block: int = common.RATE // 20) -> None:
    began = time.monotonic()
    for number, at in enumerate(range(0, len(plain) - block, block), start=1):
        await asyncio.sleep(max(0.0, began + number * block / common.RATE - time.monotonic()))
        await ws.send(plain[at : at + block].tobytes())


async def stalled(server, args) -> dict:
    """Whether a stream is heard whole that stalls, and when the server is stopped for a while."""
    seconds = 4 if args.quick else 10
    sound = np.concatenate(common.clips(12, args.seed + 1))
    sound = sound[: (4 + seconds) * common.RATE]
    plain = np.clip(sound * 32767, -32768, 32767).astype("<i2")
    whole_ms = 1000 * len(plain) // common.RATE
    both = {}
    for name in ("stalled_network_heard_whole", "stopped_server_heard_whole"):
        async with server.websocket("/v1/stream") as ws:
            await ws.send(json.dumps(START))
            reading = asyncio.create_task(last(ws))
            with suppress(WebSocketException):  # refused: then it is not heard whole
                await in_real_time(ws, plain[: 4 * common.RATE])
            if name.startswith("stopped"):
                os.kill(server.process.pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            os.kill(server.process.pid, signal.SIGCONT)
            for at in range(4 * common.RATE, len(plain), 1600):
                with suppress(WebSocketException):
                    await ws.send(plain[at : at + 1600].tobytes())
            ended = None
            with suppress(WebSocketException, TimeoutError):
                await ws.send('{"type": "end"}')
                ended = await asyncio.wait_for(reading, 60)
        summary = ended["summary"][0] if ended else {"duration_ms": 0, "gap_ms": 0}
        near = abs(summary["duration_ms"] - whole_ms) <= 320 and summary["gap_ms"] == 0
        both[name] = bool(ended) and ended["reason"] == "end" and near
    return both


async def last(ws) -> dict | None:
    """The event `session.ended`, if it comes."""
    with suppress(WebSocketException):
        async for message in ws:
            event = json.loads(message)
            if event["type"] == "session.ended":
                return event
    return None


if __name__ == "__main__":
    if sys.argv[1:2] == ["--crowd"]:
        asyncio.run(crowd(sys.argv[2], sys.argv[3], float(sys.argv[4])))
    else:
        main()
