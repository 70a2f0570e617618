"""Transcripts and observations on `/v1/stream`."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import pytest
from talking import START, client, received, socket
from websockets.exceptions import ConnectionClosed

from livemood.timeline.events import parse_event

HAPPY = {"type": "transcript", "text": "so happy and great", "start_ms": 0, "end_ms": 3500}
SEEN = {"type": "observation", "source": "camera", "labels": {"sad": 1.0}, "confidence": 0.9}
SEEN |= {"start_ms": 500, "end_ms": 3500}


async def sent(service, speech, *messages, start=START):
    """Events of a stream with these messages after its sound."""
    async with socket(service, "/v1/stream") as ws:
        await ws.send(json.dumps(start))
        with suppress(ConnectionClosed):  # the server has its reasons, which it says
            for at in range(0, len(speech), 3200):
                await ws.send(speech[at : at + 3200].tobytes())
                await asyncio.sleep(0)
            for message in messages:
                await ws.send(json.dumps(message))
            await ws.send('{"type": "end"}')
        return await received(ws)


async def test_words_come_back_beside_the_voice_and_are_kept_without_text(
    serving, speech, text_model
):
    with serving(words=str(text_model)) as service:
        events = await sent(service, speech, HAPPY, SEEN)
        with client(service) as http:
            path = f"/v1/sessions/{events[0].session}/timeline"
            kept = http.get(path, params={"format": "jsonl"}).text
    (words,), (seen,) = ([e for e in events if e.type == t] for t in ("words", "observation"))
    assert (words.label, words.text) == ("happy", None)
    assert (seen.source, seen.label) == ("camera", "sad")
    last = [e for e in events if e.type == "fused"][-1]  # which of both is read first is open
    assert set(last.sources) == {"voice", "words", "camera"}
    assert events[-1].reason == "end"
    assert "so happy" not in kept
    assert [parse_event(line).type for line in kept.splitlines()] == [e.type for e in events]


async def test_words_are_kept_with_consent(serving, speech, text_model):
    with serving(words=str(text_model)) as service:
        refused = await sent(service, speech, start=START | {"keep_words": True})
        start = START | {"keep_words": True, "consent": "form 7"}
        events = await sent(service, speech, HAPPY, start=start)
    assert refused[-1].code == "no_consent"
    assert [e.text for e in events if e.type == "words"] == ["so happy and great"]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (HAPPY | {"text": ""}, "text"),
        (HAPPY | {"channel": 3}, "no channel 3"),
        (HAPPY | {"start_ms": 4000}, "start_ms"),
        (HAPPY | {"end_ms": 900_000}, "lies ahead"),
        (HAPPY | {"loud": True}, "loud"),
        (SEEN | {"labels": {"glad": 1}}, "'glad' is none of"),
        (SEEN | {"labels": {}}, "labels"),
        (SEEN | {"confidence": 2}, "confidence"),
    ],
)
async def test_what_cannot_be_ends_the_stream_and_says_why(
    serving, speech, text_model, message, says
):
    with serving(words=str(text_model)) as service:
        events = await sent(service, speech, message)
    errors = [e for e in events if e.type == "error"]
    assert errors
    assert says in errors[0].message
    assert errors[0].fatal


async def test_a_server_that_reads_no_words_says_so(shared, speech):
    with shared() as service:
        events = await sent(service, speech, HAPPY)
    (error,) = (e for e in events if e.type == "error")
    assert error.code == "bad_request"
    assert "takes no words" in error.message


@asynccontextmanager
async def opened(service, speech):
    """A stream whose voice is being read, and the session's id."""
    async with socket(service, "/v1/stream") as ws:
        await ws.send(json.dumps(START))
        session = parse_event(await ws.recv()).session
        for at in range(0, len(speech), 3200):
            await ws.send(speech[at : at + 3200].tobytes())
        while parse_event(await ws.recv()).type != "emotion":
            pass
        yield ws, session


SPOKEN = {key: value for key, value in HAPPY.items() if key != "type"}


async def test_words_are_handed_in_by_rest_too(serving, speech, text_model):
    """Whoever recognises the speech need not be who sends the sound."""
    with serving(words=str(text_model)) as service, client(service) as http:
        async with opened(service, speech) as (ws, session):
            path = f"/v1/sessions/{session}/transcript"
            answer = await asyncio.to_thread(http.post, path, json=SPOKEN)
            assert (answer.status_code, answer.content) == (202, b"")
            refusals = {
                "no channel 3": SPOKEN | {"channel": 3},
                "lies ahead": SPOKEN | {"end_ms": 900_000},
                "text: ": SPOKEN | {"text": ""},
                "loud: ": SPOKEN | {"loud": True},
            }
            for says, wrong in refusals.items():
                refused = await asyncio.to_thread(http.post, path, json=wrong)
                assert refused.status_code == 422
                assert says in refused.json()["error"]["message"]
            await ws.send('{"type": "end"}')
            events = await received(ws)
        late = http.post(path, json=SPOKEN)
        nowhere = http.post("/v1/sessions/nowhere/transcript", json=SPOKEN)
    (words,) = (e for e in events if e.type == "words")
    assert (words.label, words.text, words.start_ms, words.end_ms) == ("happy", None, 0, 3500)
    (fused,) = (e for e in events if e.type == "fused")
    assert set(fused.sources) == {"voice", "words"}
    assert events[-1].reason == "end"
    assert (late.status_code, late.json()["error"]["code"]) == (409, "not_live")
    assert nowhere.status_code == 404


async def test_words_by_rest_are_refused_where_none_are_read(shared, speech):
    with shared() as service, client(service) as http:
        async with opened(service, speech) as (_, session):
            path = f"/v1/sessions/{session}/transcript"
            answer = await asyncio.to_thread(http.post, path, json=SPOKEN)
        assert answer.status_code == 422
        assert "takes no words" in answer.json()["error"]["message"]
