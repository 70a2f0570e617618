"""The client against servers that are newer, broken or busy."""

import json

import pytest
from websockets.asyncio.server import serve

import livemood
from livemood.timeline.events import utc_now


def message(number, **fields):
    common = {"session": "s", "seq": number, "time": utc_now(), "start_ms": 0, "end_ms": number}
    return json.dumps(common | fields)


def speech(number, **fields):
    return message(number, type="speech.started", channel=0, **fields)


ENDED = {"type": "session.ended", "reason": "end", "summary": []}


class Server:
    """Answers each connection by the next script: messages, then a close code."""

    def __init__(self, *scripts):
        self.scripts, self.asked = list(scripts), []

    async def __aenter__(self):
        self._server = await serve(self._answer, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, socket):
        self.asked.append(socket.request.path)
        messages, code = self.scripts[0] if len(self.scripts) == 1 else self.scripts.pop(0)
        for text in messages:
            await socket.send(text)
        await socket.close(code)


@pytest.mark.parametrize(
    "code",
    [1011, pytest.param(1001, marks=pytest.mark.slow), pytest.param(1013, marks=pytest.mark.slow)],
)
async def test_a_server_that_accepts_and_closes_is_given_up_after_the_patience(code):
    async with Server(([], code)) as server:
        with pytest.raises(livemood.ConnectError):
            async for _ in livemood.connect(f"{server.url}?session=s", patience_s=3):
                pass
    assert 3 <= len(server.asked) <= 6, "waits get longer, and come to an end"


async def test_the_wait_is_short_again_after_an_event():
    broken = [([speech(n)], 1011) for n in range(1, 9)]
    async with Server(*broken, ([message(9, **ENDED)], 1000)) as server:
        events = [e async for e in livemood.connect(f"{server.url}?session=s", patience_s=0.5)]
    assert [e.seq for e in events] == list(range(1, 10))
    assert [path.partition("after=")[2][0] for path in server.asked] == list("012345678")


@pytest.mark.slow
async def test_an_event_that_was_had_before_is_no_reason_to_hurry():
    async with Server(([speech(1)], 1011)) as server:
        with pytest.raises(livemood.ConnectError):
            async for _ in livemood.connect(f"{server.url}?session=s", patience_s=2):
                pass
    assert len(server.asked) <= 6


async def test_types_and_fields_of_a_newer_server_are_passed_over():
    script = [
        speech(1, mood_of_the_moon="full"),
        message(2, type="hologram", channel=0, rays=[1, {"x": 2}]),
        message(3, **ENDED, extra={"deep": True}),
    ]
    async with Server((script, 1000)) as server:
        events = [e async for e in livemood.connect(server.url)]
    assert [(e.type, e.seq) for e in events] == [("speech.started", 1), ("session.ended", 3)]
    assert not hasattr(events[0], "mood_of_the_moon")


async def test_a_type_that_is_not_known_counts_as_had():
    first = [message(1, type="hologram")], 1011
    async with Server(first, ([message(2, **ENDED)], 1000)) as server:
        events = [e async for e in livemood.connect(f"{server.url}?session=s")]
    assert [e.seq for e in events] == [2]
    assert "after=1" in server.asked[1]


@pytest.mark.parametrize(
    "text",
    ["no json", "{}", '{"type": "hologram"}', message("one", type="speech.started", channel=0)],
)
async def test_what_is_no_event_is_said_in_one_line(text):
    async with Server(([text], 1000)) as server:
        with pytest.raises(livemood.ProtocolError, match="no livemood event") as failed:
            async for _ in livemood.connect(server.url):
                pass
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        ("/", "/v1/timeline?after=0"),
        ("", "/v1/timeline?after=0"),
        ("/v1/timeline", "/v1/timeline?after=0"),
        ("/sessions/4f2a", "/v1/timeline?after=0&session=4f2a"),
        ("/behind/a/proxy/sessions/4f2a/", "/behind/a/proxy/v1/timeline?after=0&session=4f2a"),
        ("/?session=x%26y", "/v1/timeline?after=0&session=x%26y"),
    ],
)
async def test_the_address_of_the_page_will_do(page, asked):
    async with Server(([message(1, **ENDED)], 1000)) as server:
        url = server.url.replace("ws:", "http:") + page
        events = [e async for e in livemood.connect(url)]
    assert [e.type for e in events] == ["session.ended"]
    assert server.asked == [asked]


@pytest.mark.parametrize("url", ["ftp://host", "host:8765", "ws://", "http://[", "ws://a b"])
async def test_what_is_no_address_is_said(url):
    with pytest.raises(livemood.UsageError, match="no WebSocket address"):
        async for _ in livemood.connect(url):
            pass
