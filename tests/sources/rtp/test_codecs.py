"""Codecs and session descriptions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.errors import UsageError
from livemood.sources.rtp import (
    STATIC,
    PayloadTypes,
    RtpFormat,
    RtpPacket,
    RtpStream,
    parse_sdp,
    read_sdp,
    split_address,
)

pytest.importorskip("av", reason="needs the extra rtp")
pytest.importorskip("sdp_transform", reason="needs the extra rtp")

HEAD = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"

LINES = {
    "PCMU": ["m=audio 5004 RTP/AVP 0"],
    "PCMA": ["m=audio 5004 RTP/AVP 8"],
    "G722": ["m=audio 5004 RTP/AVP 9", "a=rtpmap:9 G722/8000/1"],
    "L16": ["m=audio 5004 RTP/AVP 97", "a=rtpmap:97 L16/16000/1"],
    "OPUS": ["m=audio 5004 RTP/AVP 97", "a=rtpmap:97 opus/48000/2"],
}


def described(codec):
    return parse_sdp(HEAD + "\r\n".join(LINES[codec]) + "\r\n")


def test_a_description_says_what_types_mean():
    assert described("PCMU").sound == {0: RtpFormat("PCMU", 8000)}
    assert described("G722").sound == {9: RtpFormat("G722", 16000)}
    assert described("OPUS").sound == {97: RtpFormat("OPUS", 48000)}
    stereo = HEAD + "m=audio 1 RTP/AVP 97 101 98\r\na=rtpmap:97 opus/48000/2\r\n"
    stereo += "a=fmtp:97 sprop-stereo=1\r\na=rtpmap:101 telephone-event/8000\r\n"
    stereo += "a=rtpmap:98 CN/16000\r\n"
    assert parse_sdp(stereo) == PayloadTypes(
        {97: RtpFormat("OPUS", 48000, 2)}, frozenset({13, 19, 98}), frozenset({101})
    )
    video = "m=video 1 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    assert parse_sdp(HEAD + video) == PayloadTypes({})


@settings(max_examples=300, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=300),
        st.lists(
            st.sampled_from(
                (
                    "m=audio 1 RTP/AVP 97 0 x",
                    "m=audio x y z",
                    "a=rtpmap:97 opus/48000/2",
                    "a=rtpmap:97 L16/999999999999/9",
                    "a=rtpmap:x L16/-1",
                    "a=rtpmap:97 CN/8000",
                    "m=audio 1 RTP/AVP " + "9" * 5000,
                    "a=fmtp:97",
                    "a=fmtp:97 sprop-stereo=1",
                    "m=video 1 RTP/AVP 97",
                    "v=",
                    "=",
                )
            ),
            max_size=12,
        ).map("\r\n".join),
    )
)
def test_any_description_is_read_or_ignored(text):
    for number, form in parse_sdp(text).sound.items():
        assert number >= 0
        assert 8000 <= form.rate <= 48000


@pytest.mark.parametrize(
    ("line", "found"),
    [
        # Met by fuzzing: numbers where text is meant, infinity where a number is.
        ("a=fmtp:0 0", True),
        ("a=fmtp:0 16", True),
        ("a=rtpmap:0 L16/" + "9" * 5000, True),
        ("a=rtpmap:0 L16/8000/inf", True),
        ("a=rtpmap:0 opus/48000/" + "9" * 5000, True),
    ],
)
def test_descriptions_that_once_were_too_much(line, found):
    text = f"{HEAD}m=audio 5004 RTP/AVP 0\r\n{line}\r\n"
    assert (0 in parse_sdp(text).sound) is found


def test_descriptions_that_help_nobody_are_one_line(tmp_path):
    path = tmp_path / "call.sdp"
    with pytest.raises(UsageError, match="cannot read"):
        read_sdp(path)
    path.write_text(HEAD)
    with pytest.raises(UsageError, match="no sound that can be decoded"):
        read_sdp(path)
    path.write_bytes(b"x" * 100_000)
    with pytest.raises(UsageError, match="too long"):
        read_sdp(path)


def test_g722_counts_half_its_samples():
    stream = RtpStream(STATIC.sound[9], STATIC)
    position = 0
    for number in range(10):
        packet = RtpPacket(9, False, number, 160 * number, 1, bytes(160))
        (block,) = stream.push(packet, 0.02 * number)
        assert (block.start, len(block.samples)) == (position, 320)
        position = block.end


@settings(max_examples=60, deadline=None)
@given(payloads=st.lists(st.binary(max_size=400), min_size=1, max_size=20))
@pytest.mark.parametrize("form", [RtpFormat("OPUS", 48000), RtpFormat("G722", 16000)])
def test_any_payload_is_sound_or_counted(form, payloads):
    stream = RtpStream(form, PayloadTypes({9: form}))
    end = 0
    for number, payload in enumerate(payloads):
        packet = RtpPacket(9, False, number, number * form.clock // 50, 1, payload)
        for block in stream.push(packet, 0.02 * number):
            assert block.start >= end
            assert block.samples.dtype == np.float32
            assert np.isfinite(block.samples).all()
            end = block.end


def test_what_cannot_be_decoded_is_a_gap():
    opus = RtpFormat("OPUS", 48000)
    stream = RtpStream(opus, PayloadTypes({97: opus}))
    silence = bytes.fromhex("f8fffe")  # an Opus frame of 20 ms that says nothing (RFC 6716)
    packets = [silence, b"", silence, silence]
    blocks = [
        block
        for n, payload in enumerate(packets)
        for block in stream.push(RtpPacket(97, False, n, 960 * n, 1, payload), 0.02 * n)
    ]
    assert [(block.start, block.end) for block in blocks] == [(0, 960), (1920, 2880), (2880, 3840)]
    assert stream.counters["undecodable"] == 1


@pytest.mark.parametrize("text", ["", "5004", "host:", ":1", "host:port", "host:99999"])
def test_addresses_that_are_none_are_refused(text):
    with pytest.raises(UsageError, match="HOST:PORT"):
        split_address(text)


def test_addresses():
    assert split_address("127.0.0.1:5004") == ("127.0.0.1", 5004)
    assert split_address("[::1]:5004") == ("::1", 5004)
