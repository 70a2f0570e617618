"""With TLS: between nodes, to NATS, and for clients."""

import asyncio
import json
import ssl
import subprocess

import httpx
import psutil
import pytest
from nodes import Cluster
from own_servers import Nats
from talking import START, received, until
from websockets.asyncio.client import connect

pytestmark = pytest.mark.slow  # three nodes, NATS and PostgreSQL


async def test_nodes_meet_each_other_and_nats_with_certificates(
    postgresql, certificate, speech, tmp_path
):
    cert, key = certificate
    trusted = ssl.create_default_context(cafile=str(cert))
    tls = ("--cert", cert, "--key", key, "--set", f"node.ca={cert}")
    with (
        Nats("let me in", certificate) as nats,
        Cluster(tmp_path, nats, postgresql.new()) as made,
    ):
        a, b = made.node("a", *tls), made.node("b", *tls)
        assert {a.url[:6], b.url[:6]} == {"https:"}
        headers = {"Authorization": f"Bearer {a.token}"}
        options = {"ssl": trusted, "additional_headers": headers, "max_size": None}
        async with connect(a.url.replace("https", "wss") + "/v1/stream", **options) as ws:
            await ws.send(json.dumps(START))
            session = json.loads(await ws.recv())["session"]
            with httpx.Client(base_url=b.url, headers=headers, verify=trusted, timeout=30) as http:
                await until(lambda: session in http.get("/v1/sessions?state=live").text)
                path = f"/v1/sessions/{session}"  # node b asks node a
                note = await asyncio.to_thread(http.post, f"{path}/markers", json={"note": "x"})
                assert note.status_code == 201, note.text
                where = f"{b.url.replace('https', 'wss')}/v1/timeline?session={session}&after=0"
                async with connect(where, **options) as watching:
                    assert json.loads(await watching.recv())["seq"] == 1
                    await ws.send('{"type": "end"}')
                    assert (await received(watching))[-1].reason == "end"
        # The nodes' own doors speak TLS, too.
        public = int(a.url.rpartition(":")[2])
        listening = {
            each.laddr.port
            for each in psutil.Process(a.process.pid).net_connections(kind="tcp")
            if each.status == psutil.CONN_LISTEN
        }
        (door,) = listening - {public}
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{door}/listed")
        assert httpx.get(f"https://127.0.0.1:{door}/listed", verify=trusted).status_code == 401


def test_a_nats_whose_certificate_is_not_known_is_not_used(postgresql, certificate, tmp_path):
    with (
        Nats("let me in", certificate) as nats,
        Cluster(tmp_path, nats, postgresql.new()) as made,
    ):
        ran = subprocess.run(
            made.command("a"), env=made.environment, capture_output=True, text=True, timeout=90
        )
        assert ran.returncode == 1
        assert "NATS cannot be used" in ran.stderr
        assert "certificate" in ran.stderr
        assert "Traceback" not in ran.stderr
