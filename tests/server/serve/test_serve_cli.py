"""The real `livemood serve` and `livemood token`, in processes of their own."""

import asyncio
import json
import logging
import shutil
import signal
import socket as sockets
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from served import STREAM, served
from started import livemood
from talking import received, send_all, until
from websockets.exceptions import InvalidStatus

from livemood.cli.main import main
from livemood.engine import MonitorSettings
from livemood.errors import UsageError
from livemood.server.log_lines import WithoutSessions
from livemood.server.serve.settings import monitor_settings, read_settings
from livemood.timeline.events import parse_event


def test_a_token_says_for_which_server_it_is(tmp_path):
    data, config = tmp_path / "its data", tmp_path / "server.toml"
    config.write_text(f"data = '{data}'\n")
    made = livemood("token", "create", "--scope", "watch", "--config", config)
    assert made.returncode == 0, made.stderr
    assert len(made.stdout.split()) == 1
    assert str(data) in made.stderr
    assert "watch" in livemood("token", "list", "--data", data).stdout
    assert livemood("token", "revoke", "1", "--config", config).returncode == 0
    gone = livemood("token", "revoke", "7", "--config", config)
    assert gone.returncode == 1
    assert str(data) in gone.stderr
    missing = livemood("token", "list", "--config", tmp_path / "no.toml")
    assert missing.returncode == 2
    assert "no.toml" in missing.stderr
    # As the server finds its settings, so does this.
    assert "watch" in livemood("token", "list", env={"LIVEMOOD_CONFIG": str(config)}).stdout


def test_a_token_and_its_server_name_one_folder_in_whole(tmp_path):
    env = {"LIVEMOOD_DATA": "data"}
    made = livemood("token", "create", "--scope", "watch", env=env, cwd=tmp_path)
    assert made.stderr.strip().endswith(str(tmp_path / "data"))
    with served("data", cwd=tmp_path) as server:
        assert any(line.endswith(f" {tmp_path / 'data'}\n") for line in server.said)
    wrong = livemood("token", "list", "--data", tmp_path / "dta")
    assert str(tmp_path / "dta") in wrong.stderr
    assert livemood("token", "revoke", "1", "--data", tmp_path / "dta").returncode == 1
    assert not (tmp_path / "dta").exists()  # to look makes no folder of a mistyped name
    taken = livemood("token", "list", "--data", Path(__file__))
    assert taken.returncode == 1
    assert "another folder" in taken.stderr
    assert "backup" not in taken.stderr


def test_a_token_that_would_outlive_the_calendar_is_refused(tmp_path):
    for forever in ("99999999999d", "36501d"):
        made = livemood(
            "token", "create", "--scope", "watch", "--expires", forever, "--data", tmp_path
        )
        assert (made.returncode, made.stderr.count("\n")) == (2, 1)
        assert "36500d" in made.stderr
    assert livemood("token", "list", "--data", tmp_path).returncode == 0


@pytest.mark.slow
async def test_a_walk_with_tokens_and_tls(tmp_path, certificate, speech):
    cert, key = certificate
    data = tmp_path / "data"
    made = {
        scope: livemood(
            "token", "create", "--scope", scope, "--name", f"the {scope}er", "--data", data
        )
        for scope in ("ingest", "watch", "manage")
    }
    assert all(m.returncode == 0 for m in made.values())
    token = {scope: m.stdout.strip() for scope, m in made.items()}
    trust = ssl.create_default_context(cafile=cert)

    def bearer(scope):
        return {"Authorization": f"Bearer {token[scope]}"}

    with served(data, "--cert", cert, "--key", key, "--host", "0.0.0.0") as server:
        url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert url.startswith("https://")
        server.url = url
        async with httpx.AsyncClient(base_url=url, verify=trust) as http:
            assert (await http.get("/healthz")).status_code == 200
            assert (await http.get("/v1/about")).json()["auth_required"] is True
            assert (await http.get("/v1/sessions")).status_code == 401
            with pytest.raises(InvalidStatus):
                await server.websocket("/v1/stream", ssl=trust)
            # As a browser does it: the token among the subprotocols.
            protocols = ["livemood.v1", f"bearer.{token['ingest']}"]
            async with server.websocket("/v1/stream", ssl=trust, subprotocols=protocols) as ws:
                assert ws.subprotocol == "livemood.v1"
                await send_all(ws, speech)
                events = await received(ws)
            assert events[-1].type == "session.ended"
            path = f"/v1/sessions/{events[0].session}"
            assert (await http.get(path, headers=bearer("ingest"))).status_code == 403
            assert (await http.get(path, headers=bearer("watch"))).json()["labels"]
            assert (await http.delete(path, headers=bearer("watch"))).status_code == 403
            listed = livemood("token", "list", "--data", data)
            assert "the watcher" in listed.stdout
            assert token["watch"] not in listed.stdout
            assert livemood("token", "revoke", "2", "--data", data).returncode == 0
            assert (await http.get(path, headers=bearer("watch"))).status_code == 401
            assert (await http.delete(path, headers=bearer("manage"))).status_code == 204
            audit = (await http.get("/v1/audit", headers=bearer("manage"))).json()["lines"]
            who = {line["action"]: line["who"] for line in audit}
            assert who["create"] == "token:1 the ingester"
            assert who["delete"] == "token:3 the manageer"
        with pytest.raises(httpx.HTTPError):
            httpx.get(url.replace("https", "http") + "/healthz", timeout=5)


def test_wrong_settings_are_one_line(tmp_path, certificate, monkeypatch, capsys):
    def livemood(*args):
        monkeypatch.setattr(sys, "argv", ["livemood", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().err

    cert, key = certificate
    config = tmp_path / "livemood.toml"
    config.write_text("[limits]\nsesions = 5\n")
    data = ("--data", tmp_path / "data")
    (tmp_path / "text.toml").write_text("not toml")
    (tmp_path / "file").write_text("")
    for args, status, said in (
        (("--config", config), 2, "limits.sesions"),
        (("--config", tmp_path / "text.toml"), 2, "settings cannot be read"),
        (("--config", tmp_path / "none.toml"), 2, "no settings file"),
        (("--set", "limits.sessions=0"), 2, "limits.sessions"),
        (("--set", "limits"), 2, "NAME=VALUE"),
        (("--set", "port.x=1", "--port", "1"), 2, "no group"),
        (("--port", "70000"), 2, "port"),
        (("--host", "0.0.0.0"), 2, "livemood token create"),
        (("--host", "no.such.host.invalid"), 2, "livemood token create"),
        (("--cert", cert), 2, "--cert and --key"),
        (("--cert", key, "--key", cert), 2, "cannot be used"),
        (("--policy", tmp_path / "none.toml"), 2, "cannot read the policy"),
        (("--data", tmp_path / "file"), 1, "cannot keep data"),
    ):
        code, error = livemood("serve", *data, *args)
        assert (code, error.count("\n")) == (status, 1), (args, error)
        assert error.startswith("livemood: ")
        assert said in error
    for args in (
        ("create", "--scope", "root"),
        ("create", "--scope", "watch", "--expires", "soon"),
        ("revoke", "77"),
    ):
        code, error = livemood("token", *args, *data)
        assert code in (1, 2)
        assert error.startswith("livemood: ")


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path):
    config = tmp_path / "livemood.toml"
    config.write_text("retention_days = 5\nhop = 0.48\n[limits]\nsessions = 7\nidle_s = 5\n")
    env = {
        "LIVEMOOD_CONFIG": str(config),
        "LIVEMOOD_LIMITS__SESSIONS": "6",
        "LIVEMOOD_RETENTION_DAYS": "4",
    }
    with (
        served(tmp_path / "d", "--set", "retention_days=3", env=env) as server,
        httpx.Client(base_url=server.url) as http,
    ):
        spec = {"kind": "stream", "purpose": "personal", "informed": True}
        answers = [http.post("/v1/sessions", json=spec) for _ in range(8)]
    assert [a.status_code for a in answers] == [201] * 6 + [503] * 2
    assert answers[0].json()["retention_days"] == 3


def test_gate_window_and_smoother_can_be_set(tmp_path, model):
    file = tmp_path / "livemood.toml"
    file.write_text("[monitor.gate]\nstop_s = 0.9\n[monitor.smoother]\ndwell_s = 7.0\n")
    settings = read_settings(file, {"monitor": {"window": {"hop_s": "0.48"}}})
    made = monitor_settings(settings, model)
    assert (made.gate.stop_s, made.smoother.dwell_s, made.window.hop_s) == (0.9, 7.0, 0.48)
    assert (made.budget_s, made.gate.start_s) == (0.15, MonitorSettings().gate.start_s)
    for wrong, where in (
        ({"gate": {"stop_s": -1}}, "gate.stop_s"),
        ({"gate": {"stopp_s": 1}}, "gate.stopp_s"),
        ({"gates": {}}, "gates"),
        ({"window": {"length_s": 20}}, "too long"),
    ):
        with pytest.raises(UsageError, match=where):
            monitor_settings(read_settings(None, {"monitor": wrong}), model)


@pytest.mark.slow
async def test_the_log_names_no_session_whatever_fails(tmp_path, speech, clip):
    """The data folder goes while a session is recorded and another one uploaded."""
    data = tmp_path / "data"
    about = {"purpose": "research", "consent": "form 12", "keep_sound": True}
    with served(data) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
            waiting = await http.post("/v1/sessions", json=about | {"kind": "recording"})
            async with server.websocket("/v1/stream") as ws:
                await ws.send(json.dumps(STREAM | about))
                await ws.send(speech[:8000].tobytes())
                talking = parse_event(await ws.recv()).session
                shutil.rmtree(data)
                await ws.send(speech[8000:16000].tobytes())
                recording = clip("03-01-05-02-01-01-20").read_bytes()
                query = {"session": waiting.json()["id"]}
                answer = await http.post("/v1/recordings", params=query, content=recording)
                assert answer.status_code == 503

                async def told():
                    return (await http.get("/healthz")).status_code != 200

                await until(told)
                server.process.send_signal(signal.SIGINT)
                _, log = await asyncio.to_thread(server.process.communicate)
    assert "cannot be" in log
    assert talking not in log
    assert waiting.json()["id"] not in log


def test_ids_in_messages_and_tracebacks_are_left_out():
    session = "0123456789abcdef"
    formatter = WithoutSessions("%(message)s")
    try:
        raise FileNotFoundError(2, "No such file", f"/data/sound/{session}.opus")
    except FileNotFoundError:
        fault = sys.exc_info()
    line = f"GET /v1/sessions/{session}?x failed, 0x7f00a1b2c3d4"
    record = logging.LogRecord("livemood", logging.ERROR, "", 1, line, (), fault)
    text = formatter.format(record)
    assert session not in text
    assert "GET /v1/sessions/[session]?x failed, 0x7f00a1b2c3d4" in text
    assert "/data/sound/[session].opus" in text


@pytest.mark.slow
async def test_connections_that_never_shake_hands_keep_nobody_out(tmp_path, certificate):
    """Three hundred of them, with few files to open: health answers, and the log stays short."""
    cert, key = certificate
    livemood("token", "create", "--scope", "manage", "--data", tmp_path)
    context = ssl.create_default_context(cafile=cert)
    log = tmp_path / "log"
    anew = [sys.executable, "-m", "livemood"]
    serve = [*anew, "serve", "--data", tmp_path, "--port", "0", "--cert", cert, "--key", key]
    shell = f"ulimit -n 64; exec {' '.join(map(str, serve))} 2>{log}"
    with subprocess.Popen(["/bin/bash", "-c", shell]) as process:
        try:
            await until(lambda: log.is_file() and "serving at" in log.read_text())
            port = int(log.read_text().rsplit(":", 1)[1])
            there = []
            for _ in range(3):
                for _ in range(100):
                    one = sockets.socket()
                    one.setblocking(False)
                    one.connect_ex(("127.0.0.1", port))
                    there.append(one)
                async with httpx.AsyncClient(verify=context, timeout=30) as http:
                    for _ in range(3):
                        answer = await http.get(f"https://127.0.0.1:{port}/healthz")
                        assert answer.status_code == 200
            for one in there:
                one.close()
            assert log.stat().st_size < 4000
        finally:
            process.kill()


def test_the_servers_constraints_lie_within_what_is_asked_for():
    """And every dependency of the server that a hole was found in has a floor above it."""
    import tomllib

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    root = Path(__file__).parents[3]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["rtp"], *extras["webrtc"], *extras["silero"]]
    lines = (root / "deploy" / "server-constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    for wanted in map(Requirement, asked):
        version = pinned[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), wanted
    floors = {"starlette": "0.49.1", "h11": "0.16", "uvicorn": "0.54"}
    ranges = {r.name: r.specifier for r in map(Requirement, asked)}
    for name, floor in floors.items():
        assert not ranges[name].contains(str(Version(floor).major) + ".0")
        assert ranges[name].contains(floor) or name == "uvicorn"
        assert not ranges[name].contains("99"), f"{name} has no ceiling"
