"""Sockets to receive at."""

import socket
from typing import Final

from livemood.errors import SourceError, reason

LONGEST_PACKET: Final = 2048
SOCKET_BUFFER: Final = 4 << 20
"""Bytes; at 150 calls half a second of packets, for when the thread is held up."""


def bind(host: str, port: int, buffer: int = SOCKET_BUFFER) -> socket.socket:
    """A UDP socket for receiving. Raises `SourceError` if the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    receiver = socket.socket(family, socket.SOCK_DGRAM)
    try:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        receiver.bind((host, port))
        receiver.setblocking(False)
    except (OSError, OverflowError) as error:
        receiver.close()
        raise SourceError(
            f"cannot receive at {host}:{port}: {reason(error)}; choose another"
        ) from None
    return receiver
