"""Chromium publishes its microphone by WHIP and follows its timeline."""

import pytest
import soundfile as sf

pytest.importorskip("selenium", reason="selenium is not installed")
pytest.importorskip("aiortc", reason="needs the extra webrtc")
from chromium import chromium

from livemood.engine import MonitorSettings, analyze_file
from livemood.server.serve import Service
from livemood.server.serve.settings import ServeSettings

pytestmark = pytest.mark.e2e

PUBLISH = """
const stream = await navigator.mediaDevices.getUserMedia({ audio: {
  echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
const peer = new RTCPeerConnection();
peer.addTransceiver(stream.getAudioTracks()[0], { direction: "sendonly" });
await peer.setLocalDescription(await peer.createOffer());
if (peer.iceGatheringState !== "complete")
  await new Promise((ready) => peer.addEventListener("icegatheringstatechange", () => {
    if (peer.iceGatheringState === "complete") ready();
  }));
const answer = await fetch("/v1/whip?purpose=personal&informed=true&participant=Guest", {
  method: "POST", headers: { "Content-Type": "application/sdp" },
  body: peer.localDescription.sdp });
if (answer.status !== 201) throw new Error(await answer.text());
await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
const place = answer.headers.get("Location");
window.peer = peer;
window.events = [];
const socket = new WebSocket(location.origin.replace("http", "ws")
  + "/v1/timeline?after=0&session=" + place.split("/").pop());
socket.onmessage = (message) => window.events.push(JSON.parse(message.data));
socket.onclose = (closed) => { window.code = closed.code; };
return place;
"""


@pytest.mark.slow
def test_chromium_publishes_its_microphone_and_gets_its_timeline(model, clip, tmp_path):
    samples, rate = sf.read(clip("03-01-05-02-01-01-21"), dtype="float32")
    wave = tmp_path / "speech.wav"
    sf.write(wave, samples, rate)
    flags = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={wave}",
    )
    settings = ServeSettings(port=0, data=tmp_path / "data")
    with (
        Service(settings, model, MonitorSettings(budget_s=60.0)) as service,
        chromium(tmp_path / "profile", *flags) as browser,
    ):
        service.sessions.load = lambda: 0.0  # what else the machine does keeps nobody out
        browser.open(f"{service.url}/speak")
        place = browser.later(PUBLISH)
        assert place.startswith("/v1/whip/"), place
        browser.until("window.events.filter(e => e.type === 'emotion').length >= 16", 60)
        status = browser.later(f"return (await fetch('{place}', {{method: 'DELETE'}})).status")
        assert status == 200
        assert browser.until("window.code", 60) == 1000
        events = browser.js("return window.events")
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    started, ended = events[0], events[-1]
    assert (started["source"], started["participants"]) == ("whip", ["Guest"])
    assert (ended["type"], ended["reason"]) == ("session.ended", "end")
    # The recording, played again and again, is read as angry wherever it begins.
    expected, _ = analyze_file(wave, model)
    assert expected.summary(0).session.dominant == "angry"
    assert ended["summary"][0]["session"]["dominant"] == "angry"
    assert ended["summary"][0]["gap_ms"] < 500
