"""Uploaded recordings: held, read one after another by a process of low priority, then erased."""

import asyncio
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from livemood.server import recording_process
from livemood.server.recording_process import Probed, Task
from livemood.server.refused import Refused
from livemood.server.sessions.limits import Limits
from livemood.server.sessions.live import OpenSession
from livemood.server.sessions.sessions import Sessions
from livemood.timeline.events import AnyEvent, ErrorEvent, SessionEnded, parse_event, utc_now
from livemood.timeline.recover import interrupted_end

log = logging.getLogger(__name__)

LONGEST_LINE = 4 << 20
"""Bytes of one event."""
STOP_S = 5.0
"""How long a process may take to end in order."""
RETRY_S = 10.0
WITHOUT_NAME = "recording"


class Recordings:
    """The recordings of a server. Belongs to its event loop, but for `stop_reading` of sessions."""

    def __init__(self, sessions: Sessions, limits: Limits, model: str) -> None:
        """`model` names what the server reads with; the process loads it by that name."""
        self._sessions, self._limits, self._model = sessions, limits, model
        self._held: dict[str, OpenSession] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(1)

    @asynccontextmanager
    async def place(self, opened: OpenSession) -> AsyncIterator[None]:
        """A place for the recording of a session that waits for it.

        If the block fails, the recording is erased, and a session that still waits ends unused.
        Raises `Refused` if there is none.
        """
        session, creator = opened.record.id, opened.record.created_by
        if session in self._held or opened.record.state != "waiting":
            raise Refused("already_started", "the session has its recording already", 409)
        self.check_room(creator)
        self._held[session] = opened
        self._sessions.peers.hold("recording", creator)
        opened.stop_reading = lambda: None
        try:
            yield
        except BaseException:
            self._leave(opened)
            with suppress(Refused):
                await self._in_thread(self._sessions.finish, opened, "interrupted")
            await self._in_thread(self._sessions.storage.uploads.erase, session)
            raise

    def check_room(self, creator: str) -> None:
        """Raise `Refused` if no recording more is taken, or none more of this creator's."""
        peers = self._sessions.peers
        if len(self._held) + peers.elsewhere("recording") >= self._limits.recordings:
            raise Refused("busy", "many recordings wait to be read: try again", 503, RETRY_S)
        own = sum(other.record.created_by == creator for other in self._held.values())
        own += peers.elsewhere("recording", creator)
        if own >= self._limits.recordings_per_token:
            raise Refused(
                "too_many_recordings",
                f"{own} of your recordings wait to be read, the most that one token may have",
                429,
                RETRY_S,
            )

    async def probe(self, session: str, name: str) -> Probed:
        """What the recording holds. Raises `Refused` if it is no sound that can be read."""
        path = self._sessions.storage.uploads.path(session)
        process = await _started(Task(do="probe", path=path, name=name))
        try:
            async with asyncio.timeout(self._limits.request_s * 3):
                out, _ = await process.communicate()
        except TimeoutError:
            raise Refused("bad_recording", f"{name} takes too long to open", 422) from None
        finally:
            await _ended(process)
        found = Probed.model_validate_json(out) if out.strip() else Probed(failure=_broken(name))
        if found.failure is not None:
            raise Refused("bad_recording", found.failure, 422)
        return found

    def read(self, opened: OpenSession, name: str, channels: int) -> None:
        """Read the recording of a session that has a place, as soon as it is its turn."""
        reading = _Reading(self._sessions, opened, name, channels, self._model)
        task = asyncio.ensure_future(self._read(reading))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        opened.stop_reading = partial(self._sessions.delivery.call, reading.stop)
        reading.waiting = task

    async def close(self) -> None:
        """Wait until every reading has ended, as each was asked to."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2 * STOP_S)

    async def _read(self, reading: "_Reading") -> None:
        session = reading.opened.record.id
        try:
            async with self._turn:
                reading.waiting = None
                await reading.run()
        except asyncio.CancelledError:  # stopped before it was its turn
            pass
        except Exception:
            log.exception("a recording could not be read")
        finally:
            self._leave(reading.opened)
            await self._in_thread(self._sessions.storage.uploads.erase, session)  # if it never ran

    def _leave(self, opened: OpenSession) -> None:
        if self._held.pop(opened.record.id, None) is not None:
            self._sessions.peers.let_go("recording", opened.record.created_by)

    async def _in_thread(self, function: Callable[..., None], *args: object) -> None:
        await self._sessions.pools.uploads.run(function, *args)


class _Reading:
    """One recording: its process, and the events that come out of it."""

    def __init__(
        self, sessions: Sessions, opened: OpenSession, name: str, channels: int, model: str
    ) -> None:
        self._sessions, self.opened = sessions, opened
        self._name, self._channels, self._model = name, channels, model
        self.waiting: asyncio.Task[None] | None = None
        """What waits for its turn; none once it has it."""
        self._process: Process | None = None
        self._stopped = False
        self._end: tuple[SessionEnded, str] | None = None
        """The last event, which comes when the sound has been erased."""
        self._last = 0

    def stop(self) -> None:
        """End it where it is."""
        self._stopped = True
        if self.waiting is not None:
            self.waiting.cancel()
        elif self._process is not None and self._process.returncode is None:
            _end(self._process)

    async def run(self) -> None:
        """Read it to its end."""
        with suppress(Refused):  # it was ended, or deleted, while it waited
            self._sessions.start_recording(self.opened, source=self._name, channels=self._channels)
            try:
                await self._events()
            finally:
                uploads = self._sessions.storage.uploads
                await self._sessions.pools.uploads.run(uploads.erase, self.opened.record.id)
                if self._end is None:
                    await self._made_end()
                if self._end is not None:
                    self._sessions.take(self.opened, *self._end)

    async def _events(self) -> None:
        process = self._process = await _started(self._task())
        assert process.stdout is not None  # noqa: S101 - as was asked for
        if self._stopped:
            _end(process)
        try:
            while line := await process.stdout.readline():
                self._take(parse_event(line), line.decode().rstrip("\n"))
        finally:
            await _ended(process)

    def _task(self) -> Task:
        record, storage = self.opened.record, self._sessions.storage
        return Task(
            do="read",
            path=storage.uploads.path(record.id),
            name=self._name,
            session=record.id,
            model=self._model,
            version=self._sessions.hub.model_info.version,
            settings=self._sessions.flow.settings_of(record).model_dump(
                mode="json", exclude_unset=True
            ),
            purpose=record.purpose,
            consent=record.consent,
            participants=record.participants,
            keep=storage.sound.path(record.id) if record.keep_sound else None,
        )

    def _take(self, event: AnyEvent, text: str) -> None:
        self._last = event.seq or self._last
        if isinstance(event, SessionEnded):
            self._end = (event, text)
        else:
            self._sessions.take(self.opened, event, text)

    async def _made_end(self) -> None:
        """The process ended without saying so: say it for it."""
        if not self._stopped:
            log.error("the process that reads a recording failed")
        history, storage = self._sessions.pools.history, self._sessions.storage
        session = self.opened.record.id
        await history.run(storage.writer.flush)
        found = [parse_event(text) for _, text in await history.run(storage.events.read, session)]
        end = interrupted_end(found)
        seq, end_ms = self._last + 1, end.end_ms if end else 0
        if not self._stopped:
            failed = ErrorEvent(
                session=session,
                seq=seq,
                time=utc_now(),
                start_ms=end_ms,
                end_ms=end_ms,
                code="source_failed",
                message=_broken(self._name),
                fatal=True,
            )
            self._take(failed, failed.model_dump_json())
            seq += 1
        reason = "interrupted" if self._stopped else "error"
        end = end or SessionEnded(
            session=session, seq=seq, end_ms=0, time=utc_now(), reason=reason, summary=()
        )
        end = end.model_copy(update={"seq": seq, "reason": reason})
        self._take(end, end.model_dump_json())


def _broken(name: str) -> str:
    return f"{name} cannot be read: the process that was to read it failed"


async def _started(task: Task) -> Process:
    """The process, with what it is to do."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        recording_process.__name__,
        stdin=PIPE,
        stdout=PIPE,
        limit=LONGEST_LINE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stdin is not None  # noqa: S101 - as was asked for
    with suppress(ConnectionError):
        process.stdin.write(task.model_dump_json().encode())
        await process.stdin.drain()
    process.stdin.close()
    return process


def _end(process: Process) -> None:
    """Ask it to end, and kill it if a busy machine does not let it: its sound must not stay."""

    def kill() -> None:
        if process.returncode is None:
            process.kill()

    process.terminate()
    asyncio.get_running_loop().call_later(STOP_S, kill)


async def _ended(process: Process) -> None:
    """Wait until the process has ended; kill it if it does not."""
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
    except asyncio.CancelledError:
        process.kill()
        raise
