"""Many datagrams with one call are the same as one by one."""

import select
import socket

import pytest

from livemood.sources.rtp.datagrams import AT_ONCE, HAS_MANY, receive
from livemood.sources.rtp.udp import LONGEST_PACKET


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request):
    """A receiving socket, and two that send to it."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    sockets = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(3)]
    try:
        for each in sockets:
            each.bind((request.param, 0))
    except OSError as error:
        pytest.skip(f"no {request.param} here: {error}")
    sockets[0].setblocking(False)
    yield sockets[0], sockets[1:]
    for each in sockets:
        each.close()


@pytest.mark.parametrize(
    "many",
    [pytest.param(True, marks=pytest.mark.skipif(not HAS_MANY, reason="no recvmmsg")), False],
)
def test_all_comes_in_order_with_its_sender(pair, many):
    into, senders = pair
    assert receive(into, many=many) == []
    sent = []
    for number in range(AT_ONCE + 40):
        sender, data = senders[number % 2], bytes([number]) * (number * 13 % 300)
        sender.sendto(data, into.getsockname())
        sent.append((data, sender.getsockname()))
    got = []
    while len(got) < len(sent):
        select.select([into], [], [])
        got += receive(into, many=many)
    assert got == sent
    senders[0].sendto(bytes(LONGEST_PACKET + 500), into.getsockname())
    select.select([into], [], [])
    assert [len(data) for data, _ in receive(into, many=many)] == [LONGEST_PACKET]
    assert receive(into, many=many) == []
