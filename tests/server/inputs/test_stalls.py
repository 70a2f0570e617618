"""Networks and servers that stall, sound that stops, sound that is no number."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
from talking import START, received, send_all, socket, until
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from livemood.server.sessions.live import LiveSession
from livemood.server.sessions.numbers import NumbersOnly
from livemood.timeline.events import parse_event


async def live_of(service):
    await until(lambda: any(opened.live for opened in service.sessions.all_open()))
    (opened,) = service.sessions.all_open()
    return opened.live


async def heard(live, milliseconds):
    await until(lambda: live.arrived_ms >= milliseconds)


async def test_a_client_that_stalls_and_then_sends_all_is_heard_whole(serving, speech, monkeypatch):
    """Time that passed is credit: here the clock of the session is moved, not waited for."""
    with serving() as service:
        async with socket(service, "/v1/stream") as ws:
            await send_all(ws, speech[:8000], end=False)
            live = await live_of(service)
            await heard(live, 500)
            live._pace._at -= 12.0  # the network stalled for so long
            for _ in range(3):
                await send_all(ws, speech[:64000], start={"type": "resumed"}, end=False)
            await ws.send('{"type": "end"}')
            events = await received(ws)
    assert events[-1].reason == "end"
    assert not [e for e in events if e.type in ("gap", "error")]
    assert events[-1].summary[0].duration_ms == 500 + 3 * 4000


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="stops a process by a signal")
async def test_sessions_outlive_a_server_that_was_stopped_for_ten_seconds(tmp_path, speech):
    command = [sys.executable, "-m", "livemood", "serve", "--port", "0", "--data", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        while (line := server.stderr.readline()) and "serving at" not in line:
            pass
        url = line.split()[-1].replace("http", "ws", 1) + "/v1/stream"
        in_the_middle = [asyncio.Event() for _ in range(2)]

        async def talk(number):
            async with connect(url, max_size=None) as ws:
                await ws.send(json.dumps(START))
                reading = asyncio.create_task(received(ws))
                began = time.monotonic()
                sound = np.resize(speech, 16000 * 16)
                for n in range(160):
                    await ws.send(sound[n * 1600 : (n + 1) * 1600].tobytes())
                    if n == 20:
                        in_the_middle[number].set()
                    await asyncio.sleep(max(0.0, began + n / 10 - time.monotonic()))
                await ws.send('{"type": "end"}')
                return await reading

        try:
            talking = [asyncio.create_task(talk(n)) for n in range(2)]
            async with asyncio.timeout(60):
                for each in in_the_middle:
                    await each.wait()
            os.kill(server.pid, signal.SIGSTOP)
            await asyncio.sleep(10)
            os.kill(server.pid, signal.SIGCONT)
            both = await asyncio.gather(*talking)
        finally:
            server.kill()  # or the test would wait for it for ever
    for events in both:
        assert events[-1].reason == "end"
        assert events[-1].summary[0].duration_ms == 16000
        assert not [e for e in events if e.type == "error"]


async def test_a_server_that_was_stopped_for_minutes_takes_nobody_for_silent(serving, speech):
    with serving() as service:
        async with socket(service, "/v1/stream") as ws:
            await send_all(ws, speech[:1600], end=False)
            live = await live_of(service)
            await heard(live, 100)  # sound that comes later would be taken for the newest
            keeper = service._keeper
            keeper.stop()
            now = time.monotonic()
            keeper._looked = now - 90.0  # as after SIGSTOP and SIGCONT
            live.last_sound = now - 90.0
            keeper.look(now)
            keeper.tick(now)
            assert not live.closing
            keeper.look(now + 0.25)
            live.last_sound = now - 61.0
            keeper.tick(now)
            assert live.closing, "but silence is silence"


async def test_speech_closes_when_no_sound_comes_any_more(shared, speech):
    with shared() as service:
        async with socket(service, "/v1/stream") as ws:
            await send_all(ws, speech[:40000], end=False)
            async with asyncio.timeout(30):
                while (event := parse_event(await ws.recv())).type != "speech.ended":
                    pass
            assert event.end_ms <= 2500
            # What comes then follows on what was before: the clock of the sound did not move.
            await send_all(ws, speech[8000:48000], start={"type": "again"})
            events = await received(ws)
    assert events[-1].summary[0].duration_ms == 5000
    (started,) = [e for e in events if e.type == "speech.started"]
    assert started.start_ms >= 2400
    assert not [e for e in events if e.type == "gap"]


async def test_speech_of_a_call_closes_when_no_sound_comes_any_more(shared, clip):
    import soundfile as sf
    from calling import mu_law
    from test_twilio import start, talk

    from livemood.audio import resample

    samples, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="float32")
    coded = mu_law(resample(samples, rate, 8000))
    with shared() as service:
        async with socket(service, "/v1/twilio") as ws:
            await ws.send(json.dumps(start()))
            for message in list(talk(coded))[:125]:
                await ws.send(json.dumps(message))
            await live_of(service)
            (opened,) = service.sessions.all_open()
            await until(lambda: any('"speech.ended"' in text for text in opened.log.all()))
            assert opened.record.state == "live"


async def test_values_that_are_no_numbers_make_few_gaps_and_end_in_the_end(shared):
    """Every other value of an f32le stream is none: thousands of runs a second."""
    start = START | {"encoding": "f32le"}
    block = np.zeros(1600, "<f4")
    block[::2] = np.nan
    with shared() as service:
        async with socket(service, "/v1/stream") as ws:
            await ws.send(json.dumps(start))
            reading = asyncio.create_task(received(ws))
            with suppress(ConnectionClosed):
                for _ in range(45):
                    await ws.send(block.tobytes())
            events = await asyncio.wait_for(reading, 30)
    gaps = [e for e in events if e.type == "gap"]
    assert events[-2].code == "bad_sound"
    assert 0 < len(gaps) <= 41
    assert {e.cause for e in gaps} == {"not_finite"}


async def test_floats_of_integer_scale_end_the_stream_with_the_reason(shared, speech):
    start = START | {"encoding": "f32le"}
    with shared() as service:
        async with socket(service, "/v1/stream") as ws:
            await ws.send(json.dumps(start))
            await ws.send(speech[8000:11200].astype("<f4").tobytes())
            events = await received(ws)
    assert events[-2].code == "bad_sound"
    assert "full scale" in events[-2].message
    assert not any(event.type == "emotion" for event in events)


async def test_infinities_are_no_loud_sound(shared):
    start = START | {"encoding": "f32le"}
    block = np.zeros(1600, "<f4")
    block[100] = np.inf
    with shared() as service:
        async with socket(service, "/v1/stream") as ws:
            await ws.send(json.dumps(start))
            await ws.send(block.tobytes())
            await ws.send('{"type": "end"}')
            events = await received(ws)
    assert [e.cause for e in events if e.type == "gap"] == ["not_finite"]


async def test_events_of_a_session_are_bounded(serving, speech, monkeypatch):
    monkeypatch.setattr(LiveSession, "EVENTS_AT_ONCE", 5.0)
    monkeypatch.setattr(LiveSession, "EVENTS_PER_S", 0.1)
    with serving() as service:
        async with socket(service, "/v1/stream") as ws:
            reading = asyncio.create_task(received(ws))
            await send_all(ws, speech, end=False)
            events = await asyncio.wait_for(reading, 30)
    assert events[-2].code == "bad_sound"
    assert "too many events" in events[-2].message


def test_what_is_no_number_is_merged_in_a_block():
    from livemood.audio import AudioBlock

    samples = np.zeros((100, 2), np.float32)
    samples[10, 0] = samples[50, 1] = np.nan
    numbers = NumbersOnly(2)
    taken = numbers.take(AudioBlock(0, samples, 0.0), 0.0)
    assert np.isnan(taken.samples[10:51]).all()
    assert np.isfinite(taken.samples[:10]).all()
    assert np.isfinite(taken.samples[51:]).all()
    assert np.isfinite(samples[11:50]).all(), "what was given stays as it is"
    clean = AudioBlock(0, np.ones((5, 2), np.float32), 0.0)
    assert numbers.take(clean, 0.0) is clean
    many = [numbers.take(AudioBlock(0, samples, 0.0), 0.0) for _ in range(100)]
    assert many[-1] is None
    assert sum(block is not None for block in many) == NumbersOnly.BURST - 1
