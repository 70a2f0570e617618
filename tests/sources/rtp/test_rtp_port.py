"""One port: who is heard there, who is replaced, and what senders are told."""

import socket
import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.sources.rtp import JitterBuffer, RtpPacket, RtpPort
from livemood.sources.rtp.rtcp import Reception, is_rtcp, read_rtcp, receiver_report

HERE, THERE, ELSEWHERE = ("192.0.2.1", 4000), ("192.0.2.1", 5000), ("192.0.2.9", 4000)


def datagram(number, ssrc=7, kind=0, payload=b"\x90" * 160):
    head = struct.pack("!BBHII", 0x80, kind, number & 0xFFFF, number * 160 % 2**32, ssrc)
    return head + payload


def goodbye(*ssrcs):
    return struct.pack(f"!BBH{len(ssrcs)}I", 0x80 | len(ssrcs), 203, len(ssrcs), *ssrcs)


class Heard:
    """What a port's callback was asked, and the blocks each sender brought."""

    def __init__(self):
        self.blocks, self.ended, self.opened = {}, [], []

    def __call__(self, ssrc, _form):
        self.opened.append(ssrc)
        taken = self.blocks[ssrc] = []

        def take(block):
            if block is None:
                self.ended.append(ssrc)
            else:
                taken.append(block)

        return take


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def port(heard):
    """A port for any number of senders; what comes is pushed, not sent."""
    port = RtpPort("127.0.0.1", 0, heard)
    yield port
    port.close()


@pytest.fixture
def call(heard):
    """A port for the two parties of a call."""
    port = RtpPort("127.0.0.1", 0, heard, parties=2)
    yield port
    port.close()


def speak(port, numbers, ssrc=7, address=HERE, begin=0.0):
    for n in numbers:
        port.take(datagram(n, ssrc), address, begin + 0.02 * (n - numbers[0]))
    return begin + 0.02 * len(numbers)


def test_one_packet_alone_opens_nothing(port, heard):
    for ssrc in range(1000):
        port.take(datagram(ssrc, ssrc), HERE, 0.0)
    assert heard.blocks == {}
    assert len(port.strangers) <= port.strangers.MOST
    speak(port, range(2), ssrc=5000)
    assert [block.start for block in heard.blocks[5000]] == [0, 160]


def test_packets_of_a_sender_from_elsewhere_are_not_heard(port, heard):
    now = speak(port, range(50))
    port.take(datagram(50, payload=b"\0" * 160), ELSEWHERE, now)
    assert port.refused["other address"] == 1
    speak(port, range(50, 60), begin=now)
    assert heard.blocks[7][-1].end == 60 * 160
    # A sender that has moved, behind another translation of its address, is.
    speak(port, range(90, 100), address=THERE, begin=now + 0.8)
    assert heard.blocks[7][-1].end == 100 * 160
    # Nobody else's packets are, however long it has been silent.
    port.take(datagram(150), ELSEWHERE, now + 3.0)
    assert port.refused["other address"] == 2
    assert heard.blocks[7][-1].end == 100 * 160


def test_a_goodbye_counts_only_from_where_the_sender_is(port, heard):
    now = speak(port, range(10))
    port.take(goodbye(7), ELSEWHERE, now)
    port.sweep(now + 1.1)
    assert heard.ended == []
    port.take(goodbye(7), THERE, now + 1.1)
    port.sweep(now + 2.3)
    assert heard.ended == [7]


def test_who_falls_silent_has_gone(port, heard):
    now = speak(port, range(10))
    port.sweep(now + 9.9)
    assert heard.ended == []
    port.sweep(now + 10.1)
    assert heard.ended == [7]
    assert port.senders == {}


@pytest.mark.parametrize("said", [True, False])
def test_another_ssrc_goes_on_with_the_call(call, heard, said):
    now = speak(call, range(50))
    speak(call, range(50), ssrc=8, address=THERE)
    if said:
        call.take(goodbye(7), HERE, now)
    now += 0.1 if said else 0.6
    speak(call, range(50, 90), ssrc=8, address=THERE, begin=now - 0.1)
    speak(call, range(300, 340), ssrc=9, address=THERE, begin=now)
    assert list(heard.blocks) == [7, 8]  # nobody was asked about the third
    assert heard.ended == []
    assert heard.blocks[7][-1].end == pytest.approx(8000 * (now + 0.8), abs=160)
    call.sweep(now + 20)
    assert sorted(heard.ended) == [7, 8]


def test_a_second_party_is_not_taken_for_the_first_that_is_silent(call, heard):
    now = speak(call, range(50))
    speak(call, range(50), ssrc=8, begin=now + 3)
    assert list(heard.blocks) == [7, 8]
    assert len(call.senders) == 2


def test_a_call_ends_soon_after_its_goodbye(call, heard):
    now = speak(call, range(50))
    call.take(goodbye(7), HERE, now)
    call.sweep(now + 0.5)
    assert heard.ended == []
    call.sweep(now + 1.1)
    assert heard.ended == [7]


def test_a_third_party_is_refused(call, heard):
    for ssrc in (7, 8, 9):
        speak(call, range(10), ssrc=ssrc)
    assert list(heard.blocks) == [7, 8]
    assert call.refused["too many senders"]


def fields(report):
    """Of the first block of a receiver report."""
    first, _, length, _, source, lost, highest, jitter, ntp, delay = struct.unpack(
        "!BBHIIIIIII", report[:32]
    )
    assert (first, length) == (0x81, 7)
    total = lost & 0xFFFFFF
    return {
        "source": source,
        "fraction": lost >> 24,
        "lost": total - (total >> 23 << 24),
        "highest": highest,
        "jitter": jitter,
        "ntp": ntp,
        "delay": delay,
    }


def test_a_report_says_what_was_lost():
    reorder, reception = JitterBuffer(8000), Reception(7, 8000)
    for n in range(65530, 65530 + 100):
        if n % 4:
            reorder.push(RtpPacket(0, False, n & 0xFFFF, 160 * n, 7, b""), 0.02 * n)
    reception.sender_reported(0x12345678, 10.0)
    told = fields(receiver_report(1, [reception.block(reorder, 11.5)], "x"))
    assert told == {
        "source": 7,
        "fraction": 256 * 25 // 100,
        "lost": 25,
        "highest": 65629,
        "jitter": 0,
        "ntp": 0x12345678,
        "delay": 3 << 15,
    }
    # What was reported once is not part of the next fraction.
    for n in range(65630, 65650):
        reorder.push(RtpPacket(0, False, n & 0xFFFF, 160 * n, 7, b""), 0.02 * n)
    again = fields(receiver_report(1, [reception.block(reorder, 12.0)], "x"))
    assert (again["fraction"], again["lost"]) == (0, 25)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(min_size=24, max_size=24), max_size=33), st.text(max_size=300))
def test_reports_are_whole_words_and_can_be_read(blocks, name):
    report = receiver_report(1, blocks, name)
    assert is_rtcp(report)
    assert len(report) % 4 == 0
    kinds, at = [], 0
    while at < len(report):
        kinds.append(report[at + 1])
        at += 4 + 4 * int.from_bytes(report[at + 2 : at + 4])
    assert (at, kinds) == (len(report), [201, 202])
    assert not read_rtcp(report).leaving


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=80).map(lambda b: b"\x81\xcb" + b))
def test_any_bytes_are_read_as_rtcp(data):
    told = read_rtcp(data)
    assert len(told.leaving) <= len(data) // 4


def any_datagram():
    real = st.builds(
        datagram,
        st.integers(0, 40) | st.integers(0, 65535),
        st.integers(1, 4),
        st.sampled_from((0, 8, 9, 11, 13, 101, 72)),
        st.binary(max_size=300),
    )
    spoilt = st.tuples(real, st.integers(0, 20), st.binary(max_size=4)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + len(parts[2]) :]
    )
    return real | spoilt | st.builds(goodbye, st.integers(1, 4)) | st.binary(max_size=60)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(any_datagram(), st.sampled_from((HERE, THERE, ELSEWHERE)), st.floats(0, 2)),
        max_size=60,
    ),
    st.sampled_from((None, 1, 2)),
)
def test_whatever_comes_to_a_port_every_sender_goes_on_or_has_gone(sent, parties):
    heard, now = Heard(), 0.0
    port = RtpPort("127.0.0.1", 0, heard, most=3, parties=parties)
    for data, address, passed in sent:
        now += passed
        port.due(now)
        port.take(data, address, now)
        port.sweep(now)
        assert len(port.senders) <= (parties or 3)
        assert len(port.strangers) <= port.strangers.MOST
        assert all(s.stream.deadline is not None for s in port.holding)
    port.close()
    assert sorted(heard.ended) == sorted(heard.opened)
    for blocks in heard.blocks.values():
        assert all(a.end <= b.start for a, b in pairwise(blocks))


@pytest.mark.parametrize("mux", [True, False])
def test_senders_are_told_how_they_are_received(mux):
    """Over sockets: at the port above the sender's, or where its own reports come from."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control,
    ):
        for _ in range(100):
            sender.bind(("127.0.0.1", 0))
            try:
                control.bind(("127.0.0.1", sender.getsockname()[1] + 1))
                break
            except OSError:
                pytest.skip("no two ports next to each other are free")
        port = RtpPort("127.0.0.1", 0, Heard())
        for s in (sender, control):
            s.settimeout(10)
        for n in range(20):
            port.take(datagram(n), sender.getsockname(), 0.02 * n)
        if mux:
            report = struct.pack("!BBHIIIIII", 0x80, 200, 6, 7, 1, 2, 3, 4, 5)
            port.take(report, sender.getsockname(), 0.5)
        port.sweep(8.0)
        got, came_from = (sender if mux else control).recvfrom(2048)
        assert fields(got)["source"] == 7
        assert fields(got)["highest"] == 19
        assert fields(got)["ntp"] == ((1 << 16) & 0xFFFFFFFF if mux else 0)
        expected = port.socket if mux or not port.control else port.control
        assert came_from == expected.getsockname()
        port.close()
