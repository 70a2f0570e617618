"""Who has not the cluster's secret: reaches NATS, or the nodes' own door, and gets nothing."""

import asyncio
import json
import subprocess
from contextlib import suppress

import httpx
import nats as nats_client
import psutil
import pytest
from nodes import cluster
from talking import SPEC, START, code, socket

from livemood.errors import UsageError
from livemood.server.cluster.sealing import Seals, UnsealedError
from livemood.server.peers.node import NodeSettings

pytestmark = pytest.mark.slow  # three nodes, NATS and PostgreSQL

SECRET = "one secret of thirty-two letters"


async def everything(url, token):
    """All that NATS holds, as bytes."""
    connection = await nats_client.connect(url, token=token)
    stream = connection.jetstream()
    found = []
    for info in await stream.streams_info():
        for number in range(info.state.first_seq, info.state.last_seq + 1):
            with suppress(nats_client.js.errors.NotFoundError):
                found.append((await stream.get_msg(info.config.name, number)).data or b"")
    await connection.close()
    return b"".join(found)


async def test_whoever_reads_nats_learns_nothing(three, nats, speech):
    a = three[0]
    start = START | {"participants": ["Somebody Special"]}
    async with socket(a, "/v1/stream", a.token) as ws:
        await ws.send(json.dumps(start))
        for at in range(0, len(speech), 3200):
            await ws.send(speech[at : at + 3200].tobytes())
        while (await ws.recv()).find('"type":"emotion"') < 0:
            pass
        await asyncio.sleep(0.2)
        held = await everything(nats.url, nats.token)
    assert len(held) > 2000
    for word in (b"Somebody Special", b"emotion", b"token:", b"address", b"http"):
        assert word not in held


async def test_a_forged_node_and_a_forged_event_are_passed_over(three, nats):
    a, b, _ = three
    connection = await nats_client.connect(nats.url, token=nats.token)
    stream = connection.jetstream()
    leases = await stream.key_value("livemood_leases")
    stranger = Seals("another secret, as long as it must be")
    lease = {"node": 1, "name": "x", "beat": 1, "address": "http://127.0.0.1:9", "load": 0.0}
    lease |= {"url": "http://127.0.0.1:9", "cost": 0.0, "ready": True}
    await leases.put("1", stranger.seal("livemood_leases.1", json.dumps(lease).encode()))
    await leases.put("2", json.dumps(lease).encode())
    async with socket(a, "/v1/stream", a.token) as ws:
        await ws.send(json.dumps(START))
        session = json.loads(await ws.recv())["session"]
        async with socket(b, f"/v1/timeline?session={session}&after=0", b.token) as watching:
            assert json.loads(await watching.recv())["seq"] == 1
            await stream.publish(f"livemood_events.{session}", b'{"type":"session.ended","seq":2}')
            held = await stream.key_value("livemood_sessions")
            await held.delete(session)  # it cannot be kept from this, but it ends nothing
            await asyncio.sleep(0.5)
            await ws.send('{"type": "marker", "note": "still here"}')
            assert "still here" in await watching.recv()
    await connection.close()


def test_the_nodes_own_door_is_shut_to_others(three):
    a = three[0]
    public = int(a.url.rpartition(":")[2])
    ports = {
        each.laddr.port
        for each in psutil.Process(a.process.pid).net_connections(kind="tcp")
        if each.status == psutil.CONN_LISTEN
    }
    (door,) = ports - {public}
    principal = json.dumps({"name": "x", "scopes": ["manage"], "session": None, "token": None})
    headers = {"X-Livemood-Principal": principal, "X-Livemood-Secret": "guess"}
    for signature in ("", "1.2.3", f"9999999999.aa.{'0' * 64}"):
        signed = headers | {"X-Livemood-Signature": signature}
        for method, path in (("GET", "/v1/audit"), ("POST", "/listed"), ("POST", "/release/x")):
            answer = httpx.request(method, f"http://127.0.0.1:{door}{path}", headers=signed)
            assert code(answer) == (401, "bad_token")
        assert httpx.get(f"{a.url}/v1/audit", headers=signed).status_code == 401


def test_tokens_do_the_same_at_every_node(three):
    for node in three:
        with httpx.Client(base_url=node.url) as nobody:
            assert code(nobody.get("/v1/sessions")) == (401, "no_token")
            wrong = {"Authorization": "Bearer lm_guess"}
            assert code(nobody.get("/v1/sessions", headers=wrong)) == (401, "bad_token")


def test_a_node_with_another_secret_sees_nobody_and_is_seen_by_nobody(nats, postgresql, tmp_path):
    with cluster(tmp_path, nats, postgresql, "a") as made:
        made.secret = "another secret, just as long as it is"
        stranger = made.node("b")
        assert made.nodes[0].post("/v1/sessions", json=SPEC).status_code == 201
        assert made.nodes[0].get("/healthz").json()["sessions"] == 1
        assert stranger.get("/healthz").json()["sessions"] == 0


def test_no_secret_is_in_the_list_of_processes(three, nats):
    for node in three:
        said = " ".join(psutil.Process(node.process.pid).cmdline())
        assert nats.token not in said
        assert "a secret of the tests" not in said


def test_a_request_is_believed_once_by_one_node_and_unchanged():
    signer, other = Seals(SECRET).signer(), Seals(SECRET + "!").signer()
    told = (7, "POST", "/listed", b"who", b"body")
    signature = signer.sign(*told)
    assert not other.check(signature, *told)
    for change in ((8,), (7, "GET"), (7, "POST", "/release/x"), (7, "POST", "/listed", b"me")):
        assert not signer.check(signature, *change, *told[len(change) :])
    assert signer.check(signature, *told)
    assert not signer.check(signature, *told)
    assert not signer.check("nonsense", *told)


def test_a_sealed_message_is_for_one_subject_and_whole():
    seals = Seals(SECRET)
    sealed = seals.seal("a.b", b"content")
    assert b"content" not in sealed
    assert seals.open("a.b", sealed) == b"content"
    for subject, message in (
        ("a.c", sealed),
        ("a.b", sealed[:-1]),
        ("a.b", b""),
        ("a.b", b"x" * 40),
    ):
        with pytest.raises(UnsealedError):
            seals.open(subject, message)
    with pytest.raises(UsageError, match="too short"):
        Seals("short")


@pytest.mark.parametrize(
    ("url", "node", "says"),
    [
        ("http://127.0.0.1", {}, "give nats://HOST:4222"),
        ("nats://user:hidden@127.0.0.1", {}, "leave user and password out"),
        ("nats://nats.example.org", {}, "others could change"),
        ("tls://nats.example.org", {"host": "10.0.0.1"}, "others could listen in"),
    ],
)
def test_a_cluster_that_would_give_something_away_is_refused(url, node, says):
    with pytest.raises(UsageError, match=says) as refused:
        NodeSettings(**node).check(url, tls=False)
    assert "hidden" not in str(refused.value)


NOWHERE = ["--cluster", "nats://127.0.0.1:1", "--database", "{}"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (NOWHERE[:2], "--cluster needs --database"),
        (NOWHERE, "needs a secret"),
        ([*NOWHERE, "--workers", "2", "--set", "node.port=65535"], "no 2 ports from it on"),
    ],
)
def test_a_node_that_cannot_be_is_one_line(args, says, postgresql, tmp_path):
    from started import command

    given = [arg.format(postgresql.new()) for arg in args]
    ran = subprocess.run(
        [*command(), "serve", "--data", str(tmp_path), "--port", "0", *given],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 2
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
