"""The connection to NATS: a thread with an event loop of its own."""

import asyncio
import logging
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    Header,
    KeyValueConfig,
    StreamConfig,
)
from nats.js.errors import APIError, BadRequestError, KeyNotFoundError, NotFoundError
from nats.js.kv import KeyValue

from livemood.errors import LivemoodError, reason
from livemood.server.cluster.sealing import Seals, UnsealedError

log = logging.getLogger(__name__)

T = TypeVar("T")

EVENTS: Final = "livemood_events"
LEASES, SESSIONS = "livemood_leases", "livemood_sessions"
LEASE_S: Final = 5.0
KEPT_S: Final = 86_400.0
"""For how long events of a session stay in NATS."""
EVENT_BYTES: Final = 1 << 30
SESSION_BYTES: Final = 64 << 20
CONNECT_S, ASK_S, AGAIN_S = 5.0, 2.0, 0.25
WRONG_LAST: Final = 10071
"""JetStream's code for a message that does not follow the one that it is to follow."""
Entry = tuple[str, bytes | None]
"""A key and its value; none if it was deleted."""
LOST: Final = (NatsError, OSError, asyncio.TimeoutError)


class OvertakenError(LivemoodError):
    """Somebody else has said something in between."""


class Wire:
    """Everything that passes between a node and NATS, sealed.

    The coroutines belong to its own event loop; `run` lets other threads use them.
    """

    def __init__(
        self, url: str, credentials: dict[str, str], ca: Path | None, seals: Seals
    ) -> None:
        self._url, self._credentials, self.seals = url, credentials, seals
        self._tls = _context(url, ca)
        self.loop = asyncio.new_event_loop()
        self._client = Client()
        self._stream: JetStreamContext = self._client.jetstream()
        self._buckets: dict[str, KeyValue] = {}
        self._last_error, self._warned = "", False
        self.connected = False
        """Whether NATS answers."""
        self.since = 0.0
        """When it began to answer, on the loop's clock."""
        self.connects = 0
        """How often it began to."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._work, name="livemood-cluster", daemon=True)

    def start(self) -> None:
        """Connect, and have what is shared there. Raises `LivemoodError`."""
        self._thread.start()
        try:
            self.run(self._connect()).result()
        except BaseException:
            self.close()
            raise

    def run(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Have the loop do something."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Have the loop do something until `close`; called in the loop."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the cluster failed", exc_info=error)

    def close(self) -> None:
        """Leave NATS and end the thread."""
        if self._thread.is_alive():
            with suppress(TimeoutError):  # the connection goes with the process
                self.run(self._leave()).result(CONNECT_S)
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(CONNECT_S)

    def _work(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    async def _leave(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.connected = False
        if self._client.is_connected:
            await self._client.close()

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                self._client = await nats.connect(
                    self._url,
                    name="livemood",
                    tls=self._tls,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=AGAIN_S,
                    ping_interval=2,
                    error_cb=self._error,
                    disconnected_cb=self._down,
                    reconnected_cb=self._up,
                    **self._credentials,
                )
            self._stream = self._client.jetstream(timeout=ASK_S)
            await self._prepare()
        except LOST as error:
            why = self._last_error or str(error) or "it does not answer"
            raise LivemoodError(f"NATS cannot be used: {why}: check --cluster") from None
        await self._up()

    async def _prepare(self) -> None:
        events = StreamConfig(
            name=EVENTS, subjects=[f"{EVENTS}.*"], max_age=KEPT_S, max_bytes=EVENT_BYTES
        )
        try:
            await self._stream.add_stream(events)
        except BadRequestError:  # there is one, with other limits: whoever set them had reasons
            await self._stream.stream_info(EVENTS)
        for bucket, ttl, most in ((LEASES, LEASE_S, 8 << 20), (SESSIONS, KEPT_S, SESSION_BYTES)):
            config = KeyValueConfig(bucket=bucket, ttl=ttl, max_bytes=most)
            try:
                self._buckets[bucket] = await self._stream.create_key_value(config)
            except BadRequestError:
                self._buckets[bucket] = await self._stream.key_value(bucket)

    async def _error(self, error: Exception) -> None:
        self._last_error = str(error)
        log.debug("NATS: %s", error)

    async def _down(self) -> None:
        if self.connected:
            log.error("NATS does not answer: what is to be shared waits")
        self.connected = False

    async def _up(self) -> None:
        if self.connects:
            log.warning("NATS answers again")
        self.connects += 1
        self.since = self.loop.time()
        self.connected = True

    # Key-value store

    async def put(self, bucket: str, key: str, value: bytes) -> bool:
        """Set a key; whether that is confirmed."""
        try:
            await self._buckets[bucket].put(key, self.seals.seal(f"{bucket}.{key}", value))
        except LOST:
            return False
        return True

    async def get(self, bucket: str, key: str) -> bytes | None:
        """What a key is now. Raises what is in `LOST`."""
        try:
            entry = await self._buckets[bucket].get(key)
        except (KeyNotFoundError, NotFoundError):
            return None
        return self._opened(f"{bucket}.{key}", entry.value)

    async def delete(self, bucket: str, key: str) -> bool:
        """Leave nothing of a key; whether that is confirmed."""
        try:
            await self._buckets[bucket].purge(key)
        except LOST:
            return False
        return True

    async def follow(
        self,
        bucket: str,
        begin: Callable[[], None],
        take: Callable[[str, bytes | None], None],
        whole: Callable[[], None],
    ) -> None:
        """Tell of a bucket for as long as this runs.

        After each connection `begin`, then all that is there, then `whole`, then what changes.
        """
        while True:
            epoch = self.connects
            try:
                if not self.connected:
                    raise TimeoutError
                begin()
                watcher = await self._buckets[bucket].watchall()
                try:
                    await self._follow(bucket, watcher, epoch, take, whole)
                finally:
                    await watcher.stop()  # type: ignore[no-untyped-call]
            except LOST:
                log.debug("a bucket cannot be followed", exc_info=True)
            await asyncio.sleep(AGAIN_S)

    async def _follow(
        self,
        bucket: str,
        watcher: KeyValue.KeyWatcher,
        epoch: int,
        take: Callable[[str, bytes | None], None],
        whole: Callable[[], None],
    ) -> None:
        while self.connected and epoch == self.connects:
            try:
                entry = await watcher.updates(timeout=1.0)  # type: ignore[no-untyped-call]
            except (TimeoutError, NatsError):  # nothing new
                continue
            if entry is None:
                whole()
            elif entry.operation in ("DEL", "PURGE"):
                take(entry.key, None)
            elif (value := self._opened(f"{bucket}.{entry.key}", entry.value)) is not None:
                take(entry.key, value)

    def _opened(self, subject: str, sealed: bytes | None) -> bytes | None:
        try:
            return self.seals.open(subject, sealed or b"")
        except UnsealedError as error:
            if not self._warned:
                log.warning("NATS: %s: such are passed over", error)
            self._warned = True
            return None

    # Events

    async def publish(self, session: str, content: bytes, after: int) -> int:
        """Say something of a session; its number in the stream.

        `after` is that of what was said before. Raises `OvertakenError`, and what is in `LOST`.
        """
        subject = f"{EVENTS}.{session}"
        headers = {Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value: str(after)}
        sealed = self.seals.seal(subject, content)
        try:
            return (await self._stream.publish(subject, sealed, headers=headers)).seq
        except APIError as error:
            if error.err_code == WRONG_LAST:
                raise OvertakenError("something else was said of the session") from None
            raise

    async def last(self, session: str) -> tuple[int, bytes]:
        """Number and content of what was last said of a session; 0 for nothing.

        Raises what is in `LOST`.
        """
        subject = f"{EVENTS}.{session}"
        try:
            found = await self._stream.get_last_msg(EVENTS, subject)
        except NotFoundError:
            return 0, b""
        return found.seq or 0, self._opened(subject, found.data) or b""

    async def purge(self, session: str) -> None:
        """Leave nothing of what was said of a session."""
        try:
            await self._stream.purge_stream(EVENTS, subject=f"{EVENTS}.{session}")
        except LOST as error:
            log.warning("a deleted session stays in NATS until it is a day old: %s", error)

    async def published(self, session: str, first: int) -> AsyncIterator[tuple[int, bytes]]:
        """What was and is published of a session, with its numbers in the stream, from `first` on.

        It ends where the connection does. Raises what is in `LOST`.
        """
        subject = f"{EVENTS}.{session}"
        epoch = self.connects
        policy = DeliverPolicy.BY_START_SEQUENCE if first > 1 else DeliverPolicy.ALL
        config = ConsumerConfig(
            deliver_policy=policy,
            opt_start_seq=first if first > 1 else None,
            ack_policy=AckPolicy.NONE,
            inactive_threshold=30.0,
            mem_storage=True,
        )
        subscription = await self._stream.subscribe(subject, stream=EVENTS, config=config)
        try:
            while self.connected and epoch == self.connects:
                try:
                    message = await subscription.next_msg(timeout=1.0)
                except (TimeoutError, NatsError):  # nothing new
                    continue
                content = self._opened(subject, message.data)
                if content is not None:
                    yield message.metadata.sequence.stream, content
        finally:
            if self.connected:
                await subscription.unsubscribe()


def _context(url: str, ca: Path | None) -> ssl.SSLContext | None:
    if not url.startswith("tls://"):
        return None
    try:
        return ssl.create_default_context(cafile=str(ca) if ca else None)
    except OSError as error:
        raise LivemoodError(f"cannot read the certificates in {ca}: {reason(error)}") from None
