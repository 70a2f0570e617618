"""Publishing by WebRTC, for tests of a running server."""

import asyncio
import socket

import pytest


def needs_a_network():
    """WebRTC leaves the loopback interface out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            host = probe.getsockname()[0]
        except OSError:
            host = "127.0.0.1"
    if host.startswith("127."):
        pytest.skip("WebRTC needs a network interface besides loopback")


class Publishing:
    """A peer that publishes a file at the pace of time."""

    def __init__(self, http, path, token=None):
        import aiortc
        from aiortc.contrib import media

        self._http, self._token = http, token
        self._aiortc = aiortc
        self.peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        self.ended = asyncio.Event()
        self._player = media.MediaPlayer(str(path))
        self.peer.addTrack(self._player.audio)
        self._player.audio.on("ended", self.ended.set)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.peer.close()

    async def begin(self, **about):
        await self.peer.setLocalDescription(await self.peer.createOffer())
        answer = await asyncio.to_thread(
            self._http.post,
            "/v1/whip",
            content=self.peer.localDescription.sdp,
            params=about,
            headers={"Content-Type": "application/sdp"},
        )
        if answer.status_code == 201:
            assert answer.headers["content-type"] == "application/sdp"
            described = self._aiortc.RTCSessionDescription(answer.text, "answer")
            await self.peer.setRemoteDescription(described)
        return answer
