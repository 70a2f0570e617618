"""Calls in every codec: from what ffmpeg and GStreamer really send to how it reads."""

import json
import shutil
import subprocess
from collections import Counter
from contextlib import contextmanager

import httpx
import pytest
import soundfile as sf

from livemood.engine import MonitorSettings, analyze_file
from livemood.errors import SourceError
from livemood.server.serve import Service
from livemood.server.serve.settings import ServeSettings
from livemood.server.sessions.admission import Admission
from livemood.sources.rtp import RtpSource

pytestmark = pytest.mark.e2e
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


@contextmanager
def serving(model, folder):
    """A server that takes as many calls as are made and reads every window, however slowly."""
    chosen = ServeSettings(port=0, data=folder / "data", rtp={"idle_s": 2.0})
    with Service(chosen, model, MonitorSettings(budget_s=60.0)) as service:
        service.sessions.admission = Admission(1000.0, 0.0)
        yield service


def calls(service, sender, wanted):
    """The timelines of calls that are all made at once, by (codec, path)."""
    program, send = SENDERS[sender]
    if not shutil.which("ffmpeg") or not shutil.which(program):
        pytest.skip(f"needs ffmpeg and {program}")
    made, processes = {}, []
    with httpx.Client(base_url=service.url, timeout=60) as http:
        for codec, path in wanted:
            sdp = HEAD + "\r\n".join(LINES[codec]) + "\r\n"
            spec = {"kind": "rtp", "purpose": "personal", "informed": True, "rtp": {"sdp": sdp}}
            answer = http.post("/v1/sessions", json=spec)
            assert answer.status_code == 201, answer.text
            made[codec, path] = answer.json()
            processes.append(send(path, codec, answer.json()["rtp"]["ports"][0]))
        assert {process.wait(90) for process in processes} == {0}
        heard = {}
        for which, session in made.items():
            opened = service.sessions.open(session["id"])
            assert opened is None or opened.settled.wait(90)
            text = http.get(f"/v1/sessions/{session['id']}/timeline?format=jsonl").text
            heard[which] = [json.loads(line) for line in text.splitlines()]
    return heard


@pytest.mark.slow
def test_a_call_in_any_codec_reads_as_the_same_sound_from_a_file(model, clip, tmp_path):
    path = clip(CLIPS[9])
    with serving(model, tmp_path) as service:
        heard = calls(service, "ffmpeg", [(codec, path) for codec in FFMPEG])
    for (codec, _), timeline in heard.items():
        expected, _ = analyze_file(coded(path, codec, "ffmpeg", tmp_path), model)
        summary, meant = summary_of(timeline), expected.summary(0).session
        # Probabilities, not the label: one clip may lie between two.
        for label, probability in meant.mean_probabilities.items():
            assert summary["mean_probabilities"][label] == pytest.approx(probability, abs=0.15)
        # ffmpeg just stops; after a second without packets it is said that there are none.
        gaps = [e for e in timeline if e["type"] == "gap"]
        assert [gap["cause"] for gap in gaps] in ([], ["no_packets"])
        assert abs(end_of(timeline) - 1000 * sf.info(path).duration) < 200


@pytest.mark.slow
@pytest.mark.parametrize("codec", FFMPEG)
@pytest.mark.parametrize("sender", SENDERS)
def test_twelve_calls_read_as_their_files(small_model, clip, tmp_path, codec, sender):
    """The model with steps of 80 ms: in blocks of 240 ms a shift can change a clip's label."""
    paths = [clip(name) for name in CLIPS]
    with serving(small_model, tmp_path) as service:
        heard = calls(service, sender, [(codec, path) for path in paths])
    agree = Counter()
    for (_, path), timeline in heard.items():
        expected, _ = analyze_file(coded(path, codec, sender, tmp_path), small_model)
        agree[summary_of(timeline)["dominant"] == expected.summary(0).session.dominant] += 1
    assert agree[True] >= 10, agree


def summary_of(timeline):
    return timeline[-1]["summary"][0]["session"]


def end_of(timeline):
    """Where the sound ended, in ms."""
    gaps = [e for e in timeline if e["type"] == "gap"]
    return gaps[0]["start_ms"] if gaps else timeline[-1]["end_ms"]


@pytest.mark.slow
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
