"""`/v1/whip`: publishing by WebRTC."""

import asyncio

import numpy as np
import pytest
import soundfile as sf
from publishing import Publishing, needs_a_network
from talking import client, until

from livemood.errors import LivemoodError
from livemood.server.inputs.publisher import Frames

aiortc = pytest.importorskip("aiortc", reason="needs the extra webrtc")
av = pytest.importorskip("av", reason="needs the extra rtp")

ABOUT = {"purpose": "personal", "informed": "true", "participant": "Guest"}


@pytest.fixture(autouse=True)
def _network():
    needs_a_network()


@pytest.fixture
def wave(clip, tmp_path):
    samples, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    path = tmp_path / "speech.wav"
    sf.write(path, samples, rate)
    return path


async def settled(service, session):
    opened = service.sessions.open(session)
    if opened is not None:
        assert await asyncio.to_thread(opened.settled.wait, 60)
    with client(service) as http:
        return (await asyncio.to_thread(http.get, f"/v1/sessions/{session}")).json()


async def test_what_is_published_is_a_session_until_it_is_deleted(shared, wave):
    with shared() as service, client(service) as http:
        async with Publishing(http, wave) as publishing:
            answer = await publishing.begin(**ABOUT)
            assert answer.status_code == 201, answer.text
            location = answer.headers["location"]
            session = location.rpartition("/")[2]
            await asyncio.wait_for(publishing.ended.wait(), 60)
            assert (await asyncio.to_thread(http.delete, location)).status_code == 200
        record = await settled(service, session)
        assert (await asyncio.to_thread(http.delete, location)).status_code == 404
    assert (record["kind"], record["reason"], record["participants"]) == ("whip", "end", ["Guest"])
    assert (record["channels"], record["source"]) == (1, "whip")
    # What is on its way at the end is not waited for.
    assert 3500 < record["duration_ms"] < 5000
    assert record["labels"][0]


async def test_a_peer_that_goes_ends_its_session(shared, wave):
    with shared() as service, client(service) as http:
        made = http.post(
            "/v1/sessions", json={"kind": "whip", "purpose": "personal", "informed": True}
        )
        session = made.json()["id"]
        async with Publishing(http, wave) as publishing:
            answer = await publishing.begin(session=session)
            assert answer.headers["location"] == f"/v1/whip/{session}"
            again = await Publishing(http, wave).begin(session=session)
            assert (again.status_code, again.json()["error"]["code"]) == (409, "already_started")
            await until(lambda: service.sessions.open(session).live)
        record = await settled(service, session)
    assert (record["state"], record["channels"]) == ("ended", 1)


async def test_a_session_that_is_ended_elsewhere_parts_with_its_peer(serving, wave):
    with serving() as service, client(service) as http:
        async with Publishing(http, wave) as publishing:
            # As OBS does: video, which is declined.
            publishing.peer.addTransceiver("video", direction="sendonly")
            gone = asyncio.Event()

            @publishing.peer.on("connectionstatechange")
            def _():
                if publishing.peer.connectionState == "closed":
                    gone.set()

            answer = await publishing.begin(**ABOUT)
            video = answer.text[answer.text.index("m=video") :]
            assert "a=inactive" in video or video.startswith("m=video 0")
            session = answer.headers["location"].rpartition("/")[2]
            await until(lambda: service.sessions.open(session).live)
            ended = await asyncio.to_thread(http.post, f"/v1/sessions/{session}/end")
            assert ended.json()["reason"] == "end"
            await asyncio.wait_for(gone.wait(), 30)


async def test_offers_that_cannot_be_answered(serving, wave):
    with serving(limits={"publishers": 1}) as service, client(service) as http:

        def refusal(
            content="v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", kind="application/sdp", **a
        ):
            headers = {"Content-Type": kind}
            answer = http.post("/v1/whip", content=content, params=ABOUT | a, headers=headers)
            return answer.status_code, answer.json()["error"]["code"]

        def tried():
            assert refusal(kind="text/plain") == (415, "bad_request")
            assert refusal("") == (400, "bad_sdp")
            assert refusal(b"m=audio \xff") == (400, "bad_sdp")
            assert refusal() == (400, "bad_sdp")
            assert refusal("m=audio m=application") == (400, "bad_sdp")
            assert refusal(purpose="") == (422, "bad_request")
            assert refusal(purpose="work")[0] == 403
            assert http.get("/v1/sessions").json()["sessions"] == []
            assert refusal(session="0" * 16) == (404, "not_found")
            stream = http.post(
                "/v1/sessions", json={"kind": "stream", "purpose": "personal", "informed": True}
            ).json()["id"]
            assert refusal(session=stream) == (409, "wrong_kind")
            http.post(f"/v1/sessions/{stream}/end")
            assert http.patch("/v1/whip/x", content="").status_code == 405
            assert http.delete("/v1/whip/x").status_code == 404

        await asyncio.to_thread(tried)
        async with Publishing(http, wave) as first, Publishing(http, wave) as second:
            location = (await first.begin(**ABOUT)).headers["location"]
            session = location.rpartition("/")[2]
            await until(lambda: service.sessions.open(session).live)  # before, it gives way
            answer = await second.begin(**ABOUT)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert (await asyncio.to_thread(http.delete, location)).status_code == 200
        await until(lambda: not service.sessions.all_open())


async def test_a_revoked_token_parts_with_its_peer(serving, wave):
    with serving() as service:
        tokens = service.storage.tokens
        gone, stays = tokens.create(("ingest",)), tokens.create(("manage", "watch"))
        with client(service, gone) as http, client(service, stays) as watcher:
            async with Publishing(http, wave) as publishing:
                closed = asyncio.Event()

                @publishing.peer.on("connectionstatechange")
                def _():
                    if publishing.peer.connectionState == "closed":
                        closed.set()

                location = (await publishing.begin(**ABOUT)).headers["location"]
                session = location.rpartition("/")[2]
                await until(lambda: service.sessions.open(session).live)
                assert tokens.revoke(1)
                await asyncio.wait_for(closed.wait(), 30)
            opened = service.sessions.open(session)
            assert opened is None or await asyncio.to_thread(opened.settled.wait, 30)
            record = watcher.get(f"/v1/sessions/{session}").json()
            assert (record["state"], record["reason"]) == ("ended", "error")
            text = watcher.get(f"/v1/sessions/{session}/timeline?format=jsonl").text
        assert '"code":"bad_token"' in text.replace(" ", "")


async def test_tokens_are_asked_for(serving, wave):
    with serving() as service:
        tokens = service.storage.tokens
        ingest, other = tokens.create(("ingest",)), tokens.create(("ingest",))
        with client(service) as nobody, client(service, tokens.create(("watch",))) as watcher:
            for http, status in ((nobody, 401), (watcher, 403)):
                async with Publishing(http, wave) as publishing:
                    assert (await publishing.begin(**ABOUT)).status_code == status
        with client(service, ingest) as http, client(service, other) as stranger:
            async with Publishing(http, wave) as publishing:
                location = (await publishing.begin(**ABOUT)).headers["location"]
                refused = await asyncio.to_thread(stranger.delete, location)
                assert refused.status_code == 403
                assert (await asyncio.to_thread(http.delete, location)).status_code == 200


def frame(pts, length=960, rate=48000):
    made = av.AudioFrame.from_ndarray(
        np.full((1, 2 * length), 8192, np.int16), format="s16", layout="stereo"
    )
    made.pts, made.sample_rate = pts, rate
    return made


def test_frames_that_are_missing_are_a_gap():
    frames = Frames(48000)
    blocks = [frames.push(frame(960 * n), 0.02 * n) for n in range(20) if n not in (5, 6, 7)]
    starts = [block.start for block in blocks]
    assert starts == [960 * n for n in range(20) if n not in (5, 6, 7)]
    assert {block.gap_cause for block in blocks} == {"packet_loss"}
    assert blocks[0].samples.shape == (960, 1)
    assert float(blocks[0].samples[0, 0]) == 0.25
    # Sound is as old as it was held back.
    assert blocks[-1].captured_at == pytest.approx(0.02 * 19 - 0.08)


def test_frames_that_come_again_or_jump_do_not_move_the_clock():
    frames = Frames(48000)
    frames.push(frame(0), 0.0)
    assert frames.push(frame(0), 0.02) is None
    assert frames.push(frame(480), 0.03).start == 960
    block = frames.push(frame(2**31), 0.05)
    assert block.start < 48000
    with pytest.raises(LivemoodError, match="rate"):
        frames.push(frame(0, rate=8000), 0.1)


async def test_offers_that_never_connect_keep_nobody_out(serving, wave):
    """The oldest that has not connected gives way; who publishes does not."""
    with serving(limits={"publishers": 3}) as service, client(service) as http:
        async with Publishing(http, wave) as publishing:
            answer = await publishing.begin(**ABOUT)
            session = answer.headers["location"].rpartition("/")[2]
            await until(lambda: service.sessions.open(session).live)
            unanswered = []
            for _ in range(6):
                peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
                peer.addTransceiver("audio", "sendonly")
                await peer.setLocalDescription(await peer.createOffer())
                offered = await asyncio.to_thread(
                    http.post,
                    "/v1/whip",
                    content=peer.localDescription.sdp,
                    params=ABOUT,
                    headers={"Content-Type": "application/sdp"},
                )
                unanswered.append(offered.status_code)
                await peer.close()
            assert unanswered == [201] * 6
            assert service.sessions.open(session) is not None
            assert len(service.sessions.all_open()) <= 3


@pytest.mark.parametrize("odd", ["\r", "\v", "\f", "\u2028", "\u0085"])
async def test_candidates_hidden_from_the_filter_are_refused(shared, odd):
    peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    peer.addTransceiver("audio", "sendonly")
    await peer.setLocalDescription(await peer.createOffer())
    hidden = f"a=x{odd}a=candidate:1 1 udp 2130706431 192.0.2.8 4000 typ host\r\n"
    offer = peer.localDescription.sdp + hidden
    await peer.close()
    with shared() as service, client(service) as http:
        answer = await asyncio.to_thread(
            http.post,
            "/v1/whip",
            content=offer.encode(),
            params=ABOUT,
            headers={"Content-Type": "application/sdp"},
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_sdp")
        assert service.sessions.all_open() == []
