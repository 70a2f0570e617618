"""Calls while a server is being stopped: they may end by themselves, up to the timeout."""

import asyncio
import base64
import json
import signal
from contextlib import AsyncExitStack

import httpx
import pytest
import soundfile as sf
from calling import Caller, create, goodbye, mu_law, packets
from publishing import Publishing, needs_a_network
from served import served
from talking import until

from livemood.audio import resample
from livemood.server.storage.database import Database
from livemood.server.storage.tables import Tables

pytestmark = pytest.mark.slow  # three kinds of calls at once

PARAMETERS = {"purpose": "personal", "informed": "true"}
TWILIO = {"tracks": ["inbound"], "streamSid": "MZ0", "callSid": "CA0", "accountSid": "AC0"}
FORM = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


class Calls:
    """One call by RTP, one by Twilio, one by WHIP."""

    def __init__(self, server, clip, stack, folder):
        pytest.importorskip("aiortc", reason="needs the extra webrtc")
        needs_a_network()
        self.server, self._stack = server, stack
        samples, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
        self._coded, self._wave = mu_law(resample(samples, rate, 8000)), folder / "speech.wav"
        sf.write(self._wave, samples, rate)
        self.http = stack.enter_context(httpx.Client(base_url=server.url, timeout=30))

    async def begin(self):
        """All of them are live."""
        made = create(self.server)
        place = made["rtp"]["host"], made["rtp"]["ports"][0]
        self._rtp = self._stack.enter_context(Caller(*place))
        self._twilio = await self._stack.enter_async_context(self.server.websocket("/v1/twilio"))
        about = TWILIO | {"customParameters": PARAMETERS, "mediaFormat": FORM}
        await self._twilio.send(json.dumps({"event": "start", "start": about}))
        self._whip = await self._stack.enter_async_context(Publishing(self.http, self._wave))
        answer = await self._whip.begin(**PARAMETERS)
        assert answer.status_code == 201, answer.text
        self._location = answer.headers["location"]
        await self.say(0)
        await until(lambda: [r["state"] for r in self.records()] == ["live"] * 3)

    def records(self):
        """What the server says of them."""
        return self.http.get("/v1/sessions").json()["sessions"]

    async def say(self, half):
        """Half of the clip; by WHIP it plays by itself."""
        middle = len(self._coded) // 320 * 160
        coded = self._coded[half * middle : (half + 1) * middle]
        for datagram in packets(coded, first=100 + half * middle // 160):
            head = bytearray(datagram)
            head[4:8] = (int.from_bytes(head[4:8]) + half * middle).to_bytes(4)
            self._rtp.send(head)
        for at in range(0, len(coded), 160):
            payload = base64.b64encode(coded[at : at + 160]).decode()
            chunk = (half * middle + at) // 160
            media = {"track": "inbound", "chunk": str(chunk + 1), "timestamp": str(20 * chunk)}
            event = {"event": "media", "media": media | {"payload": payload}}
            await self._twilio.send(json.dumps(event))

    async def hang_up(self):
        """All of them end in order."""
        self._rtp.send(goodbye())
        await self._twilio.send(json.dumps({"event": "stop", "stop": {}}))
        await asyncio.to_thread(self.http.delete, self._location)


def kept(folder):
    """The records that a stopped server has left."""
    database = Database(folder)
    found = [record for _, record in Tables(database, "", lambda: 0.0).sessions.find()]
    database.close()
    return {record.kind: record for record in found}


async def test_calls_go_on_while_a_server_drains_until_they_end(tmp_path, clip):
    data = tmp_path / "data"
    with served(data, "--set", "drain_timeout_s=600") as server:
        async with AsyncExitStack() as stack:
            calls = Calls(server, clip, stack, tmp_path)
            await calls.begin()
            server.process.send_signal(signal.SIGTERM)
            said = server.process.stderr.readline()
            assert said.startswith("stopping: waiting up to 600 s for 3 sessions to end")
            await until(lambda: calls.http.get("/readyz").status_code == 503)
            await calls.say(1)
            assert [record["state"] for record in calls.records()] == ["live"] * 3
            await calls.hang_up()
            assert await asyncio.to_thread(server.process.wait, 30) == 0
    records = kept(data)
    assert {kind: record.reason for kind, record in records.items()} == {
        "rtp": "end",
        "twilio": "end",
        "whip": "end",
    }
    for kind in ("rtp", "twilio"):  # what came after the signal was heard
        assert records[kind].duration_ms > 3500


async def test_calls_that_outlast_the_timeout_are_ended(tmp_path, clip):
    data = tmp_path / "data"
    with served(data, "--set", "drain_timeout_s=0.5") as server:
        async with AsyncExitStack() as stack:
            calls = Calls(server, clip, stack, tmp_path)
            await calls.begin()
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.process.wait, 30) == 0
        assert "Traceback" not in server.process.stderr.read()
    assert {record.reason for record in kept(data).values()} == {"interrupted"}
    assert len(kept(data)) == 3
