"""A session's timeline as a download, and its report: bounded, streamed, cut when nobody reads."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from livemood.errors import LivemoodError
from livemood.server import export_process
from livemood.server.monitor.page import HEADERS, REPORT_SECURITY, report_of
from livemood.server.refused import Refused
from livemood.server.sessions.sessions import Sessions
from livemood.timeline.events import parse_event
from livemood.timeline.export import EXPORTS
from livemood.timeline.export import MEDIA as MEDIA
from livemood.timeline.timeline import Timeline

PIECE = 65_536
"""Characters sent at once."""
ROWS = 128
"""Events read from disk at once."""
RETRY_S = 2.0
REPORT_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": REPORT_SECURITY,
    "Cache-Control": "no-store",
}


class Exports:
    """The exports that are being made and sent. Belongs to the event loop.

    There are never more than `most`: another is refused before it takes a thread, so that health
    and new sessions do not wait for timelines.
    """

    LARGE = 4000
    """Events from which a timeline is written by a process of its own: a quarter of an hour."""
    CHILDREN = 1

    def __init__(self, sessions: Sessions, most: int) -> None:
        self._sessions, self._most = sessions, most
        self._children = asyncio.Semaphore(self.CHILDREN)
        self.running = 0

    async def timeline(
        self, session: str, form: str, headers: dict[str, str], note: Callable[[], None]
    ) -> Response:
        """The timeline in one of the formats; `note` writes it down. Raises `Refused`."""
        with _Slot(self) as slot:
            await self._sessions.pools.admission.run(note)
            if form == "jsonl":
                first = await self._rows(session, 0)
                return slot.held(_Held(self._lines(session, first), headers=headers))
            if await self._large(session):
                return slot.held(_Held(self._by_child(session, form), headers=headers))
            text = await self._sessions.pools.exports.run(self._written, session, form)
            return slot.held(_Held(_pieces(text), headers=headers))

    async def report(
        self, session: str, language: str, retention_days: float, note: Callable[[], None]
    ) -> Response:
        """The report; `note` writes it down. Raises `Refused`."""
        with _Slot(self) as slot:
            await self._sessions.pools.admission.run(note)
            if await self._large(session):
                large = self._by_child(
                    session, export_process.REPORT, language, str(retention_days)
                )
                return slot.held(_Held(large, headers=REPORT_HEADERS, media_type="text/html"))
            made = await self._sessions.pools.exports.run(
                self._report, session, language, retention_days
            )
            body = bytes(made.body).decode()
            return slot.held(_Held(_pieces(body), made.status_code, dict(made.headers)))

    def _written(self, session: str, form: str) -> str:
        events = self._sessions.storage.read(session)
        return EXPORTS[form](Timeline(parse_event(text) for _, text in events))

    def _report(self, session: str, language: str, retention_days: float) -> Response:
        events = [text for _, text in self._sessions.storage.read(session)]
        if not events:
            raise Refused("no_sound", "no sound has come of this session", 409)
        return report_of(events, language, retention_days)

    async def _large(self, session: str) -> bool:
        last = self._sessions.storage.events.last
        return await self._sessions.pools.history.run(last, session) > self.LARGE

    async def _by_child(self, session: str, *form: str) -> AsyncIterator[bytes]:
        """What `export_process` writes, as it is read. Raises `LivemoodError` if that fails."""
        async with self._children:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", export_process.__name__, *form, stdin=PIPE, stdout=PIPE
            )
            assert child.stdin is not None  # noqa: S101 - as was asked for
            assert child.stdout is not None  # noqa: S101
            try:
                async for lines in self._lines(session, await self._rows(session, 0)):
                    child.stdin.write(lines.encode())
                    await child.stdin.drain()
                child.stdin.close()
                while piece := await child.stdout.read(PIECE):
                    yield piece
                if await child.wait():
                    raise LivemoodError("a timeline could not be exported: look at the log")
            finally:
                if child.returncode is None:
                    child.kill()
                    await child.wait()

    async def _rows(self, session: str, after: int) -> list[tuple[int, str]]:
        return await self._sessions.pools.history.run(
            self._sessions.storage.read, session, after, ROWS
        )

    async def _lines(self, session: str, rows: list[tuple[int, str]]) -> AsyncIterator[str]:
        while rows:
            yield "".join(f"{line}\n" for _, line in rows)
            rows = await self._rows(session, rows[-1][0])


class _Slot:
    """A place among the exports, given back when the response has been sent, or at an error."""

    def __init__(self, exports: Exports) -> None:
        self._exports, self._passed_on = exports, False

    def __enter__(self) -> "_Slot":
        if self._exports.running >= self._exports._most:
            raise Refused("busy", "many timelines are being exported: try again", 503, RETRY_S)
        self._exports.running += 1
        return self

    def __exit__(self, *_: object) -> None:
        if not self._passed_on:
            self.free()

    def free(self) -> None:
        self._exports.running -= 1

    def held(self, response: "_Held") -> "_Held":
        """The response, which gives the place back."""
        response.slot, self._passed_on = self, True
        return response


class _Held(StreamingResponse):
    slot: _Slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.slot.free()


async def _pieces(text: str) -> AsyncIterator[str]:
    for at in range(0, len(text), PIECE):
        yield text[at : at + PIECE]
