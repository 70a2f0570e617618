"""Who gets no data: wrong tokens, other pages, other hosts, proxies."""

import asyncio
import json
from socket import create_connection

import pytest
from talking import (
    ROUTES,
    SPEC,
    START,
    alive,
    client,
    code,
    received,
    refusal,
    send_all,
    socket,
    stream,
)

from livemood.errors import UsageError
from livemood.server.serve import Service
from livemood.server.serve.settings import ServeSettings
from livemood.server.storage.database import Database
from livemood.server.storage.tokens import Tokens
from livemood.timeline.events import parse_event


@pytest.fixture
def kept(serving, speech):
    """A server with tokens and one session, secret and ended."""

    async def prepare(service):
        tokens = service.storage.tokens
        made = {
            "all": tokens.create(("ingest", "watch", "manage")),
            "ingest": tokens.create(("ingest",)),
            "watch": tokens.create(("watch",)),
            "expired": tokens.create(("watch", "manage"), lifetime_s=0.001),
            "revoked": tokens.create(("watch", "manage")),
        }
        tokens.revoke(5)
        start = START | {"participants": ["Secret-Name"], "consent": "Secret-Form"}
        events = await stream(service, speech, start, made["all"])
        made["other"] = tokens.create(("ingest", "watch", "manage"), session="0" * 16)
        return events[0].session, made

    return prepare


BODIES = {"sessions": SPEC, "transcript": {"text": "x", "start_ms": 0, "end_ms": 1}}


async def test_without_a_good_token_there_is_nothing(serving, kept, speech):
    with serving(limits={"failed_logins": 1000}) as service:
        session, tokens = await kept(service)
        for name, status in (
            (None, 401),
            ("expired", 401),
            ("revoked", 401),
            ("other", 403),
            ("ingest", 403),
        ):
            token = tokens.get(name)
            with client(service, token) as http:
                for method, path in ROUTES:
                    body = BODIES.get(path.rpartition("/")[2], {"note": "x"})
                    answer = http.request(
                        method,
                        path.format(session),
                        json=body if method == "POST" else None,
                    )
                    if name == "ingest" and (method, path) == ("POST", "/v1/sessions"):
                        assert answer.status_code == 201
                        continue
                    if name == "other" and (method, path) == ("GET", "/v1/sessions"):
                        assert answer.json()["sessions"] == []
                        continue
                    assert answer.status_code == status, (name, method, path, answer.text)
                    assert "Secret" not in answer.text
                # A name that is none gets the same answer as one that is.
                assert http.get("/v1/sessions/nothing").status_code == status
            path = f"/v1/timeline?session={session}&after=0"
            assert (await refusal(service, path, token))[0] == status
            if name != "ingest":
                assert (await refusal(service, "/v1/stream", token))[0] == status
        with client(service, tokens["all"]) as http:
            record = http.get(f"/v1/sessions/{session}").json()
            assert record["participants"] == ["Secret-Name"]
            assert all(
                line["action"] in ("create", "read")
                for line in http.get("/v1/audit").json()["lines"]
            )
        with client(service, tokens["watch"]) as http:
            assert http.get(f"/v1/sessions/{session}").status_code == 200
            assert code(http.delete(f"/v1/sessions/{session}")) == (403, "missing_scope")
            assert code(http.post("/v1/sessions", json=SPEC)) == (403, "missing_scope")
        with client(service, tokens["other"]) as http:
            assert http.get("/v1/sessions").json()["sessions"] == []
        await alive(service, speech, tokens["all"])


async def test_another_tokens_session_is_not_to_be_touched(serving, kept):
    with serving() as service:
        _, tokens = await kept(service)
        thief = service.storage.tokens.create(("ingest",))
        with client(service, tokens["ingest"]) as mine, client(service, thief) as other:
            session = mine.post("/v1/sessions", json=SPEC).json()["id"]
            assert code(other.post(f"/v1/sessions/{session}/end")) == (403, "other_session")
            assert code(other.post(f"/v1/sessions/{session}/markers", json={"note": "x"})) == (
                403,
                "other_session",
            )
            async with socket(service, f"/v1/stream?session={session}", thief) as ws:
                await ws.send(json.dumps({"type": "start", "rate": 16000, "encoding": "s16le"}))
                assert [e.code for e in await received(ws)] == ["other_session"]
            assert mine.post(f"/v1/sessions/{session}/end").status_code == 200


async def test_a_revoked_token_ends_what_it_had_open(serving, kept, speech):
    with serving() as service:
        _, tokens = await kept(service)
        waiting = service.storage.tokens.create(("watch",))
        with client(service, tokens["all"]) as http:
            made = await asyncio.to_thread(http.post, "/v1/sessions", json=SPEC)
        async with (
            socket(service, f"/v1/timeline?session={made.json()['id']}", waiting) as watcher,
            socket(service, "/v1/stream", tokens["ingest"]) as ws,
        ):
            await send_all(ws, speech, end=False)
            first = parse_event(await ws.recv())
            service.storage.tokens.revoke(2)
            service.storage.tokens.revoke(7)
            assert [e.code for e in await received(watcher)] == ["bad_token"]
            assert "bad_token" in [getattr(e, "code", None) for e in await received(ws)]
        opened = service.sessions.open(first.session)
        if opened:
            await asyncio.to_thread(opened.settled.wait, 10)
        assert service.sessions.record(first.session).reason == "error"


def test_guessing_tokens_is_slowed_and_locks_nobody_out(serving):
    with serving(limits={"failed_logins": 5}) as service:
        good = service.storage.tokens.create(("watch",))
        answers = []
        for n in range(8):
            with client(service, f"lm_guess{n}") as http:
                answers.append(http.get("/v1/sessions"))
        assert [a.status_code for a in answers] == [401] * 5 + [429] * 3
        assert answers[-1].json()["error"]["code"] == "too_many_logins"
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert answers[0].headers["www-authenticate"] == "Bearer"
        with client(service, good) as http:
            assert http.get("/v1/sessions").status_code == 200


async def test_pages_of_other_origins_may_not_use_it(serving, speech):
    own = "https://board.example"
    with serving(origins=(own,)) as service:
        evil = {"Origin": "https://evil.example"}
        with client(service) as http:
            for method, path in ROUTES:
                answer = http.request(method, path.format("x"), headers=evil)
                assert code(answer) == (403, "wrong_origin")
            assert code(http.get("/v1/sessions", headers={"Origin": "null"}))[0] == 403
            answer = http.get("/v1/sessions", headers={"Origin": own})
            assert answer.headers["access-control-allow-origin"] == own
            same = http.get("/v1/sessions", headers={"Origin": service.url})
            assert same.status_code == 200
        for path in ("/v1/stream", "/v1/timeline?session=x"):
            assert await refusal(service, path, origin="https://evil.example") == (
                403,
                "wrong_origin",
            )
        await alive(service, speech)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "", "127.0.0.1@evil", "[::1", "127.0.0.1.evil"]
)
def test_other_host_names_are_refused_while_no_token_is_asked_for(shared, host):
    with shared() as service, client(service) as http:
        assert http.get("/v1/sessions", headers={"Host": host}).status_code == 400
        assert (
            http.get("/healthz", headers={"Host": f"localhost:{service.port}"}).status_code == 200
        )


def test_an_open_server_does_not_answer_through_a_proxy(shared):
    with shared() as service, client(service) as http:
        for header in (
            "X-Forwarded-For",
            "Forwarded",
            "Via",
            "X-Forwarded-Proto",
            "X-Real-IP",
            "CF-Connecting-IP",
            "True-Client-IP",
            "X-Forwarded-Server",
        ):
            answer = http.get("/v1/sessions", headers={header: "203.0.113.9"})
            assert code(answer) == (401, "no_token")


def test_an_open_server_does_not_answer_as_nginx_asks_unless_told_otherwise(shared):
    with shared() as service, create_connection(("127.0.0.1", service.port)) as nginx:
        host = f"127.0.0.1:{service.port}"
        nginx.sendall(f"GET /v1/sessions HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        assert b" 401 " in nginx.recv(4096).split(b"\r\n")[0]


def test_others_cannot_reach_it_unprotected(model, tmp_path):
    def start(**settings):
        return Service(ServeSettings(port=0, data=tmp_path / "d", **settings), model)

    for address in ("0.0.0.0", "::"):
        with pytest.raises(UsageError, match="livemood token create"):
            start(host=address)
        with pytest.raises(UsageError, match="livemood token create"):
            start(host=address, insecure_proxy=True)
        with pytest.raises(UsageError, match="calls would be received"):
            start(rtp={"host": address})
    with pytest.raises(UsageError, match="livemood token create"):
        start(hosts=("livemood.example",))
    database = Database(tmp_path / "d")
    Tokens(database).create(("watch",))
    database.close()
    with pytest.raises(UsageError, match="--cert and --key"):
        start(host="0.0.0.0")
    with pytest.raises(UsageError, match="give --cert and --key"):
        start(cert=tmp_path / "only.pem")
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(UsageError, match="cannot be used"):
        start(cert=tmp_path / "bad.pem", key=tmp_path / "bad.pem")
