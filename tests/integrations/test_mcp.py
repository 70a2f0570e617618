"""`livemood mcp` as an assistant's program starts it, with the SDK's own client."""

import importlib.util
import json
import sys
from contextlib import asynccontextmanager

import httpx
import pytest

from livemood.cli.live.listen import DEMO
from livemood.engine import About, MonitorSettings, analyze_file
from livemood.integrations.session_state import entries, state_of
from livemood.server import ServerThread
from livemood.server.serve import Service
from livemood.server.serve.settings import ServeSettings
from livemood.server.storage.tokens import Tokens
from livemood.timeline import Timeline
from livemood.timeline.alert_rules import AlertRule

if importlib.util.find_spec("mcp") is None:
    pytest.skip("needs the extra mcp", allow_module_level=True)
NAMES = ("Clinic", "Caller")
RULE = AlertRule(name="silence", silent=True, for_s=1.0)


@pytest.fixture(scope="module")
def demo(model):
    """The bundled conversation: its timeline."""
    settings = MonitorSettings(alerts=(RULE,))
    timeline, failure = analyze_file(DEMO, model, settings, about=About(participants=NAMES))
    assert failure is None
    return timeline


@pytest.fixture
def monitor(demo):
    """A monitor in the middle of the conversation: its address, and what it has said."""
    half = len(demo.events) // 2
    with ServerThread(0) as server:
        for event in demo.events[:half]:
            server.publish(event)
        yield server.page.split("?")[0].rstrip("/"), Timeline(demo.events[:half])


@asynccontextmanager
async def assistant(url, token=None):
    """The SDK's client, with `livemood mcp` as a program of its own."""
    import mcp

    environment = {"LIVEMOOD_TOKEN": token} if token else {}
    arguments = ["-m", "livemood", "mcp", "--server", url]
    started = mcp.StdioServerParameters(
        command=sys.executable, args=arguments, env=environment | _python()
    )
    async with mcp.Client(mcp.stdio_client(started)) as client:
        yield client


def _python():
    import os

    return {name: os.environ[name] for name in ("PYTHONPATH", "PATH") if name in os.environ}


async def ask(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def refused(client, tool, **arguments):
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    return result.content[0].text


@pytest.mark.slow
async def test_an_assistant_asks_a_monitor(monitor):
    url, timeline = monitor
    async with assistant(url) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"list_sessions", "current_state", "timeline", "search"}
        assert all(tool.annotations.read_only_hint for tool in tools.values())
        assert all(tool.description for tool in tools.values())
        (line,) = (await ask(client, "list_sessions"))["sessions"]
        assert (line["state"], line["participants"]) == ("live", list(NAMES))
        assert line["source"] == timeline.source
        assert (await ask(client, "list_sessions", query="nobody"))["sessions"] == []
        assert (await ask(client, "list_sessions", state="ended"))["sessions"] == []
        state = await ask(client, "current_state")
        assert line["labels"] == [voice["label"] for voice in state["voices"]]
        assert state == json.loads(state_of(timeline).model_dump_json())
        assert [voice["who"] for voice in state["voices"]] == list(NAMES)
        assert state["ended"] is False
        assert any(voice["label"] for voice in state["voices"])
        part = await ask(client, "timeline")
        kinds = [entry["kind"] for entry in part["entries"]]
        assert kinds.count("segment") == sum(len(timeline.segments(c)) for c in (0, 1))
        label = next(e["label"] for e in part["entries"] if e["kind"] == "segment")
        found = (await ask(client, "search", label=label))["found"]
        assert {entry["label"] for entry in found[0]["entries"]} == {label}
        assert "give label" in await refused(client, "search")


@pytest.mark.slow
async def test_an_assistant_asks_a_server_with_a_token(model, tmp_path, clip):
    settings = ServeSettings(port=0, data=tmp_path / "data")
    with Service(settings, model, MonitorSettings(budget_s=60.0)) as service:
        tokens = Tokens(service.storage.database)
        ingest, watch = tokens.create(("ingest",)), tokens.create(("watch",))
        about = {"purpose": "personal", "informed": "true", "participants": "Ada", "name": "a.wav"}
        with httpx.Client(headers={"Authorization": f"Bearer {ingest}"}, timeout=60) as http:
            sound = clip("03-01-05-02-01-01-20").read_bytes()
            answer = http.post(f"{service.url}/v1/recordings", params=about, content=sound)
        assert answer.status_code == 202, answer.text
        session = answer.json()["id"]
        opened = service.sessions.open(session)
        assert opened is None or opened.settled.wait(120)
        async with assistant(service.url, watch) as client:
            (line,) = (await ask(client, "list_sessions", query="ada"))["sessions"]
            assert (line["session"], line["state"]) == (session, "ended")
            assert line["participants"] == ["Ada"]
            assert (await ask(client, "list_sessions", query="nobody"))["sessions"] == []
            state = await ask(client, "current_state", session=session)
            assert state["ended"] is True
            assert state["voices"][0]["speaking"] is False
            found = await ask(client, "search", label=line["labels"][0])
            assert found["sessions_searched"] == 1
            assert found["found"][0]["entries"][0]["who"] == "Ada"
            assert "0 sessions run" in await refused(client, "current_state")
            assert "no such session" in await refused(client, "timeline", session="nobody")
            assert "not found" in await refused(client, "timeline", session="../../about")
        async with assistant(service.url) as client:
            assert "needs a token" in await refused(client, "list_sessions")
    async with assistant(service.url) as client:
        assert "no livemood answers" in await refused(client, "list_sessions")


def test_the_state_follows_the_conversation(demo):
    for count in range(1, len(demo.events) + 1, 7):
        timeline = Timeline(demo.events[:count])
        state = state_of(timeline)
        assert state.ended is (count == len(demo.events))
        for voice in state.voices:
            readings = timeline.emotions(voice.channel)
            assert voice.label == (readings[-1].label if readings else None)
            assert voice.speaking is (voice.silent_for_s is None)
            if readings:
                assert 0 < voice.label_for_s <= state.at_s
    whole = state_of(demo)
    raised = [e for e in demo.events if e.type == "alert" and e.state == "raised"]
    assert raised
    assert whole.at_s == pytest.approx(demo.ended.end_ms / 1000)


def test_entries_can_be_narrowed(demo):
    everything = list(entries(demo))
    assert len(list(entries(demo, channel=0))) < len(everything)
    late = list(entries(demo, from_s=10.0, to_s=20.0))
    assert late
    assert all(entry.end_s >= 10.0 and entry.start_s <= 20.0 for entry in late)
    assert {entry.kind for entry in entries(demo, text="silence")} == {"alert"}


def test_an_address_that_is_none_is_said(capfd):
    from typer.testing import CliRunner

    from livemood.cli.main import app
    from livemood.errors import UsageError

    result = CliRunner().invoke(app, ["mcp", "--server", "nowhere"])
    assert isinstance(result.exception, UsageError)
    assert "http://127.0.0.1:8765" in str(result.exception)
