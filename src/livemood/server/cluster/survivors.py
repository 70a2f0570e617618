"""What the others do for a node that died: they end its sessions, from what NATS has of them."""

import asyncio
import logging
from typing import Final

from livemood.server.cluster.board import Board
from livemood.server.cluster.moves import all_published
from livemood.server.cluster.outgoing import packed
from livemood.server.cluster.wire import LOST, OvertakenError, Wire
from livemood.server.sessions.sessions import Sessions
from livemood.server.spec import SessionRecord
from livemood.server.storage.archive import SYSTEM
from livemood.server.storage.database import StorageError
from livemood.server.storage.recovery import ended_of
from livemood.server.storage.timelines import Row
from livemood.timeline.events import parse_event

log = logging.getLogger(__name__)

LOOK_S: Final = 0.25


class Survivors:
    """What one node does of it. Coroutines belong to the wire's loop."""

    def __init__(self, board: Board, wire: Wire, sessions: Sessions) -> None:
        self._board, self._wire, self._storage = board, wire, sessions.storage

    async def run(self) -> None:
        """End what dead nodes had, whenever it is this node's turn."""
        while True:
            for node in self._board.dead():
                await self._after(node)
            await asyncio.sleep(LOOK_S)

    async def _after(self, node: int) -> None:
        ended = 0
        for session in self._board.of(node):
            try:
                ended += await self._end(session)
            except (*LOST, StorageError, OvertakenError) as error:
                log.debug("a session of a node that died cannot be ended yet: %s", error)
        if ended:
            log.error("a node died: %d of its sessions were interrupted", ended)

    async def _end(self, session: str) -> bool:
        record = await asyncio.to_thread(self._storage.sessions.get, session)
        at, rows = await all_published(self._wire, session)
        done = record is None or record.state == "ended"
        if record is not None:
            missing = await asyncio.to_thread(self._missing, record, rows)
            if missing:
                await self._wire.publish(session, packed(missing), at)
            if not done:
                await asyncio.to_thread(self._keep, record, [*rows, *missing])
        self._board.leave(session)
        return not done

    def _missing(self, record: SessionRecord, rows: list[Row]) -> list[Row]:
        """What is to be said yet: what the database has beyond NATS, or the end."""
        last = rows[-1][0] if rows else 0
        if record.state == "ended":
            return self._storage.read(record.id, last)
        _, end = ended_of(record, [parse_event(text) for _, text in rows])
        return [] if end is None else [(last + 1, end.model_dump_json())]

    def _keep(self, record: SessionRecord, rows: list[Row]) -> None:
        fields, _ = ended_of(record, [parse_event(text) for _, text in rows])
        self._storage.events.keep(record.id, rows)
        self._storage.sessions.update(record.model_copy(update=fields))
        self._storage.audit.note(SYSTEM, "recover", record.id)
