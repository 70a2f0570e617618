"""One peer that publishes its microphone by WebRTC, through aiortc (extra `webrtc`)."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from livemood.audio import AudioBlock, Downmix, Samples
from livemood.server.inputs.candidates import check_candidates
from livemood.server.refused import Refused
from livemood.server.sessions.live import LiveSession, OpenSession
from livemood.server.sessions.sessions import Sessions
from livemood.sources.frames import samples_of
from livemood.sources.rtp.clock import SenderClock

if TYPE_CHECKING:
    from aiortc import MediaStreamTrack, RTCPeerConnection
    from av.audio.frame import AudioFrame

log = logging.getLogger(__name__)


class Frames:
    """A track's frames to blocks of one channel on its clock. A pure object.

    What is missing between two frames was lost on its way.
    """

    HELD = 4
    """Frames that aiortc holds back to put them in order; by so much sound is older."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._clock = SenderClock(rate, rate)
        self._next = 0
        self._downmix, self._warned = Downmix(rate), False

    def _mixed(self, samples: Samples) -> Samples:
        mono = self._downmix.push(samples)
        if self._downmix.cancelled and not self._warned:
            self._warned = True
            log.warning("a browser's channels cancel each other: the louder one is taken")
        return mono

    def push(self, frame: "AudioFrame", now: float) -> AudioBlock | None:
        """The block of a frame; none if it brings nothing new. Raises `Refused`."""
        if frame.sample_rate != self._rate:
            raise Refused("bad_rate", "the track changed its rate", 415)
        samples = self._mixed(samples_of(frame))
        spoken = now - self.HELD * len(samples) / self._rate
        timestamp = (frame.pts or 0) & 0xFFFFFFFF
        start = self._clock.place(timestamp, spoken, len(samples), restarted=False)
        if start < self._next:
            samples, start = samples[self._next - start :], self._next
        if not len(samples):
            return None
        self._next = start + len(samples)
        self._clock.reached(self._next, spoken)
        return AudioBlock(
            start, samples, spoken, gap_cause="packet_loss", cancelled=self._downmix.cancels
        )


class Publisher:
    """A peer connection and the session that its first audio track speaks in.

    Belongs to the event loop.
    """

    CONNECT_S = 10.0
    """In which sound must have begun."""

    def __init__(
        self, sessions: Sessions, opened: OpenSession, gone: Callable[["Publisher"], None]
    ) -> None:
        self._sessions, self._opened, self._gone = sessions, opened, gone
        self._peer = _new_peer()
        self._live: LiveSession | None = None
        self._listening: asyncio.Task[None] | None = None
        self._closing = False
        self._peer.on("track", self._on_track)
        self._peer.on("connectionstatechange", self._on_state_change)
        self._watch = asyncio.ensure_future(self._look_after())

    @property
    def session(self) -> str:
        """The session's id."""
        return self._opened.record.id

    @property
    def creator(self) -> str:
        """Who created the session."""
        return self._opened.record.created_by

    @property
    def idle(self) -> bool:
        """Whether no sound has come of it yet."""
        return self._live is None and not self._closing

    async def answer(self, offer: str, host: str) -> str:
        """The answer to the offer of `host`. Raises `Refused` if there is none."""
        from aiortc import RTCSessionDescription
        from aiortc.sdp import SessionDescription

        try:
            parsed = SessionDescription.parse(offer)
            check_candidates((c.ip for m in parsed.media for c in m.ice_candidates), host)
            await self._peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            for transceiver in self._peer.getTransceivers():
                transceiver.direction = "recvonly" if transceiver.kind == "audio" else "inactive"
            answer = await self._peer.createAnswer()
            await self._peer.setLocalDescription(answer)
        except Refused:
            raise
        except Exception as error:  # whatever its parser met
            log.debug("an offer could not be answered", exc_info=True)
            raise Refused("bad_sdp", f"the offer cannot be answered: {error}", 400) from None
        if self._listening is None:
            raise Refused("bad_sdp", "the offer has no audio that would be sent", 400)
        return self._peer.localDescription.sdp

    async def close(self, reason: str = "end") -> None:
        """End the session in order and part with the peer. Only the first call counts."""
        if self._closing:
            return
        self._closing = True
        await self._sessions.pools.admission.run(self._sessions.finish, self._opened, reason)
        for task in (self._watch, self._listening):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        try:
            await self._peer.close()
        finally:
            self._gone(self)

    def _on_track(self, track: "MediaStreamTrack") -> None:
        if track.kind == "audio" and self._listening is None:
            self._listening = asyncio.ensure_future(self._listen(track))

    async def _on_state_change(self) -> None:
        if self._peer.connectionState in ("failed", "closed"):
            await self.close("interrupted")

    async def _listen(self, track: "MediaStreamTrack") -> None:
        from aiortc.mediastreams import MediaStreamError

        packets = self._sessions.metrics.packets.labels("whip")
        frames: Frames | None = None
        try:
            while not self._closing:
                frame: Any = await track.recv()
                if frames is None:
                    frames = Frames(frame.sample_rate)
                    self._live = await self._sessions.pools.admission.run(
                        self._start, frame.sample_rate
                    )
                assert self._live is not None  # noqa: S101 - just set
                packets.inc()
                block = frames.push(frame, time.monotonic())
                if block is not None:
                    self._live.push(block)
                if self._live.closing:
                    break
        except MediaStreamError:  # the peer has gone
            pass
        except Refused as refused:
            self._sessions.metrics.refused.labels(refused.code).inc()
            if self._live is not None:
                self._live.finish(failure=str(refused), code=refused.code)
        except Exception:
            log.exception("a published track could not be heard")
            if self._live is not None:
                self._live.finish(failure="something went wrong here", code="internal")
        await self.close()

    def _start(self, rate: int) -> LiveSession:
        return self._sessions.start(self.session, source="whip", sample_rate=rate, channels=1)

    async def _look_after(self) -> None:
        """Part with a peer that does not begin, or whose session was ended elsewhere."""
        began = time.monotonic()
        while not self._closing:
            await asyncio.sleep(0.5)
            late = self._live is None and time.monotonic() - began > self.CONNECT_S
            ended = self._sessions.open(self.session) is None
            if late or ended or (self._live is not None and self._live.closing):
                await self.close("interrupted")


def _new_peer() -> "RTCPeerConnection":
    from aiortc import RTCConfiguration, RTCPeerConnection

    # Without servers named, aiortc would ask one of Google's for its address.
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))
