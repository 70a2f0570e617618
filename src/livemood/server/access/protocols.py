"""uvicorn's protocols, less patient: against half-open connections and endless messages."""

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame


class HalfOpen:
    """Connections whose request has not come yet. When there are too many, the oldest give way."""

    def __init__(self, limit: int, within_s: float) -> None:
        self._limit, self._within = limit, within_s
        self._waiting: dict[Any, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, protocol: "H11Protocol") -> None:
        """`protocol` waits for a request from now on."""
        if protocol in self._waiting:
            return
        while len(self._waiting) >= self._limit:
            self._drop(next(iter(self._waiting)))
        loop = asyncio.get_running_loop()
        self._waiting[protocol] = loop.call_later(self._within, self._drop, protocol)

    def remove(self, protocol: "H11Protocol") -> None:
        """`protocol` has its request, or is gone."""
        timer = self._waiting.pop(protocol, None)
        if timer is not None:
            timer.cancel()

    def _drop(self, protocol: "H11Protocol") -> None:
        self.remove(protocol)
        protocol.transport.abort()


class Stalled:
    """Watches a connection whose peer is slow to read, and aborts it when it reads nothing."""

    def __init__(self, transport: asyncio.Transport, within_s: float) -> None:
        self._transport, self._within = transport, within_s
        self._left = transport.get_write_buffer_size()
        self._timer = self._wait()

    def cancel(self) -> None:
        """The peer reads."""
        self._timer.cancel()

    def _wait(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._within, self._look)

    def _look(self) -> None:
        left = self._transport.get_write_buffer_size()
        if left >= self._left or (self._transport.is_closing() and left == 0):
            self._transport.abort()
            return
        self._left, self._timer = left, self._wait()


def http_protocol(
    half_open: HalfOpen,
    established: Callable[[Any], None] = lambda _: None,
    stall_s: float = 10.0,
) -> type[H11Protocol]:
    """HTTP with a deadline for the head of every request."""

    class Impatient(H11Protocol):
        _stalled: Stalled | None = None

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._stalled is None:
                self._stalled = Stalled(self.transport, stall_s)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._read()

        def _read(self) -> None:
            stalled, self._stalled = self._stalled, None
            if stalled is not None:
                stalled.cancel()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()  # it closes, but only when all has been read
            if self._stalled is None:
                self._stalled = Stalled(self.transport, stall_s)

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            established(transport.get_extra_info("peername"))
            half_open.add(self)

        def connection_lost(self, exc: Exception | None) -> None:
            half_open.remove(self)
            self._read()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
                half_open.remove(self)
            else:
                half_open.add(self)

        def handle_websocket_upgrade(self, event: h11.Request) -> None:
            half_open.remove(self)
            self._read()
            super().handle_websocket_upgrade(event)

    return Impatient


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """WebSockets whose messages have few fragments, and whose peers read what they ask for."""

    MOST_FRAGMENTS = 256
    """Of a message: empty ones would count for nothing against its size."""

    def handle_cont(self, event: Frame) -> None:
        """Take a further fragment."""
        if len(self.frames) >= self.MOST_FRAGMENTS:
            self.conn.fail(1009, "too many fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    async def send(self, message: ASGISendEvent) -> None:
        """Send; a refusal in place of a handshake is complete with its body."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # or uvicorn would complain that it is not

    def handle_ping(self) -> None:
        """Answer, unless earlier answers were not read."""
        if not self.writable.is_set():
            self.transport.abort()
            return
        super().handle_ping()
