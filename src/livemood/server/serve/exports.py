"""A session's timeline as a download, and its report: bounded, streamed, cut when nobody reads."""

from collections.abc import AsyncIterator

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from livemood.server.monitor.page import report_of
from livemood.server.refused import Refused
from livemood.server.sessions.sessions import Sessions
from livemood.timeline.export import EXPORTS

PIECE = 65_536
"""Characters sent at once."""
ROWS = 128
"""Events read from disk at once."""
RETRY_S = 2.0


class Exports:
    """The exports that are being made and sent. Belongs to the event loop.

    There are never more than `most`: another is refused before it takes a thread, so that health
    and new sessions do not wait for timelines.
    """

    def __init__(self, sessions: Sessions, most: int) -> None:
        self._sessions, self._most = sessions, most
        self.running = 0

    async def timeline(self, session: str, form: str, headers: dict[str, str]) -> Response:
        """The timeline in one of the formats. Raises `Refused`."""
        with _Slot(self) as slot:
            if form == "jsonl":
                first = await self._rows(session, 0)
                return slot.held(_Held(self._lines(session, first), headers=headers))
            text = await self._sessions.pools.exports.run(self._written, session, form)
            return slot.held(_Held(_pieces(text), headers=headers))

    async def report(self, session: str, language: str, retention_days: float) -> Response:
        """The report. Raises `Refused`."""
        with _Slot(self) as slot:
            made = await self._sessions.pools.exports.run(
                self._report, session, language, retention_days
            )
            body = bytes(made.body).decode()
            return slot.held(_Held(_pieces(body), made.status_code, dict(made.headers)))

    def _written(self, session: str, form: str) -> str:
        return EXPORTS[form](self._sessions.storage.timeline(session))

    def _report(self, session: str, language: str, retention_days: float) -> Response:
        events = [text for _, text in self._sessions.storage.read(session)]
        if not events:
            raise Refused("no_sound", "no sound has come of this session", 409)
        return report_of(events, language, retention_days)

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
