"""From threads to an event loop: everything, in order, whatever goes wrong on the way."""

import asyncio
import threading

from talking import until

from livemood.server.sessions.delivery import Delivery


async def test_every_call_arrives_once_and_in_order():
    delivery, got, done = Delivery(), [], asyncio.Event()
    delivery.call(got.append, ("early", 0))
    delivery.attach(asyncio.get_running_loop())

    def bring(name):
        for number in range(2000):
            delivery.call(got.append, (name, number))
            if number % 500 == 0:
                threading.Event().wait(0.01)  # long enough for the loop to stop looking

    threads = [threading.Thread(target=bring, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    delivery.call(lambda: 1 / 0)
    delivery.call(done.set)
    await asyncio.wait_for(done.wait(), 20)
    assert got[0] == ("early", 0)
    for name in "abc":
        assert [n for who, n in got if who == name] == list(range(2000))
    await until(lambda: not delivery._woken)  # the loop looks no more
    late = asyncio.Event()
    threading.Thread(target=delivery.call, args=(late.set,)).start()
    await asyncio.wait_for(late.wait(), 20)
