"""Servers that keep sessions, tokens and timelines together, in a real PostgreSQL."""

import asyncio
import json
import subprocess

import pytest
from own_servers import Postgres
from started import command
from talking import SPEC, START, client, code, received, socket, stream, until

from livemood.errors import UsageError
from livemood.server.storage.postgresql.database import PostgresDatabase
from livemood.server.storage.postgresql.opening import check_url
from livemood.server.storage.postgresql.tokens import RememberedTokens

pytestmark = pytest.mark.slow  # two servers and PostgreSQL

ALL = ("ingest", "watch", "manage")


def token_in(url, scopes=ALL):
    database = PostgresDatabase(url, "test")
    token = RememberedTokens(database).create(scopes)
    database.close()
    return token


def files_of(folder):
    return [path.name for path in (folder / "timelines").iterdir()]


async def test_what_one_server_heard_is_read_at_another(serving, speech, postgresql, tmp_path):
    url = postgresql.new()
    token = token_in(url)
    both = {"database": url}
    with (
        serving(data=tmp_path / "a", **both) as one,
        serving(data=tmp_path / "b", **both) as other,
        client(other, token) as http,
    ):
        events = await stream(one, speech, token=token)
        session = events[0].session
        await until(lambda: one.sessions.open(session) is None)
        async with socket(other, f"/v1/timeline?session={session}&after=0", token) as ws:
            assert await received(ws) == events
        assert http.get(f"/v1/sessions/{session}").json()["reason"] == "end"
        assert session in http.get("/v1/sessions").text
        assert http.get(f"/v1/sessions/{session}/timeline?format=csv").status_code == 200
        assert files_of(tmp_path / "a") == []
        assert http.delete(f"/v1/sessions/{session}").status_code == 204
        assert one.storage.sessions.get(session) is None
        assert one.storage.events.read(session) == []


async def test_a_server_that_starts_ends_no_session_of_another(serving, postgresql, tmp_path):
    url = postgresql.new()
    token = token_in(url)
    with (
        serving(data=tmp_path / "a", database=url),
        serving(data=tmp_path / "c", database=url) as one,
        client(one, token) as http,
    ):
        made = http.post("/v1/sessions", json=SPEC).json()
        with serving(data=tmp_path / "b", database=url):
            assert http.get(f"/v1/sessions/{made['id']}").json()["state"] == "waiting"


async def test_sound_deleted_at_another_server_goes_from_the_disk(
    serving, speech, postgresql, tmp_path
):
    url = postgresql.new()
    token = token_in(url)
    start = START | {"keep_sound": True, "consent": "form 7"}
    with (
        serving(data=tmp_path / "a", database=url) as one,
        serving(data=tmp_path / "b", database=url) as other,
        client(other, token) as http,
    ):
        session = (await stream(one, speech, start, token))[0].session
        await until(lambda: one.sessions.open(session) is None)
        assert one.storage.sound.path(session).exists()
        assert http.delete(f"/v1/sessions/{session}").status_code == 204
        one.storage.retain()  # as every minute
        assert not one.storage.sound.path(session).exists()


@pytest.fixture
def own():
    """A PostgreSQL that a test may stop."""
    pytest.importorskip("psycopg")
    with Postgres() as server:
        yield server


async def test_a_running_session_goes_on_while_the_database_is_away(serving, speech, own, tmp_path):
    url = own.new()
    token = token_in(url)
    with serving(data=tmp_path / "a", database=url) as service, client(service, token) as http:
        async with socket(service, "/v1/stream", token) as ws:
            await ws.send(json.dumps(START))
            session = json.loads(await ws.recv())["session"]
            await until(lambda: service.storage.sessions.get(session).state == "live")
            await asyncio.to_thread(own.stop)
            for at in range(0, len(speech), 3200):
                await ws.send(speech[at : at + 3200].tobytes())
            while (await ws.recv()).find('"type":"emotion"') < 0:
                pass
            await until(lambda: http.get("/healthz").json()["status"] == "degraded")
            assert http.get("/readyz").status_code == 503
            assert code(http.post("/v1/sessions", json=SPEC)) == (503, "storage_failed")
            await ws.send('{"type": "end"}')
            assert (await received(ws))[-1].reason == "end"
            assert files_of(tmp_path / "a")
        await asyncio.to_thread(own.start)
        await until(lambda: service.sessions.open(session) is None)
        assert http.get("/healthz").json()["status"] == "ok"
        assert http.get(f"/v1/sessions/{session}").json()["reason"] == "end"
        lines = http.get(f"/v1/sessions/{session}/timeline?format=jsonl").text.splitlines()
        numbers = [json.loads(line)["seq"] for line in lines]
        assert numbers == list(range(1, len(numbers) + 1))
        assert files_of(tmp_path / "a") == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://user@host/db", "give postgresql://USER@HOST/DATABASE"),
        ("postgresql://user:secret@127.0.0.1/db", "leave the password out"),
        ("postgresql://user@127.0.0.1/db?password=secret", "leave the password out"),
        ("postgresql://user@example.org/db", "others could read"),
    ],
)
def test_an_address_that_would_give_something_away_is_refused(url, says):
    with pytest.raises(UsageError, match=says) as refused:
        check_url(url)
    assert "secret" not in str(refused.value)


def test_a_database_that_does_not_answer_is_one_line(tmp_path):
    pytest.importorskip("psycopg")
    url = f"postgresql://user@/db?host={tmp_path}"
    ran = subprocess.run(
        [*command(), "serve", "--data", str(tmp_path / "d"), "--database", url, "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert "the database cannot be used" in ran.stderr


def test_tokens_are_made_listed_and_revoked_in_the_database(postgresql, tmp_path):
    url = postgresql.new()
    where = ["--data", str(tmp_path / "d"), "--database", url]

    def run(*args):
        return subprocess.run(
            [*command(), "token", *args, *where], capture_output=True, text=True, timeout=60
        )

    token = run("create", "--scope", "watch").stdout.strip()
    database = PostgresDatabase(url, "test")
    assert RememberedTokens(database).find(token).scopes == ("watch",)
    assert "watch" in run("list").stdout
    assert run("revoke", "1").returncode == 0
    assert RememberedTokens(database).find(token) is None
    database.close()
