"""Live sessions that go on at another node: who leaves them, and who goes on with them."""

import asyncio
import time
from concurrent.futures import TimeoutError as LateError
from typing import Final

from livemood.server.cluster.board import Board
from livemood.server.cluster.outgoing import Outgoing, packed, unpacked
from livemood.server.cluster.sealing import Resumes, UnsealedError
from livemood.server.cluster.told import Moved
from livemood.server.cluster.wire import LOST, OvertakenError, Wire
from livemood.server.peers.interface import Left
from livemood.server.refused import Refused, already_started
from livemood.server.spec import SessionRecord
from livemood.server.storage.timelines import Row

SETTLE_S: Final = 2.0
"""How long what a session said may take to reach NATS, before it is left to others."""
READ_S: Final = 10.0
"""How long all that NATS has of a session may take to be read."""


async def all_published(wire: Wire, session: str) -> tuple[int, list[Row]]:
    """All that NATS has of a session, and its number there. Raises what is in `LOST`."""
    until, _ = await wire.last(session)
    rows = list[Row]()
    if until:
        async for at, content in wire.published(session, 1):
            rows += unpacked(content)
            if at >= until:
                return at, rows
        raise TimeoutError
    return 0, rows


class Moves:
    """One node's part in it. Every method may block; not for the wire's thread."""

    def __init__(self, board: Board, wire: Wire, outgoing: Outgoing, resumes: Resumes) -> None:
        self._board, self._wire, self._outgoing = board, wire, outgoing
        self._resumes = resumes

    def hand_on(self, record: SessionRecord, last: int, end_ms: int) -> str | None:
        """Leave a live session to whoever has the token; none if others cannot be told now."""
        at = self._outgoing.settle(record.id, last, SETTLE_S)
        if at is None:
            return None
        now = time.time()
        if not self._board.let_go(record.id, Moved(at=at, seq=last, end_ms=end_ms, heard=now)):
            self._outgoing.resume(record.id, last, at)
            return None
        return self._resumes.make(record.id, record.created_by, record.purpose, at, now)

    def left(self, record: SessionRecord, token: str) -> Left:
        """What another node has left of a session. Raises `Refused`."""
        try:
            at = self._resumes.read(
                token, record.id, record.created_by, record.purpose, time.time()
            )
        except UnsealedError as error:
            raise Refused("bad_resume", f"the session does not go on: {error}", 403) from None
        held = self._board.left(record.id)
        if held is None or held.moved is None or held.moved.at != at:
            raise already_started()
        moved = held.moved
        rows = self._read(record.id, moved)

        def begin(first: list[Row]) -> None:
            try:
                saying = self._wire.publish(record.id, packed(first), at)
                number = self._wire.run(saying).result(SETTLE_S)
            except OvertakenError:
                raise already_started() from None
            except (*LOST, LateError):
                raise _away() from None
            self._outgoing.resume(record.id, first[-1][0], number)
            self._board.take_over(record.id, held)

        return Left(rows, moved.end_ms, moved.heard, begin)

    def _read(self, session: str, moved: Moved) -> list[Row]:
        reading = asyncio.wait_for(all_published(self._wire, session), READ_S)
        try:
            at, rows = self._wire.run(reading).result()
        except (*LOST, LateError, ValueError):
            raise _away() from None
        if at != moved.at:
            raise already_started()
        if [seq for seq, _ in rows] != list(range(1, moved.seq + 1)):
            raise Refused("not_live", "NATS does not have all of the session any more", 409)
        return rows


def _away() -> Refused:
    return Refused("storage_failed", "NATS does not answer", 503, 1)
