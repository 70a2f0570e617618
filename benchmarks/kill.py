"""`kill -9` of a server under load, over and over: what is lost, and whether it comes back whole.

Each time `livemood serve` is started on the same data folder with `--streams` sessions (calls and
WebSocket streams in turn, each with a watcher), killed after 3 to 6 seconds, and its files are
looked at as they lie: SQLite's integrity check of every one. Then it is started again, and serves
every session: as ended, interrupted, with the events that its watcher had had, to the last digit.
`lost_ms` is the time from the first event that is missing to the kill; at most a second may be.
"""

import asyncio
import json
import random
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

import common  # first: it sets one thread before numpy is loaded
import httpx
from common_serve import Sender, Server, Sound, Stream, made_at, serve
from websockets.exceptions import WebSocketException

MOST_LOST_MS = 1000.0


class Round:
    """One kill."""

    def __init__(self, data: Path, streams: int, sound: Sound, seed: int) -> None:
        self._data, self._sound, self._chance = data, sound, random.Random(seed)
        self._kinds = ["rtp" if n % 2 else "stream" for n in range(streams)]
        self.watched: dict[str, list[str]] = {}
        """Of each session the events that its watcher had, as text."""
        self.failed: list[str] = []
        self.lost_ms = 0.0
        self.lost = self.kept = 0

    async def load_and_kill(self, server: Server) -> None:
        """Sessions until the kill; what their watchers had by then."""
        sender, tasks = Sender(), []
        async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
            tasks.append(asyncio.create_task(sender.run()))
            streams = [Stream(k, self._sound, 7.3 * n) for n, k in enumerate(self._kinds)]
            for stream in streams:
                tasks.append(asyncio.create_task(stream.run(server, http, sender)))
            while not all(stream.session for stream in streams):
                await asyncio.sleep(0.01)
            for stream in streams:
                tasks.append(asyncio.create_task(self._watch(server, stream.session)))
            await asyncio.sleep(self._chance.uniform(3, 6))
            server.process.kill()
            self.killed = time.time()
            await asyncio.sleep(0.3)  # what was sent before still arrives
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, server: Server, session: str) -> None:
        events = self.watched[session] = []
        with suppress(WebSocketException, OSError):
            async with server.websocket(f"/v1/timeline?session={session}&after=0") as ws:
                while True:
                    events.append(await ws.recv())

    def look_at_files(self) -> None:
        """A copy of the folder as it lies: SQLite finds every file whole."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copytree(self._data, Path(folder) / "copy"))
            for path in copy.rglob("*.db"):
                with closing(sqlite3.connect(path)) as database:
                    (found,) = database.execute("PRAGMA integrity_check").fetchone()
                if found != "ok":
                    self.failed.append(f"{path.name}: {found}")

    def look_at_sessions(self, server: Server) -> None:
        """The restarted server has every session, and nearly all of its events."""
        with httpx.Client(base_url=server.url, timeout=20) as http:
            for session, watched in self.watched.items():
                state = http.get(f"/v1/sessions/{session}").json()
                if (state.get("state"), state.get("reason")) != ("ended", "interrupted"):
                    self.failed.append(f"a session is {state}")
                    continue
                kept = http.get(f"/v1/sessions/{session}/timeline?format=jsonl").text.splitlines()
                self._compare(watched, kept)

    def _compare(self, watched: list[str], kept: list[str]) -> None:
        had = {json.loads(text)["seq"]: text for text in watched}
        have = {json.loads(text)["seq"]: text for text in kept[:-1]}
        if not kept or json.loads(kept[-1])["type"] != "session.ended":
            self.failed.append("a timeline has no end")
        if list(have) != list(range(1, len(have) + 1)):
            self.failed.append("a timeline has holes")
        if any(had[seq] != text for seq, text in have.items() if seq in had):
            self.failed.append("an event is another than was told")
        missing = [json.loads(text) for seq, text in had.items() if seq not in have]
        self.kept += len(have)
        self.lost += len(missing)
        for event in missing:
            self.lost_ms = max(self.lost_ms, 1000 * (self.killed - made_at(event)))


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--kills", type=int, help="20, or 2 with --quick")
    parser.add_argument("--streams", type=int, help="sessions each time; 20, or 4 with --quick")
    args = parser.parse_args()
    kills = args.kills or (2 if args.quick else 20)
    streams = args.streams or (4 if args.quick else 20)
    around = common.surroundings()
    sound = Sound(200.0, args.seed)
    rounds: list[Round] = []
    options = ("--model", args.model)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        for number in range(kills):
            this = Round(data, streams, sound, args.seed + number)
            with serve(data, *options) as server:
                if rounds:
                    rounds[-1].look_at_sessions(server)
                asyncio.run(this.load_and_kill(server))
            this.look_at_files()
            rounds.append(this)
        with serve(data, *options) as server:
            rounds[-1].look_at_sessions(server)
    failed = [text for one in rounds for text in one.failed]
    lost = [round(one.lost_ms, 1) for one in rounds]
    if max(lost) > MOST_LOST_MS:
        failed.append(f"{max(lost)} ms of events were lost")
    result = {
        "kills": kills,
        "sessions": sum(len(one.watched) for one in rounds),
        "events_kept": sum(one.kept for one in rounds),
        "events_lost": sum(one.lost for one in rounds),
        "lost_ms": {"largest": max(lost), "each": lost},
        "failed": failed,
    }
    common.report("kill", {**result, **around}, quick=args.quick)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
