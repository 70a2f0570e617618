"""Calls whose senders change what they send: formats, redundancy, goodbyes."""

import logging
import struct

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemood.sources.rtp import STATIC, MalformedPacket, RtpPacket, RtpPort, RtpStream, parse_sdp
from livemood.sources.rtp.redundancy import unwrap

PCMU, PCMU_SILENCE = STATIC.sound[0], b"\xff" * 160
HERE = ("192.0.2.1", 4000)


def tone(rate, seconds=2.0):
    return 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)


def pcmu(sound):
    """Packets of 20 ms of mu-law."""
    table = PCMU.new_decoder()(bytes(range(256)))[:, 0]
    order = np.argsort(table)
    codes = order[np.clip(np.searchsorted(table[order], sound), 0, 255)].astype(np.uint8)
    return [codes[at : at + 160].tobytes() for at in range(0, len(codes), 160)]


def encoded(codec, rate, sound, *, layout="mono"):
    """Packets of 20 ms by FFmpeg's encoder."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, layout, "s16"
    if codec == "g722":
        encoder.options = {"frame_size": str(rate // 50)}
    packets = []
    for n, at in enumerate(range(0, len(sound), rate // 50)):
        piece = (sound[at : at + rate // 50] * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(piece, "s16", layout)
        frame.sample_rate, frame.pts = rate, n * (rate // 50)
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in packets]


def sound_of(blocks):
    end, at = max(block.end for block in blocks), 0
    out = np.zeros(end, np.float32)
    for block in blocks:
        assert block.start >= at
        out[block.start : block.end], at = block.samples[:, 0], block.end
    return out


def gaps(blocks):
    out, at = [], 0
    for block in blocks:
        if block.start > at:
            out.append(((block.start - at) / 8000, block.gap_cause))
        at = block.end
    return out


def loudness(sound):
    """Of each 20 ms."""
    whole = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    return np.sqrt((whole**2).mean(axis=1))


def test_a_change_to_g722_in_the_middle_is_heard():
    stream, blocks, payloads = RtpStream(PCMU, STATIC), [], pcmu(tone(8000))
    payloads += encoded("g722", 16000, tone(16000))
    for n, payload in enumerate(payloads):
        kind = 0 if n < 100 else 9
        blocks += stream.push(RtpPacket(kind, False, n, n * 160, 7, payload), n * 0.02)
    blocks += stream.flush()
    assert gaps(blocks) == []
    assert blocks[-1].end == len(payloads) * 160
    # Where one codec gives way to the other, a few milliseconds are faint.
    assert (np.abs(loudness(sound_of(blocks))[2:-2] - 0.212) < 0.03).mean() > 0.98


def test_a_change_to_a_format_with_another_clock_is_heard():
    types = parse_sdp("m=audio 4 RTP/AVP 0 111\r\na=rtpmap:111 opus/48000/2\r\n")
    stream, blocks, at = RtpStream(PCMU, types), [], 0.0
    for n, payload in enumerate(pcmu(tone(8000))):
        blocks += stream.push(RtpPacket(0, False, n, n * 160, 7, payload), at := n * 0.02)
    for n, payload in enumerate(encoded("libopus", 48000, tone(48000))):
        blocks += stream.push(
            RtpPacket(111, False, 100 + n, 16000 + n * 960, 7, payload), at + 0.02 * (n + 1)
        )
    blocks += stream.flush()
    assert gaps(blocks) == []
    assert blocks[-1].end == pytest.approx(4 * 8000, abs=320)
    assert (loudness(sound_of(blocks))[2:-2] > 0.1).mean() > 0.97


def datagram(number, ssrc, kind, payload):
    return struct.pack("!BBHII", 0x80, kind, number, number * 160, ssrc) + payload


@pytest.fixture
def port():
    """A port for a call of one party, and what it heard."""
    blocks = []
    port = RtpPort("127.0.0.1", 0, lambda *_: lambda b: blocks.append(b), parties=1)
    yield port, blocks
    port.close()


def test_a_new_ssrc_with_another_format_goes_on_with_the_call(port):
    port, blocks = port
    for n, payload in enumerate(pcmu(tone(8000))):
        port.take(datagram(n, 7, 0, payload), HERE, n * 0.02)
    for n, payload in enumerate(encoded("g722", 16000, tone(16000))):
        port.take(datagram(500 + n, 8, 9, payload), HERE, 2.6 + n * 0.02)
    blocks = [block for block in blocks if block]
    assert sound_of(blocks)[-8000:].std() == pytest.approx(0.212, abs=0.03)
    assert blocks[-1].end / 8000 == pytest.approx(4.6, abs=0.06)


@pytest.mark.parametrize("ssrc", [7, 8])
def test_a_type_that_nothing_describes_is_named(port, ssrc, caplog):
    port, blocks = port
    payloads = pcmu(tone(8000))
    for n, payload in enumerate(payloads):
        port.take(datagram(n, 7, 0, payload), HERE, n * 0.02)
    with caplog.at_level(logging.WARNING):
        for n in range(300):
            now = 2 + n * 0.02
            port.take(datagram(100 + n, ssrc, 96, b"?" * 60), HERE, now)
            if n % 12 == 0:
                port.sweep(now)
    port.close()
    heard = [block for block in blocks if block]
    assert {cause for _, cause in gaps(heard)} == {"unknown_payload"}
    assert sum(length for length, _ in gaps(heard)) == pytest.approx(6, abs=0.1)
    (record,) = caplog.records
    assert "payload type 96" in record.getMessage()


def red(packets, number, depth=1):
    """The payload of a packet that repeats those before it (RFC 2198)."""
    head, body = b"", b""
    for back in range(min(depth, number), 0, -1):
        old = packets[number - back]
        head += ((1 << 31) | (111 << 24) | (back * 960 << 10) | len(old)).to_bytes(4)
        body += old
    return head + bytes([111]) + body + packets[number]


SDP = "m=audio 4 RTP/AVP 63 111\r\na=rtpmap:63 red/48000/2\r\na=rtpmap:111 opus/48000/2\r\n"


@pytest.mark.parametrize("depth", [1, 2])
def test_redundancy_makes_up_for_what_is_lost(depth):
    types = parse_sdp(SDP + "a=fmtp:63 111/111\r\n")
    assert types.redundant == {63}
    heard = []
    port = RtpPort("127.0.0.1", 0, lambda *_: lambda b: heard.append(b), types=types, parties=1)
    packets = encoded("libopus", 48000, tone(48000))
    for n in range(len(packets)):
        if n % 7 < depth and n > 2:
            continue
        data = struct.pack("!BBHII", 0x80, 63, n, n * 960, 7) + red(packets, n, depth)
        port.take(data, HERE, n * 0.02)
    (sender,) = port.senders.values()
    assert sender.stream.packets.recovered > 10
    port.close()
    blocks = [block for block in heard if block]
    assert gaps(blocks) == []
    assert port.counts()["lost"] == 0
    assert sum(len(b.samples) for b in blocks) / 48000 == pytest.approx(2, abs=0.06)


@given(st.binary(max_size=80))
def test_redundancy_that_is_none_is_malformed_and_nothing_else(payload):
    try:
        inside, earlier = unwrap(RtpPacket(63, False, 3, 4, 5, payload))
    except MalformedPacket:
        return
    assert len(inside.payload) + sum(len(e.payload) for e in earlier) <= len(payload)


def test_a_party_that_goes_on_after_its_goodbye_is_heard_on_a_shared_port():
    blocks = []
    port = RtpPort("127.0.0.1", 0, lambda *_: lambda b: blocks.append(b))
    for n in range(400):
        now = n * 0.02
        port.take(datagram(n, 7, 0, PCMU_SILENCE), HERE, now)
        if n == 200:
            port.take(struct.pack("!BBHI", 0x81, 203, 1, 7), HERE, now)
        if n % 12 == 0:
            port.sweep(now)
    assert None not in blocks
    assert blocks[-1].end == 400 * 160
    port.take(struct.pack("!BBHI", 0x81, 203, 1, 7), HERE, 8.0)
    port.take(datagram(400, 7, 0, PCMU_SILENCE), HERE, 8.01)  # it was on its way
    port.sweep(9.2)
    assert blocks[-1] is None
    port.close()
