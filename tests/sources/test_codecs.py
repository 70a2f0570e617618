"""Calls in every codec: from what ffmpeg and GStreamer really send to how it reads."""

import shutil
import subprocess
import threading
from collections import Counter

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from livemood.engine import Hub, MonitorSettings, analyze_file
from livemood.errors import SourceError, UsageError
from livemood.sources.rtp import (
    STATIC,
    PayloadTypes,
    RtpFormat,
    RtpPacket,
    RtpPort,
    RtpReceiver,
    RtpSource,
    RtpStream,
    parse_sdp,
    read_sdp,
    split_address,
)

pytest.importorskip("av", reason="needs the extra rtp")
pytest.importorskip("sdp_transform", reason="needs the extra rtp")

HEAD = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"

FFMPEG = {
    "PCMU": ["-ar", "8000", "-c:a", "pcm_mulaw"],
    "PCMA": ["-ar", "8000", "-c:a", "pcm_alaw"],
    "G722": ["-ar", "16000", "-c:a", "g722"],
    "L16": ["-ar", "16000", "-c:a", "pcm_s16be"],
    "OPUS": ["-ar", "48000", "-c:a", "libopus", "-b:a", "32k"],
}
"""How ffmpeg codes each; its payload types are those of `types`."""

GSTREAMER = {
    "PCMU": (8000, "mulawenc ! rtppcmupay"),
    "PCMA": (8000, "alawenc ! rtppcmapay"),
    "G722": (16000, "avenc_g722 ! rtpg722pay"),
    "L16": (16000, "audioconvert ! audio/x-raw,format=S16BE ! rtpL16pay"),
    "OPUS": (48000, "opusenc bitrate=32000 ! rtpopuspay"),
}

LINES = {
    "PCMU": ["m=audio 5004 RTP/AVP 0"],
    "PCMA": ["m=audio 5004 RTP/AVP 8"],
    "G722": ["m=audio 5004 RTP/AVP 9", "a=rtpmap:9 G722/8000/1"],
    "L16": ["m=audio 5004 RTP/AVP 97", "a=rtpmap:97 L16/16000/1"],
    "OPUS": ["m=audio 5004 RTP/AVP 97", "a=rtpmap:97 opus/48000/2"],
}

CLIPS = [
    f"03-01-{emotion}-{strength}-01-01-{actor}"
    for emotion, strength, actor in (
        ("05", "02", "01"),
        ("04", "02", "02"),
        ("03", "02", "11"),
        ("08", "01", "12"),
        ("06", "02", "20"),
        ("07", "02", "21"),
        ("01", "01", "05"),
        ("05", "01", "08"),
        ("03", "01", "16"),
        ("04", "01", "23"),
        ("08", "02", "14"),
        ("06", "01", "09"),
    )
]


def described(codec):
    return parse_sdp(HEAD + "\r\n".join(LINES[codec]) + "\r\n")


def send_by_ffmpeg(path, codec, port):
    command = ["ffmpeg", "-v", "error", "-re", "-i", path, "-ac", "1", *FFMPEG[codec]]
    # ffmpeg numbers types that have no number of their own from 97 on.
    return subprocess.Popen(
        [*command, "-f", "rtp", f"rtp://127.0.0.1:{port}"], stdout=subprocess.DEVNULL
    )


def gstreamer_sound(path, codec):
    return (
        f"filesrc location={path} ! decodebin ! audioconvert ! audioresample ! "
        f"audio/x-raw,rate={GSTREAMER[codec][0]},channels=1"
    )


def send_by_gstreamer(path, codec, port):
    coder = GSTREAMER[codec][1]
    number = {"L16": " pt=97", "OPUS": " pt=97"}.get(codec, "")
    pipeline = (
        f"{gstreamer_sound(path, codec)} ! {coder}{number} min-ptime=20000000 "
        f"max-ptime=20000000 ! udpsink host=127.0.0.1 port={port} sync=true"
    )
    if codec == "OPUS":
        pipeline = pipeline.replace(" min-ptime=20000000 max-ptime=20000000", "")
    return subprocess.Popen(["gst-launch-1.0", "-q", *pipeline.split()])


SENDERS = {"ffmpeg": ("ffmpeg", send_by_ffmpeg), "gstreamer": ("gst-launch-1.0", send_by_gstreamer)}


def coded(path, codec, sender, folder):
    """The clip through the codec and back, as a file, without a network between.

    Opus as a receiver has it: coded by the sender's own encoder, for those differ, decoded by the
    codec's reference decoder (FFmpeg's own reads a sample late where speech is coded by SILK and
    CELT together), and from ffmpeg with the encoder's delay of 6.5 ms, of which RTP says nothing
    (RFC 7587); GStreamer takes it out of the timestamps.
    """
    between, out = folder / f"{path.stem}-{codec}.mka", folder / f"{path.stem}-{codec}.wav"
    if codec == "OPUS" and sender == "gstreamer":
        coder = GSTREAMER[codec][1].partition(" ! ")[0]
        pipeline = f"{gstreamer_sound(path, codec)} ! {coder} ! matroskamux ! filesink"
        command = ["gst-launch-1.0", "-q", *pipeline.split(), f"location={between}"]
    else:
        command = ["ffmpeg", "-v", "error", "-y", "-i", path, "-ac", "1", *FFMPEG[codec], between]
        command = [x if x != "pcm_s16be" else "pcm_s16le" for x in command]
    subprocess.run(command, check=True)
    decoder = ["-c:a", "libopus"] if codec == "OPUS" else []
    if codec == "OPUS" and sender == "ffmpeg":
        decoder += ["-flags2", "+skip_manual"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *decoder, "-i", between, out], check=True)
    return out


def dominant(events):
    return events[-1].summary[0].session.dominant


def calls(model, senders, codec, paths):
    """What is dominant in each of several calls at once, each on a port of its own."""
    heard = {}
    with Hub(model, busiest=2.0) as hub, RtpReceiver() as receiver:
        processes, done = [], []
        for number, path in enumerate(paths):
            ended = threading.Event()
            done.append(ended)

            def opened(_ssrc, form, number=number, ended=ended):
                events = heard[number] = []
                session = hub.open(
                    MonitorSettings(budget_s=60),
                    source="call",
                    sample_rate=form.rate,
                    channels=form.channels,
                    sinks=[events.append, lambda e: e.type == "session.ended" and ended.set()],
                )
                return lambda block: session.push(block) if block else session.finish()

            port = RtpPort("127.0.0.1", 0, opened, types=described(codec), idle_s=2.0)
            receiver.listen(port)
            processes.append(senders(path, codec, port.port))
        assert [process.wait(60) for process in processes] == [0] * len(paths)
        assert all(ended.wait(30) for ended in done)
    return heard


@pytest.mark.e2e
@pytest.mark.parametrize("codec", FFMPEG)
def test_a_call_reads_as_the_same_sound_from_a_file(model, clip, tmp_path, codec):
    if not shutil.which("ffmpeg"):
        pytest.skip("needs ffmpeg")
    path = clip(CLIPS[9])
    expected, _ = analyze_file(coded(path, codec, "ffmpeg", tmp_path), model)
    (events,) = calls(model, send_by_ffmpeg, codec, [path]).values()
    # Probabilities, not the label: one clip may lie between two.
    heard, meant = events[-1].summary[0].session, expected.summary(0).session
    for label, probability in meant.mean_probabilities.items():
        assert heard.mean_probabilities[label] == pytest.approx(probability, abs=0.15)
    # ffmpeg just stops; after a second without packets it is said that there are none.
    (gap,) = [e for e in events if e.type == "gap"] or [events[-1]]
    assert abs((gap.start_ms or gap.end_ms) - 1000 * sf.info(path).duration) < 200


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.parametrize("codec", FFMPEG)
@pytest.mark.parametrize("sender", SENDERS)
def test_twelve_calls_read_as_their_files(model, clip, tmp_path, codec, sender):
    program, send = SENDERS[sender]
    if not shutil.which("ffmpeg") or not shutil.which(program):
        pytest.skip(f"needs ffmpeg and {program}")
    paths = [clip(name) for name in CLIPS]
    heard = calls(model, send, codec, paths)
    agree = Counter()
    for number, path in enumerate(paths):
        expected, _ = analyze_file(coded(path, codec, sender, tmp_path), model)
        agree[dominant(heard[number]) == expected.summary(0).session.dominant] += 1
    assert agree[True] >= 10, agree


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


def test_a_source_hears_the_first_sender_and_ends_with_it(clip):
    if not shutil.which("ffmpeg"):
        pytest.skip("needs ffmpeg")
    source = RtpSource("127.0.0.1", 0, idle_s=5.0)
    assert not source.wait(0.0)
    with pytest.raises(SourceError, match="nobody sends"):
        next(source.blocks())
    sending = send_by_ffmpeg(clip(CLIPS[1]), "PCMU", source.port)
    assert source.wait(20)
    assert (source.sample_rate, source.channels) == (8000, 1)
    end = 0
    for block in source.blocks():
        if len(block.samples):
            assert block.start == end
            end = block.end
        else:
            assert block.gap_cause == "no_packets"  # ffmpeg stopped without a goodbye
    assert sending.wait(20) == 0
    assert end > 8000


@pytest.mark.parametrize("text", ["", "5004", "host:", ":1", "host:port", "host:99999"])
def test_addresses_that_are_none_are_refused(text):
    with pytest.raises(UsageError, match="HOST:PORT"):
        split_address(text)


def test_addresses():
    assert split_address("127.0.0.1:5004") == ("127.0.0.1", 5004)
    assert split_address("[::1]:5004") == ("::1", 5004)
