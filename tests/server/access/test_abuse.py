"""Guests who take more than their share, and tokens that hold no more."""

import asyncio
import json
import logging
import shutil
import socket as sockets
from contextlib import suppress

import pytest
from calling import CALL, Caller, create, mu_law, settled
from talking import SPEC, alive, client, code, received, refusal, send_all, socket, stream, until
from websockets.exceptions import ConnectionClosed

from livemood.audio import resample
from livemood.server.monitor.listener import listen
from livemood.timeline.events import parse_event


def coded(speech):
    return mu_law(resample(speech.astype("float32") / 32768, 16000, 8000))


def lines(service, opened):
    """The events of an ended session."""
    assert opened.settled.wait(30)
    return [json.loads(text) for _, text in service.storage.read(opened.record.id)]


async def test_a_revoked_token_ends_calls_made_with_it(serving, speech):
    """RTP knows no tokens: the session does. One that waits is ended, and one that talks."""
    with serving() as service:
        tokens = service.storage.tokens
        gone, stays = tokens.create(("ingest", "watch")), tokens.create(("manage", "watch"))
        with client(service, gone) as http:
            made = [http.post("/v1/sessions", json=CALL).json() for _ in range(2)]
        with client(service, stays) as http:
            other = http.post("/v1/sessions", json=CALL).json()
        port = made[0]["rtp"]["ports"][0]
        sound = coded(speech)
        with Caller("127.0.0.1", port) as caller:
            caller.say(sound, end=False)
            talking, waiting = (service.sessions.open(one["id"]) for one in made)
            await until(lambda: talking.live is not None)
            assert tokens.revoke(1)
            await until(lambda: service.sessions.open(made[0]["id"]) is None)
            await until(lambda: service.sessions.open(made[1]["id"]) is None)
        events = await asyncio.to_thread(lines, service, talking)
        assert [e["code"] for e in events if e["type"] == "error"] == ["bad_token"]
        assert waiting.record.state == "ended"
        assert service.sessions.open(other["id"]) is not None, "another token's goes on"


async def test_a_revoked_token_ends_a_telephone_call_and_none_begins_with_it(serving, speech):
    with serving() as service:
        tokens = service.storage.tokens
        token = tokens.create(("ingest", "watch"))
        provider = tokens.create(("manage", "ingest"))
        spec = SPEC | {"kind": "twilio"}
        with client(service, token) as http:
            first, second = (http.post("/v1/sessions", json=spec).json()["id"] for _ in range(2))
        form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}

        def begin(session):
            parameters = {"session": session, "token": provider}
            about = {"tracks": ["inbound"], "customParameters": parameters, "mediaFormat": form}
            return json.dumps({"event": "start", "start": about})

        async with socket(service, "/v1/twilio") as ws:
            await ws.send(begin(first))
            await until(lambda: service.sessions.open(first).live is not None)
            service._keeper.stop()  # between two of its rounds
            tokens.revoke(1)
            async with socket(service, "/v1/twilio") as late:
                await late.send(begin(second))
                assert json.loads(await late.recv())["code"] == "bad_token"
            service._keeper.tick(0.0)
            assert json.loads(await asyncio.wait_for(ws.recv(), 20))["code"] == "bad_token"
            with suppress(ConnectionClosed):
                await ws.recv()
            assert ws.close_code == 1008


async def test_sessions_that_are_never_used_keep_nobody_out(serving, speech):
    limits = {"waiting_channels": 20, "sessions_per_token": 30}
    with serving(limits=limits) as service:
        tokens = service.storage.tokens
        hoarder, honest = tokens.create(("ingest",)), tokens.create(("ingest", "watch"))
        rtp = CALL | {"participants": [f"p{n}" for n in range(4)]}
        with client(service, hoarder) as http:
            answers = [http.post("/v1/sessions", json=rtp) for _ in range(8)]
        assert [a.status_code for a in answers] == [201] * 5 + [429] * 3
        assert code(answers[-1]) == (429, "too_many_waiting")
        assert answers[-1].headers["retry-after"]
        # What else this machine does is not to be taken for these sessions' work.
        service._keeper.load = service.sessions.load = lambda: 0.03
        service.sessions.admission._guess = service.sessions.admission._cost = 0.03
        both = await asyncio.gather(*(stream(service, speech, token=honest) for _ in range(3)))
        assert all(events[-1].reason == "end" for events in both)
        with client(service, honest) as http:
            assert http.post("/v1/sessions", json=SPEC).status_code == 201


def test_parties_of_a_call_count_as_channels(serving):
    with serving(limits={"waiting_channels": 5}) as service, client(service) as http:
        six = CALL | {"rtp": {"parties": 6}}
        assert code(http.post("/v1/sessions", json=six)) == (429, "too_many_waiting")
        four = create(service, rtp={"parties": 4})
        assert len(four["rtp"]["ports"]) == 4
        assert service.sessions.admission.promised(four["id"], 0.0) in (0, 4)
        assert http.post("/v1/sessions", json=CALL | {"rtp": {"parties": 2}}).status_code == 429
        with Caller("127.0.0.1", four["rtp"]["ports"][0]):
            http.post(f"/v1/sessions/{four['id']}/end")
        settled(service, four)
        assert http.post("/v1/sessions", json=CALL | {"rtp": {"parties": 2}}).status_code == 201


async def test_bursts_of_one_stream_close_no_door_for_others(serving, speech):
    with serving() as service:
        async with socket(service, "/v1/stream") as ws:
            await send_all(ws, speech, end=False)  # four seconds at once: its windows are late
            for _ in range(60):
                event = parse_event(await asyncio.wait_for(ws.recv(), 20))
                if event.type == "emotion" and event.end_ms > 3000:
                    break
            assert service.sessions.admission.late == 0
            assert await stream(service, speech[:16000])


async def test_notes_are_rate_limited_and_lie_near_the_sound(shared, speech):
    with shared() as service:
        async with socket(service, "/v1/stream") as ws:
            await send_all(ws, speech, end=False)
            first = parse_event(await ws.recv())
            await until(lambda: service.sessions.open(first.session).live.arrived_ms > 4000)
            with client(service) as http:
                path = f"/v1/sessions/{first.session}/markers"
                far = http.post(path, json={"note": "far", "at_ms": 10**12})
                assert code(far) == (422, "bad_request")
                near = http.post(path, json={"note": "near", "at_ms": 5000})
                assert near.status_code == 201
                answers = [http.post(path, json={"note": "x" * 1000}) for _ in range(60)]
                limited = [a for a in answers if a.status_code != 201]
                assert limited
                assert {code(a) for a in limited} == {(429, "too_many_markers")}
            await ws.send('{"type": "end"}')
            await received(ws)


def test_the_audit_keeps_no_words_about_people(serving):
    name = "Ada Lovelace b. 1815"
    with serving() as service, client(service) as http:
        assert http.post("/v1/sessions", json=SPEC | {"purpose": name}).status_code == 403
        assert http.post("/v1/sessions", json=SPEC | {"purpose": "work"}).status_code == 403
        made = http.post("/v1/sessions", json=SPEC).json()["id"]
        assert http.get("/v1/audit").json()["lines"][0]["detail"] == {"purpose": "personal"}
        assert http.delete(f"/v1/sessions/{made}").status_code == 204
        audit = http.get("/v1/audit").json()["lines"]
    refused = [line["detail"] for line in audit if line["action"] == "refused"]
    assert refused == [
        {"code": "purpose_refused", "purpose": "work"},
        {"code": "unknown_purpose"},
    ]
    assert [line["detail"] for line in audit if line["session"] == made] == [{}, {}]
    assert name not in json.dumps(audit)


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0", "\u200b", "--", "."])
def test_a_blank_consent_is_none(shared, blank):
    with shared() as service, client(service) as http:
        spec = {"kind": "stream", "purpose": "research", "consent": blank}
        assert http.post("/v1/sessions", json=spec).status_code == 422
        assert http.post("/v1/sessions", json=spec | {"consent": " form 7 "}).status_code == 201


def test_answers_are_for_nobody_to_keep(serving):
    with serving() as service, client(service) as http:
        for path in ("/v1/sessions", "/v1/about", "/v1/audit", "/metrics", "/v1/sessions/none"):
            headers = http.get(path).headers
            assert headers["cache-control"] == "no-store", path
            assert headers["x-content-type-options"] == "nosniff", path
        assert http.get("/").headers["cache-control"] == "no-cache", "a page may be asked for again"


async def test_a_data_folder_that_was_removed_shows_in_health(serving, tmp_path):
    with serving(data=tmp_path / "data") as service, client(service) as http:
        assert http.get("/healthz").status_code == 200
        shutil.rmtree(tmp_path / "data")
        await until(lambda: http.get("/healthz").status_code == 503)
        assert http.get("/healthz").json()["status"] == "degraded"
        assert code(http.post("/v1/sessions", json=SPEC)) == (503, "storage_failed")


async def test_connections_beyond_the_limit_make_way_and_are_logged_once(caplog):
    caplog.set_level(logging.WARNING)
    listener = listen("127.0.0.1", 0, "", most=10, most_new=4)
    listener.setblocking(False)
    there = [sockets.create_connection(listener.getsockname()) for _ in range(8)]
    accepted = [listener.accept() for _ in range(8)]
    for one in there[:4]:
        assert one.recv(1) == b"", "the oldest that was new was closed"
    for _, address in accepted[4:]:
        listener.established(address)
    more = [sockets.create_connection(listener.getsockname()) for _ in range(6)]
    for number in range(6):
        accepted.append(listener.accept()) if number < 2 else None
    for connection, _ in accepted:
        connection.close()
    assert listener.connections == 0
    assert len(caplog.records) == 1, "many closings, one line"
    for one in (*there, *more):
        one.close()
    listener.close()


def test_no_descriptor_left_closes_one_connection_and_spins_not(monkeypatch, caplog):
    """`accept` fails as it does at the limit of open files: one is accepted and closed instead."""
    import errno

    listener = listen("127.0.0.1", 0, "")
    listener.setblocking(False)
    failing, real = [True], sockets.socket._accept

    def accept(self):
        if failing and self is listener:
            failing.pop()
            raise OSError(errno.EMFILE, "too many open files")
        return real(self)

    monkeypatch.setattr(sockets.socket, "_accept", accept, raising=False)
    calling = sockets.create_connection(listener.getsockname())
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert calling.recv(1) == b""
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()
    calling.close()


async def test_uvicorns_private_methods_that_are_overridden_are_there_and_called(serving, speech):
    """They are no public interface: a later version may rename them, and the limits would go."""
    from uvicorn.protocols.http.h11_impl import H11Protocol
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    from livemood.server.access.protocols import HalfOpen, WebSocketProtocol, http_protocol

    made = http_protocol(HalfOpen(10, 5.0))
    for ours, theirs in ((made, H11Protocol), (WebSocketProtocol, WebSocketsSansIOProtocol)):
        names = [name for name in vars(ours) if callable(vars(ours)[name])]
        own = {"_read"}
        assert [name for name in names if not hasattr(theirs, name) and name not in own] == []
    seen = set()

    def note(kind, name):
        method = getattr(kind, name)

        def noted(self, *args, **options):
            seen.add(name)
            return method(self, *args, **options)

        return noted

    with serving() as service:
        http = service._http._server.config.http_protocol_class
        patched = [
            (http, "connection_made"),
            (http, "connection_lost"),
            (http, "data_received"),
            (http, "handle_websocket_upgrade"),
            (WebSocketProtocol, "send"),
            (WebSocketProtocol, "handle_ping"),
            (WebSocketProtocol, "handle_cont"),
        ]
        with pytest.MonkeyPatch.context() as patch:
            for kind, name in patched:
                patch.setattr(kind, name, note(kind, name))
            async with socket(service, "/v1/stream") as ws:
                await ws.ping()
                await ws.send(['{"type": ', '"start"}'])
                await received(ws)
            assert (await refusal(service, "/v1/timeline"))[0] == 400
            with client(service) as plain:
                assert plain.get("/healthz").status_code == 200
            with suppress(TimeoutError):
                await until(lambda: len(seen) == len(patched))
            assert seen == {name for _, name in patched}
        await alive(service, speech[:1600])
