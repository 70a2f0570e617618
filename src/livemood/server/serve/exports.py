"""A session's timeline as a download, and its report: bounded, fair, cut when nobody reads."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from livemood.server import export_process
from livemood.server.monitor.page import HEADERS, REPORT_SECURITY
from livemood.server.refused import Refused
from livemood.server.serve.written import Written
from livemood.server.sessions.sessions import Sessions
from livemood.timeline.export import MEDIA as MEDIA

RETRY_S = 2.0
REPORT_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": REPORT_SECURITY,
    "Cache-Control": "no-store",
}


class Exports:
    """The exports that are being made and sent. Belongs to the event loop.

    There are never more than `limits.exports`, and of one token `limits.exports_per_token`: another
    is refused before it takes a thread, so that health and new sessions do not wait for timelines.
    One that is not read holds a place until it is cut, and nothing else.
    """

    def __init__(self, sessions: Sessions, folder: Path) -> None:
        """What is being written lies in `folder`, without a name."""
        self._sessions, self._limits = sessions, sessions.limits
        self._written = Written(sessions, folder)
        self._running: Counter[str] = Counter()

    async def timeline(
        self,
        session: str,
        form: str,
        whose: str,
        headers: dict[str, str],
        note: Callable[[], None],
    ) -> Response:
        """The timeline in one of the formats; `note` writes it down. Raises `Refused`."""
        with _Slot(self, whose) as slot:
            await self._sessions.pools.admission.run(note)
            lines = form == "jsonl"
            pieces = self._written.lines(session) if lines else self._written.pieces(session, form)
            return slot.held(_Held(await self._begun(session, pieces), headers=headers))

    async def report(
        self,
        session: str,
        language: str,
        whose: str,
        retention_days: float,
        note: Callable[[], None],
    ) -> Response:
        """The report; `note` writes it down. Raises `Refused`."""
        with _Slot(self, whose) as slot:
            await self._sessions.pools.admission.run(note)
            form = (export_process.REPORT, language, str(retention_days))
            pieces = await self._begun(session, self._written.pieces(session, *form))
            return slot.held(_Held(pieces, headers=REPORT_HEADERS, media_type="text/html"))

    async def _begun(self, session: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same, once it is known that there is something to send.

        A large one is answered at once: whoever goes away while it is written is seen to, and it
        is not written for nobody.
        """
        if not await self._written.is_large(session):
            await anext(pieces)
        return pieces

    def enter(self, whose: str) -> None:
        """Count an export. Raises `Refused` if there are as many as there may be."""
        limits = self._limits
        peers = self._sessions.peers
        if self._running.total() + peers.elsewhere("export") >= limits.exports:
            raise Refused("busy", "many timelines are being exported: try again", 503, RETRY_S)
        own = self._running[whose] + peers.elsewhere("export", whose)
        if own >= limits.exports_per_token:
            message = "many timelines are being exported for you: wait for some of them"
            raise Refused("busy", message, 503, RETRY_S)
        self._running[whose] += 1
        peers.hold("export", whose)

    def leave(self, whose: str) -> None:
        """It is over."""
        self._running[whose] -= 1
        self._sessions.peers.let_go("export", whose)
        if not self._running[whose]:
            del self._running[whose]


class _Slot:
    """A place among the exports, given back when the response has been sent, or at an error."""

    def __init__(self, exports: Exports, whose: str) -> None:
        self._exports, self._whose, self._passed_on = exports, whose, False

    def __enter__(self) -> "_Slot":
        self._exports.enter(self._whose)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._passed_on:
            self.free()

    def free(self) -> None:
        self._exports.leave(self._whose)

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
