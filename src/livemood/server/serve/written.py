"""Exports that are written whole before they are sent: once for all who ask at the same time."""

import asyncio
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final

from livemood.errors import LivemoodError
from livemood.server import export_process
from livemood.server.monitor.page import report_of
from livemood.server.refused import Refused
from livemood.server.sessions.sessions import Sessions
from livemood.timeline.export import export

PIECE: Final = 524_288
"""Bytes sent at once. On a busy server each piece waits for its turn: many small ones never end."""
ROWS: Final = 1024
"""Events read from disk at once."""

Key = tuple[str, ...]


@dataclass(slots=True, eq=False)
class _Making:
    """A file that is being written, or is there, and how many read it or wait for it."""

    task: asyncio.Task[BinaryIO]
    users: int = 0
    lock: Lock = field(default_factory=Lock)

    def piece(self, at: int) -> bytes:
        """What stands from `at` on. Any thread may call this."""
        with self.lock:
            file = self.task.result()
            file.seek(at)
            return file.read(PIECE)


class Written:
    """Files of exports. Belongs to the event loop.

    A file has no name, and is gone with the last one who reads it. Whoever reads slowly keeps
    nobody from writing the next one, and what waits to be sent is not in memory.
    """

    LARGE: Final = 4000
    """Events from which a timeline is written by a process of its own: a quarter of an hour."""
    CHILDREN: Final = 1

    def __init__(self, sessions: Sessions, folder: Path) -> None:
        """Files are made in `folder`."""
        self._sessions, self._folder = sessions, folder
        self._children = asyncio.Semaphore(self.CHILDREN)
        self._made: dict[Key, _Making] = {}

    async def pieces(self, session: str, form: str, *more: str) -> AsyncIterator[bytes]:
        """The session's timeline in a format, or its report in a language, with its days.

        The first piece comes when all is written, and is empty. Raises `Refused` before it if
        there is nothing to write or no place for it, and `LivemoodError`.
        """
        last = await self._last(session)
        key = (session, str(last), form, *more)
        making = self._made.get(key)
        if making is None:
            write = self._by_child if last > self.LARGE else self._here
            making = self._made[key] = _Making(asyncio.create_task(self._write(write, key)))
        making.users += 1
        try:
            await asyncio.shield(making.task)
            at = 0
            yield b""
            while piece := await self._sessions.pools.exports.run(making.piece, at):
                at += len(piece)
                yield piece
        finally:
            making.users -= 1
            if not making.users:
                del self._made[key]
                making.task.cancel()
                making.task.add_done_callback(_close)

    async def is_large(self, session: str) -> bool:
        """Whether writing takes so long that others should not wait for it."""
        return await self._last(session) > self.LARGE

    async def _last(self, session: str) -> int:
        return await self._sessions.pools.exports.run(self._sessions.storage.events.last, session)

    async def _write(self, write: Callable[[BinaryIO, Key], Awaitable[None]], key: Key) -> BinaryIO:
        try:
            file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - its readers close it
        except OSError as error:
            raise _full(error) from None
        try:
            await write(file, key)
        except BaseException:
            with suppress(OSError):
                file.close()
            raise
        return file

    async def _here(self, file: BinaryIO, key: Key) -> None:
        await self._sessions.pools.exports.run(self._written, file, key)

    def _written(self, file: BinaryIO, key: Key) -> None:
        session, _, form, *more = key
        events = [text for _, text in self._sessions.storage.read(session)]
        if form == export_process.REPORT:
            if not events:
                raise Refused("no_sound", "no sound has come of this session", 409)
            language, days = more
            text = bytes(report_of(events, language, float(days)).body)
        else:
            text = "".join(export(form, events)).encode()
        try:
            file.write(text)
            file.flush()
        except OSError as error:
            raise _full(error) from None

    async def _by_child(self, file: BinaryIO, key: Key) -> None:
        """`export_process` writes it, fed with the events as they are read."""
        session, _, *form = key
        async with self._children:
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", export_process.__name__, *form, stdin=PIPE, stdout=file
            )
            assert child.stdin is not None  # noqa: S101 - as was asked for
            try:
                async for lines in self.lines(session):
                    child.stdin.write(lines)
                    await child.stdin.drain()
                child.stdin.close()
                if await child.wait():
                    raise LivemoodError("a timeline could not be exported: look at the log")
            except ConnectionError:
                raise LivemoodError("a timeline could not be exported: look at the log") from None
            finally:
                if child.returncode is None:
                    child.kill()
                    await child.wait()

    async def lines(self, session: str) -> AsyncIterator[bytes]:
        """The session's events as JSON Lines, as they are read; the first of them may be empty.

        Raises `Refused`.
        """
        after, rows = 0, await self._rows(session, 0)
        yield b""
        while rows:
            yield "".join(f"{line}\n" for _, line in rows).encode()
            after = rows[-1][0]
            rows = await self._rows(session, after)

    async def _rows(self, session: str, after: int) -> list[tuple[int, str]]:
        return await self._sessions.pools.exports.run(
            self._sessions.storage.read, session, after, ROWS
        )


def _close(task: asyncio.Task[BinaryIO]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _full(error: OSError) -> Refused:
    why = error.strerror or str(error)
    return Refused("storage_failed", f"there is no place to write this: {why}", 503, 10)
