"""RTP: packets, their order, the clock, and many senders on one port."""

import random
import shutil
import socket
import struct
import subprocess
import threading
from itertools import pairwise

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.engine import Hub, MonitorSettings, analyze_file
from livemood.errors import SourceError, UsageError
from livemood.sources.rtp import (
    STATIC,
    JitterBuffer,
    MalformedPacket,
    RtpFormat,
    RtpPort,
    RtpReceiver,
    RtpSource,
    RtpStream,
    parse_packet,
)
from livemood.sources.rtp.formats.codec import NAMES
from livemood.sources.rtp.rtcp import read_rtcp

PCMU = RtpFormat("PCMU", 8000)


def datagram(sequence, timestamp=None, payload=b"\xff" * 160, ssrc=7, kind=0, marker=False):
    timestamp = sequence * 160 if timestamp is None else timestamp
    head = struct.pack(
        "!BBHII", 0x80, kind | marker << 7, sequence & 0xFFFF, timestamp % 2**32, ssrc
    )
    return head + payload


def packet(sequence, **fields):
    return parse_packet(datagram(sequence, **fields))


def test_a_packet_is_read_field_by_field():
    got = parse_packet(datagram(0xFFFE, 0xFFFFFFF0, b"abc", 0xDEADBEEF, 8, marker=True))
    assert got == (8, True, 0xFFFE, 0xFFFFFFF0, 0xDEADBEEF, b"abc")


def test_sources_extension_and_padding_are_left_out():
    head = struct.pack("!BBHII", 0x80 | 0x20 | 0x10 | 2, 0, 1, 2, 3)
    data = head + bytes(8) + struct.pack("!HH", 1, 1) + bytes(4) + b"sound" + b"\0\0\3"
    assert parse_packet(data).payload == b"sound"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(12),
        b"\x80" + bytes(10),
        b"\x8f" + bytes(11),  # sources cut off
        b"\x90" + bytes(11),  # extension cut off
        b"\x90" + bytes(13) + b"\xff\xff",  # extension longer than the packet
        b"\xa0" + bytes(11),  # padding of 0
        b"\xa0" + bytes(11) + b"\xff",  # padding longer than the payload
        b"\x80\xc8" + bytes(26),  # a sender report
    ],
)
def test_what_is_no_rtp_is_refused(data):
    with pytest.raises(MalformedPacket):
        parse_packet(data)


@settings(deadline=None, max_examples=500)
@given(st.binary(max_size=64))
def test_any_bytes_are_a_packet_or_refused(data):
    read_rtcp(data)
    try:
        got = parse_packet(data)
    except MalformedPacket:
        return
    assert len(got.payload) <= len(data) - 12


def test_goodbye_is_found_behind_a_report():
    report = struct.pack("!BBHI", 0x80, 201, 1, 5)
    assert read_rtcp(report + struct.pack("!BBHII", 0x82, 203, 2, 7, 9)).leaving == [7, 9]
    assert read_rtcp(b"\x81\xcb\xff\xff\0\0\0\1").leaving == [1]
    assert read_rtcp(b"\x81\xcb\0\0").leaving == []


def in_order(reorder, arrivals):
    """Push (packet, time) pairs, calling `due` whenever a deadline passes in between."""
    out = []
    for p, at in arrivals:
        while (deadline := reorder.deadline) is not None and deadline <= at:
            out += reorder.due(deadline)
        out += reorder.push(p, at)
    return out + reorder.flush()


def test_packets_in_order_never_wait():
    reorder = JitterBuffer(8000)
    for n in range(65530, 65530 + 20):  # over the wrap
        assert len(reorder.push(packet(n), n * 0.02)) == 1
        assert reorder.deadline is None


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 65535), st.integers(0, 2**31), st.floats(0, 0.3), st.floats(0, 0.2))
def test_all_that_comes_in_time_is_handed_on_once_and_in_order(first, seed, loss, twice):
    rng = random.Random(seed)
    sent = []
    for n in range(first, first + 200):
        if n > first and rng.random() < loss:
            continue
        for _ in range(1 + (rng.random() < twice)):
            # Jitter below the shortest patience: nothing can be late.
            sent.append((packet(n), n * 0.02 + rng.uniform(0, 0.019)))
    sent.sort(key=lambda pair: pair[1])
    reorder = JitterBuffer(8000)
    got = in_order(reorder, sent)
    numbers = [a.packet.sequence for a in got]
    present = sorted({(p.sequence - first) & 0xFFFF for p, _ in sent})
    assert [(n - first) & 0xFFFF for n in numbers] == present
    assert sum(a.lost for a in got) == present[-1] + 1 - len(present) == reorder.lost
    assert reorder.duplicates + reorder.late == len(sent) - len(present)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1)), max_size=120))
def test_nothing_waits_longer_than_the_bound_whatever_comes(arrivals):
    reorder, now = JitterBuffer(8000), 0.0
    for sequence, passed in arrivals:
        now += passed
        for out in reorder.push(packet(sequence), now):
            assert out.arrived <= now
        reorder.due(now)
        deadline = reorder.deadline
        assert deadline is None or now < deadline <= now + JitterBuffer.LONGEST_S


def test_a_burst_does_not_deepen_the_buffer_for_good():
    reorder = JitterBuffer(8000)
    at = 0.0
    for n in range(2000):
        jitter = 0.15 * (n % 2) if 500 <= n < 600 else 0.0
        in_time = n * 0.02 + jitter
        at = max(at, in_time)
        if n != 1900:
            reorder.push(packet(n), at)
        if n == 600:
            assert reorder.patience_s > 3 * JitterBuffer.SHORTEST_S
        if n == 600 + 250:  # five seconds later
            assert reorder.patience_s == JitterBuffer.SHORTEST_S


def blocks_of(stream, arrivals):
    return [b for p, at in arrivals for b in stream.push(p, at)] + stream.flush()


def test_a_lost_packet_is_a_gap_of_its_own_length():
    stream = RtpStream(PCMU, STATIC)
    sent = [(packet(n), n * 0.02) for n in range(50) if n not in (10, 11, 30)]
    got = blocks_of(stream, sent)
    holes, end = [], 0
    for block in got:
        if block.start > end:
            holes.append((end, block.start, block.gap_cause))
        end = block.end
    assert holes == [(1600, 1920, "packet_loss"), (4800, 4960, "packet_loss")]
    assert end == 50 * 160
    assert stream.counters["lost"] == 3


def test_a_pause_of_the_sender_is_silence_and_no_loss():
    stream = RtpStream(PCMU, STATIC)
    sent = [(packet(n, timestamp=n * 160), n * 0.02) for n in range(5)]
    sent += [(packet(5, timestamp=5 * 160 + 8000, marker=True), 1.1)]
    got = blocks_of(stream, sent)
    assert all(a.end == b.start for a, b in pairwise(got))
    assert got[-1].end == 5 * 160 + 8000 + 160
    paused = np.concatenate([b.samples for b in got])[800:-160]
    assert not paused.any()
    # Silence is as old as it is: what a second holds did not come in one moment.
    assert got[5].captured_at == pytest.approx(got[-1].captured_at - 0.5)


def test_timestamps_and_sequence_numbers_wrap():
    stream = RtpStream(PCMU, STATIC)
    sent = [(packet(65533 + n, timestamp=2**32 - 480 + n * 160), n * 0.02) for n in range(8)]
    assert [b.start for b in blocks_of(stream, sent)] == [n * 160 for n in range(8)]


def test_a_sender_that_starts_anew_goes_on_where_time_stands():
    stream = RtpStream(PCMU, STATIC)
    sent = [(packet(n), n * 0.02) for n in range(10)]
    sent += [(packet(40000 + n, timestamp=5 + n * 160), 1.0 + n * 0.02) for n in range(10)]
    got = blocks_of(stream, sent)
    assert stream.counters["restart"] == 1
    after = [b for b in got if b.captured_at >= 1.0]
    # The first packet of a new start is a stray until the second comes.
    assert len(after) == 10
    assert abs(after[0].start / 8000 - 1.0) < 0.05
    assert all(a.end == b.start for a, b in pairwise(after))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1)), max_size=60))
def test_the_clock_never_runs_back_whatever_is_sent(fields):
    stream, end = RtpStream(PCMU, STATIC), 0
    for n, (sequence, timestamp) in enumerate(fields):
        for block in stream.push(packet(sequence, timestamp=timestamp), n * 0.02):
            assert block.start >= end
            end = block.end


def test_foreign_payloads_are_counted_and_silent():
    stream = RtpStream(PCMU, STATIC)
    assert stream.push(packet(1, kind=101), 0.0) == []
    assert stream.push(packet(2, kind=13), 0.02) == []
    assert stream.counters["foreign"] == 1


@pytest.mark.parametrize("encoding", ["PCMU", "PCMA"])
def test_g711_is_decoded_as_ffmpeg_does(encoding, tmp_path):
    if not shutil.which("ffmpeg"):
        pytest.skip("needs ffmpeg")
    codes = bytes(range(256))
    law = {"PCMU": "mulaw", "PCMA": "alaw"}[encoding]
    command = ["ffmpeg", "-v", "error", "-f", law, "-ar", "8000", "-i", "-", "-f", "s16le", "-"]
    done = subprocess.run(command, input=codes, capture_output=True, check=True)
    expected = np.frombuffer(done.stdout, "<i2").astype(np.float32) / 32768
    assert np.array_equal(RtpFormat(encoding, 8000).new_decoder()(codes)[:, 0], expected)


def test_l16_is_big_endian_and_interleaved():
    sound = RtpFormat("L16", 44100, 2).new_decoder()(struct.pack("!4h", 1, -2, 3, -4) + b"x")
    assert (sound * 32768).tolist() == [[1, -2], [3, -4]]


@pytest.mark.parametrize("fields", [("GSM", 8000), ("PCMU", 7000), ("L16", 8000, 3)])
def test_formats_that_cannot_be_are_refused(fields):
    with pytest.raises(UsageError):
        RtpFormat(*fields)


def test_an_address_in_use_is_one_clear_error():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(SourceError, match=r"^[^\[]*: Address already in use; choose another"):
            RtpPort("127.0.0.1", taken.getsockname()[1], lambda *_: None)


def test_senders_on_one_port_are_kept_apart():
    taken, gone = {}, threading.Semaphore(0)

    def opened(ssrc, form):
        if ssrc == 99:
            return None
        taken[ssrc] = []

        def take(block):
            if block is None:
                gone.release()
            else:
                taken[ssrc].append(block)

        return take

    with (
        RtpReceiver() as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        port = receiver.listen(RtpPort("127.0.0.1", 0, opened))
        to = ("127.0.0.1", port.port)
        for n in range(20):
            for ssrc, kind in ((1, 0), (2, 8), (99, 0), (3, 77)):
                sender.sendto(datagram(n, ssrc=ssrc, kind=kind), to)
            sender.sendto(b"garbage", to)
        for ssrc in (1, 2):
            sender.sendto(struct.pack("!BBHI", 0x81, 203, 1, ssrc), to)
        assert gone.acquire(timeout=10)
        assert gone.acquire(timeout=10)
        assert {ssrc: blocks[-1].end for ssrc, blocks in taken.items()} == {1: 3200, 2: 3200}
        assert port.refused["refused"] == 20
        assert port.refused["malformed"] >= 40


@pytest.mark.e2e
@pytest.mark.slow
def test_ffmpeg_sends_a_call_and_it_reads_as_the_same_sound_from_a_file(model, clip, tmp_path):
    if not shutil.which("ffmpeg"):
        pytest.skip("needs ffmpeg")
    path, coded = clip("03-01-05-02-01-01-20"), tmp_path / "call.wav"
    to_call = ["-ar", "8000", "-ac", "1", "-c:a", "pcm_mulaw"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", path, *to_call, coded], check=True)
    expected, _ = analyze_file(coded, model)
    events, sessions = [], []

    def opened(_, form):
        session = hub.open(
            MonitorSettings(budget_s=60),
            source="call",
            sample_rate=form.rate,
            channels=1,
            sinks=[events.append],
        )
        sessions.append(session)
        return lambda block: session.push(block) if block else session.finish()

    with Hub(model) as hub, RtpReceiver() as receiver:
        port = receiver.listen(RtpPort("127.0.0.1", 0, opened))
        target = f"rtp://127.0.0.1:{port.port}"
        send = ["ffmpeg", "-v", "error", "-re", "-i", coded, "-c:a", "copy", "-f", "rtp"]
        subprocess.run([*send, "-rtpflags", "send_bye", target], check=True, capture_output=True)
        assert sessions[0].ended.wait(20)  # ffmpeg says goodbye
    heard = [e.label for e in events if e.type == "segment"]
    assert heard == [s.label for s in expected.segments(0)]
    assert sf.info(coded).duration * 1000 - events[-1].end_ms < 100


def test_a_call_without_its_decoder_is_one_clear_error(monkeypatch, capfd):
    monkeypatch.setitem(NAMES, "G722", "a decoder that this FFmpeg lacks")
    source = RtpSource("127.0.0.1", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for n in range(20):
            sender.sendto(datagram(n, kind=9), ("127.0.0.1", source.port))
            source.wait(0.05)
    with pytest.raises(SourceError, match="reinstall av"):
        source.check()
    source.close()
    assert capfd.readouterr() == ("", "")
