"""Reading many datagrams with one system call."""

import ctypes
import socket
import sys
import threading
from typing import Any, Final

import numpy as np

from livemood.sources.rtp.udp import LONGEST_PACKET

Address = tuple[Any, ...]
"""Host, port and, for IPv6, flow and scope."""

AT_ONCE: Final = 128
_NAME: Final = 28
"""Bytes of the longest address, `sockaddr_in6`."""


class _Piece(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """`struct mmsghdr` of 64-bit Linux: what `recvmmsg` fills in."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("pieces", ctypes.c_void_p),
        ("piece_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int64),  # an int, and what fills up a `struct msghdr`
        ("length", ctypes.c_uint64),  # likewise
    )


class _Room:
    """Where a thread's datagrams arrive."""

    def __init__(self) -> None:
        # A call that never waits keeps the interpreter's lock. If it released the lock while
        # another thread works, each packet would have to wait to get it back.
        self.receive = ctypes.PyDLL(None).recvmmsg
        self.data = np.zeros((AT_ONCE, LONGEST_PACKET), np.uint8)
        self.names = np.zeros((AT_ONCE, _NAME), np.uint8)
        self.pieces = (_Piece * AT_ONCE)()
        self.messages = (_Message * AT_ONCE)()
        self.fields = np.frombuffer(memoryview(self.messages), np.uint32).reshape(AT_ONCE, -1)
        for place in range(AT_ONCE):
            self.pieces[place].base = self.data[place].ctypes.data
            self.pieces[place].length = LONGEST_PACKET
            message = self.messages[place]
            message.name = self.names[place].ctypes.data
            message.pieces = ctypes.addressof(self.pieces[place])
            message.piece_count = 1


_rooms = threading.local()
_known: dict[bytes, Address] = {}
_name_field = _Message.name_length.offset // 4
_length_field = _Message.length.offset // 4
HAS_MANY: Final = sys.platform == "linux" and ctypes.sizeof(_Message) == 64
"""Whether the system has `recvmmsg`."""


def receive(source: socket.socket, *, many: bool = HAS_MANY) -> list[tuple[bytes, Address]]:
    """Up to `AT_ONCE` datagrams that have come to `source`, a UDP socket, each with its sender."""
    return _many(source) if many else _one_by_one(source)


def _many(source: socket.socket) -> list[tuple[bytes, Address]]:
    if not hasattr(_rooms, "room"):
        _rooms.room = _Room()
    room: _Room = _rooms.room
    room.fields[:, _name_field] = _NAME
    count = room.receive(source.fileno(), room.messages, AT_ONCE, int(socket.MSG_DONTWAIT), None)
    if count <= 0:  # nothing there, or what a report met on its way
        return []
    lengths = room.fields[:count, _length_field].tolist()
    data = [row[:length].tobytes() for row, length in zip(room.data, lengths, strict=False)]
    return [
        (datagram, _address(name.tobytes()))
        for datagram, name in zip(data, room.names, strict=False)
    ]


def _address(name: bytes) -> Address:
    """The sender as `recvfrom` gives it. Bytes beyond those of IPv4 mean nothing."""
    family = int.from_bytes(name[:2], sys.byteorder)
    if family == socket.AF_INET:
        name = name[:8]
    address = _known.get(name)
    if address is None:
        port = int.from_bytes(name[2:4])
        if family == socket.AF_INET:
            address = (socket.inet_ntop(family, name[4:8]), port)
        else:
            flow, scope = int.from_bytes(name[4:8]), int.from_bytes(name[24:28], sys.byteorder)
            address = (socket.inet_ntop(family, name[8:24]), port, flow, scope)
        if len(_known) >= 4096:
            _known.clear()
        _known[name] = address
    return address


def _one_by_one(source: socket.socket) -> list[tuple[bytes, Address]]:
    out = []
    for _ in range(AT_ONCE):
        try:
            out.append(source.recvfrom(LONGEST_PACKET))
        except OSError:  # nothing there, or what a report met on its way
            break
    return out
