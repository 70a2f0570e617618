"""`livemood.Producer` at a server of its own; `cluster/test_moving.py` has those that move on."""

import asyncio

import pytest

import livemood
from livemood.errors import ConnectError, UsageError

ABOUT = {"purpose": "personal", "informed": True}


def producer(service, **about):
    return livemood.Producer(f"ws://127.0.0.1:{service.port}", rate=16000, **about)


async def test_what_its_sound_gives_comes_back_to_the_end(shared, speech):
    with shared() as service:
        async with producer(service, **ABOUT) as made:
            for at in range(0, len(speech), 3200):
                await made.push(speech[at : at + 3200])
            await made.finish()
            with pytest.raises(UsageError, match="finished"):
                await made.push(speech[:3200])
            events = [event async for event in made]
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            assert events[-1].reason == "end"
            assert any(event.type == "emotion" for event in events)
            with pytest.raises(ConnectError, match="has ended"):
                await made.push(speech[:3200])


async def test_who_only_pushes_learns_that_the_server_refuses(shared, speech):
    async def speak(made):
        while True:
            await made.push(speech[:3200])
            await asyncio.sleep(0)

    with shared() as service:
        async with producer(service, purpose="nobody knows this") as made:
            with pytest.raises(ConnectError, match="refused"):
                await asyncio.wait_for(speak(made), 20)
