"""Starts workers that share one address, and starts a new one for each that dies.

It binds the address and hands the listening socket on. No sound, and no request, passes through it.
"""

import asyncio
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from prometheus_client.multiprocess import mark_process_dead

from livemood.errors import LivemoodError, UsageError
from livemood.server.access.policy import load_policy
from livemood.server.peers.registry import Registry
from livemood.server.serve.settings import ServeSettings, where_kept
from livemood.server.serve.web import open_socket
from livemood.server.workers import worker
from livemood.server.workers.membership import Work
from livemood.server.workers.ports import share_of
from livemood.server.workers.recovery import WorkerRecovery
from livemood.server.workers.worker import READY, REGISTRY

log = logging.getLogger(__name__)

MOST_FAILURES: Final = 5
"""Starts of one worker in a row that failed, after which the server ends."""
FIRST_RETRY_S: Final = 0.2
LOOK_S: Final = 0.1
BEAT_S: Final = 1.0
LEAVE_S: Final = 60.0
"""How long a worker may take to leave its sessions to other nodes, and to end the rest."""
STOP_S: Final = 30.0
"""How long a worker may take to end its sessions and to write what is left."""
RUNTIME: Final = "workers"
"""In the data folder: what workers share while they run."""
METRICS: Final = "metrics"


def supervise(
    settings: ServeSettings, say: Callable[[str], None], program: str = worker.__name__
) -> None:
    """Serve with several workers until told to stop; `say` is given lines for people.

    SIGTERM lets sessions end by themselves, up to the setting `drain_timeout_s`; SIGINT, or a
    second signal, does not. `program` is the module that a worker runs. Raises `LivemoodError`.
    """
    if os.name != "posix":
        raise UsageError("several workers need Linux or macOS: serve with one here")
    with ExitStack() as undo:
        supervisor = _Supervisor(settings, say, program, undo)
        asyncio.run(supervisor.run())


class _Supervisor:
    def __init__(
        self, settings: ServeSettings, say: Callable[[str], None], program: str, undo: ExitStack
    ) -> None:
        self._settings, self._say, self._program = settings, say, program
        self._workers = settings.processes
        share_of(settings.rtp, 0, self._workers)
        policy = load_policy(settings.policy).version
        self._recovery = WorkerRecovery(settings.data, policy, settings.database)
        undo.callback(self._recovery.close)
        if ended := self._recovery.end_all():
            log.warning("%d sessions were interrupted when the server last stopped", ended)
        self._listening = open_socket(settings)
        undo.callback(self._listening.close)
        self._sockets = Path(tempfile.mkdtemp(prefix="livemood-"))  # for its owner alone
        self._runtime = settings.data / RUNTIME
        shutil.rmtree(self._runtime, ignore_errors=True)  # what one that was killed left
        for folder in (self._runtime, self._sockets):
            undo.callback(shutil.rmtree, folder, ignore_errors=True)
        (self._runtime / METRICS).mkdir(mode=0o700, parents=True)
        self._registry = Registry(self._runtime / REGISTRY, new=True)
        undo.callback(self._registry.close)
        self._secret = secrets.token_urlsafe(32)
        self._running: dict[int, Process] = {}
        self._serving: set[int] = set()
        """Process ids of those that take signals; the others have nothing to end in order."""
        self._asked = asyncio.Event()
        self._hurry = asyncio.Event()

    @property
    def _stopping(self) -> bool:
        return self._asked.is_set()

    async def run(self) -> None:
        """Until told to stop. Raises `LivemoodError`."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._told, number)
        started = [asyncio.Event() for _ in range(self._workers)]
        keeping: list[asyncio.Task[None]] = []
        watching = loop.create_task(self._kill_hanging())
        try:
            for n in range(self._workers):
                keeping.append(loop.create_task(self._keep(n, started)))
            for event in started:
                await self._unless_ended(keeping, event.wait())
            if not self._stopping:
                self._say(f"{self._workers} workers share the address")
                self._say(where_kept(self._settings))
                self._say(f"serving at {self._url}")
            await self._unless_ended(keeping, self._asked.wait())
            await self._drain()
            self._say("stopping: sessions are ended and written")
            await self._leave(keeping)
        finally:
            watching.cancel()
            await self._stop(keeping)

    @property
    def _url(self) -> str:
        host, port = self._settings.host, self._listening.getsockname()[1]
        scheme = "https" if self._settings.cert else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def _told(self, number: int) -> None:
        if number == signal.SIGINT or self._stopping:
            self._hurry.set()
        self._asked.set()

    async def _unless_ended(
        self, keeping: list[asyncio.Task[None]], event: Coroutine[Any, Any, object]
    ) -> None:
        """Wait for an event, or to be told to stop. Raises what ends the server before."""
        waiting = [asyncio.ensure_future(event), asyncio.ensure_future(self._asked.wait())]
        try:
            done, _ = await asyncio.wait([*waiting, *keeping], return_when=asyncio.FIRST_COMPLETED)
            for task in keeping:
                if task in done:
                    task.result()
        finally:
            for future in waiting:
                future.cancel()

    # One worker

    async def _keep(self, n: int, started: list[asyncio.Event]) -> None:
        """Have worker `n` run. Raises `LivemoodError` if it cannot be had.

        Another than the first is told what to do when the first one serves: what is wrong with the
        settings or the model is said once. Meanwhile it imports its modules.
        """
        failures = 0
        while not self._stopping:
            process = self._running[n] = await self._spawned()
            if n:
                await self._unless_ended([], started[0].wait())
            if self._stopping:
                process.kill()
            ready = await self._is_ready(n, process)
            if ready:
                failures = 0
                started[n].set()
                self._serving.add(process.pid)
            status = await process.wait()
            if self._stopping and status == 0:
                return
            ended = await asyncio.to_thread(self._after, n, process.pid)
            if ready:
                log.error("a worker died: %d of its sessions were interrupted", ended)
            if self._stopping:
                return
            if not ready:
                failures += 1
                if not started[n].is_set():
                    raise _NotStartedError(status)
                # In a cluster the others go on, for as long as NATS or the database is away.
                if failures >= MOST_FAILURES and self._settings.cluster is None:
                    raise LivemoodError(
                        "a worker ended again and again at its start: see what it said above"
                    )
                wait_s = FIRST_RETRY_S * 2 ** min(failures, MOST_FAILURES)
                await self._unless_ended([], asyncio.sleep(wait_s))

    async def _is_ready(self, n: int, process: Process) -> bool:
        """Tell a process what to do, and wait until it serves or ends."""
        work = Work(
            number=n,
            workers=self._workers,
            runtime=self._runtime,
            sockets=self._sockets,
            secret=self._secret,
            listening=self._listening.fileno(),
            settings=self._settings.model_dump(mode="json", exclude_unset=True),
        )
        assert process.stdin is not None  # noqa: S101 - as was asked for
        assert process.stdout is not None  # noqa: S101 - the same
        with suppress(ConnectionError):
            process.stdin.write(work.model_dump_json().encode() + b"\n")
            await process.stdin.drain()
        return (await process.stdout.readline()).strip() == READY.encode()

    async def _spawned(self) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._program,
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=(self._listening.fileno(),),
            start_new_session=True,  # Ctrl-C in a terminal is for the supervisor
            env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(self._runtime / METRICS)},
        )

    async def _kill_hanging(self) -> None:
        """Kill workers that live and say nothing; `_keep` starts others in their place."""
        silences = Silences(self._settings.hang_timeout_s)
        while True:
            await asyncio.sleep(BEAT_S)
            beats = await asyncio.to_thread(self._registry.beats)
            for n, process in list(self._running.items()):
                serves = process.pid in self._serving and process.returncode is None
                if serves and silences.look(process.pid, beats.get(n)):
                    log.error("a worker hangs: it is killed")
                    process.kill()

    def _after(self, n: int, pid: int) -> int:
        """Worker `n` died: end its sessions, and forget what it had; how many those were."""
        ended = self._recovery.end_of(self._registry.of(n))
        mark_process_dead(pid, str(self._runtime / METRICS))  # type: ignore[no-untyped-call]
        self._registry.forget(n)  # last: from now on others answer for its sessions
        return ended

    # The end

    async def _drain(self) -> None:
        """Let running sessions end by themselves, while everything else is served as before."""
        self._signal(signal.SIGTERM)
        running = self._registry.sessions(live=True)
        if not running or self._hurry.is_set():
            return
        limit = self._settings.drain_timeout_s
        self._say(
            f"stopping: waiting up to {limit:g} s for {running} sessions to end; "
            "a second signal ends them now"
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while self._registry.sessions(live=True):
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await self._hurry.wait()
                            return

    async def _leave(self, keeping: list[asyncio.Task[None]]) -> None:
        """Have workers leave their sessions to other nodes, unless there is a hurry."""
        if self._settings.cluster is None or self._hurry.is_set():
            return
        self._signal(signal.SIGUSR1)
        hurry = asyncio.ensure_future(self._hurry.wait())
        left = asyncio.ensure_future(asyncio.wait(keeping))
        await asyncio.wait({hurry, left}, return_when=asyncio.FIRST_COMPLETED, timeout=LEAVE_S)
        for future in (hurry, left):
            future.cancel()

    async def _stop(self, keeping: list[asyncio.Task[None]]) -> None:
        self._asked.set()
        self._signal(signal.SIGINT)
        done, late = await asyncio.wait(keeping, timeout=STOP_S)
        for task in done:  # what one raised was said, or is about to be
            task.exception()
        if late:
            log.error("a worker does not end: it is killed")
            self._signal(signal.SIGKILL)
            await asyncio.wait(late)

    def _signal(self, number: signal.Signals) -> None:
        for process in self._running.values():
            if process.returncode is None:
                serving = process.pid in self._serving
                with suppress(ProcessLookupError):
                    process.send_signal(number if serving else signal.SIGKILL)


class Silences:
    """For how long workers have said nothing. Pure: time passes by being looked at each `BEAT_S`.

    So time in which the supervisor itself stood still, with the whole machine say, does not count.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._last: dict[int, tuple[float | None, float]] = {}

    def look(self, pid: int, beat: float | None) -> bool:
        """Whether the process, which last said something at `beat`, has been silent too long."""
        before, silent_s = self._last.get(pid, (beat, 0.0))
        silent_s = silent_s + BEAT_S if beat == before else 0.0
        self._last[pid] = beat, silent_s
        return silent_s > self._longest_s


class _NotStartedError(LivemoodError):
    """The first start of a worker failed; it has said why."""

    def __init__(self, status: int) -> None:
        super().__init__("the server does not start: see what its first worker said above")
        self.exit_code = status if status > 0 else 1
