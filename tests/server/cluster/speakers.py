"""Those who speak to a cluster, and those who watch."""

import asyncio

import livemood

ABOUT = {"purpose": "personal", "informed": True}


class Speaker:
    """One who speaks at the pace of time, until told to stop, wherever the session goes on."""

    def __init__(self, node, speech, forgetful=False):
        self.node, self._speech, self._forgetful = node, speech, forgetful
        self.events, self.stop, self.begun = [], asyncio.Event(), asyncio.Event()

    async def run(self):
        address = self.node.url.replace("http", "ws", 1)
        async with livemood.Producer(
            address, rate=16000, token=self.node.token, **ABOUT
        ) as producer:
            speaking = asyncio.create_task(self._speak(producer))
            async for event in producer:
                self.events.append(event)
                if event.type == "emotion":
                    self.begun.set()
            await speaking

    async def _speak(self, producer):
        place = 0
        while not self.stop.is_set():
            await producer.push(self._speech[place : place + 3200])
            if self._forgetful:  # it cannot send again what was not heard
                producer._sent.clear()
            place = (place + 3200) % (len(self._speech) - 3200)
            await asyncio.sleep(0.2)
        await producer.finish()

    @property
    def session(self):
        return self.events[0].session


def texts(events):
    return [event.model_dump_json() for event in events if event.seq is not None]


def numbers(events):
    return [event.seq for event in events if event.seq is not None]


async def watch(nodes, session):
    """All of a session, from whichever of the nodes answers."""
    addresses = [f"{node.url}?session={session}".replace("http", "ws", 1) for node in nodes]
    return [event async for event in livemood.connect(addresses, token=nodes[0].token)]


def moves(events):
    return [e for e in events if e.type == "gap" and e.cause == "moved"]
