"""Presets, on real speech and under the policy."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from typer.testing import CliRunner

from livemood.cli.main import app
from livemood.errors import LivemoodError, UsageError
from livemood.presets import NAMES, load_preset, preset_text
from livemood.server.access.policy import load_policy
from livemood.server.access.principal import LOCAL
from livemood.server.refused import Refused
from livemood.server.serve.registry import open_sessions
from livemood.server.serve.settings import read_settings
from livemood.server.spec import SessionSpec

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "presets.md"


def listen(file, *arguments):
    """The events of a file, heard as fast as it can be."""
    fixed = ["listen", "--file", str(file), "--speed", "max", "--no-serve", "--json"]
    done = CliRunner().invoke(app, [*fixed, *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def call(corpora, tmp_path_factory):
    """An angry agent and an angry customer, ten seconds each, on a channel each."""

    def angry(actor):
        names = [f"03-01-05-02-0{s}-0{t}-{actor}" for s in (1, 2) for t in (1, 2)]
        pieces = [sf.read(corpora / "ravdess" / "audio" / f"{n}.flac")[0] for n in names]
        return np.concatenate(pieces)  # fmt: skip

    sides = [angry("08"), angry("16")]
    length = min(map(len, sides))
    path = tmp_path_factory.mktemp("call") / "call.wav"
    sf.write(path, np.stack([side[:length] for side in sides], axis=1), 16000)
    return path


@pytest.mark.parametrize(
    "name", [NAMES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES[1:])]
)
def test_a_shipped_preset_is_allowed_by_the_policy_and_starts(name, demo_file, tmp_path):
    preset = load_preset(name)
    policy = load_policy()
    assert set(preset.purposes) <= set(policy.allowed)
    assert preset.name == name
    who = ["--participants", "Agent,Caller"] if name == "call-center" else []
    few = tmp_path / "few.wav"
    sound, rate = sf.read(demo_file, frames=48_000 * 12)
    sf.write(few, sound, rate)
    events = listen(few, "--preset", name, "--consent", "form 17", *who)
    started = events[0]
    assert started["purpose"] == preset.purposes[0]
    assert started["consent"] == "form 17"
    assert any(e["type"] == "emotion" for e in events)
    if name == "entertainment":
        assert started["settings"]["window_ms"] == 2000


@pytest.mark.corpora
def test_a_call_center_reads_the_customer_and_not_the_agent(call):
    both = listen(call, "--participants", "Agent,Customer")
    assert {e["channel"] for e in both if e["type"] == "emotion"} == {0, 1}
    events = listen(call, "--preset", "call-center", "--participants", "Agent,Customer")
    heard = {e["channel"] for e in events if e["type"] in ("emotion", "segment", "speech.started")}
    assert heard == {1}
    raised = [e for e in events if e["type"] == "alert" and e["state"] == "raised"]
    assert {e["rule"] for e in raised} == {"customer upset - channel 1"}
    turned = listen(call, "--preset", "call-center", "--participants", "customer,agent")
    assert {e["channel"] for e in turned if e["type"] == "emotion"} == {0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "call-center"], "Agent must not be read: name who speaks on each channel"),
        (["--preset", "call-center", "--participants", "Ann,Bob"], "nobody is called that"),
        (["--preset", "call-center", "--participants", "Agent,agent"], "nobody else speaks"),
        (["--preset", "telehealth"], "needs the consent of those who speak"),
        (["--preset", "research"], "needs the consent of those who speak"),
        (["--preset", "office"], "no preset is called 'office': use one of call-center"),
        (["--preset", "none.toml"], "cannot read the preset none.toml"),
    ],
)
def test_what_a_preset_asks_for_is_said_in_one_line(arguments, said, demo_file):
    with pytest.raises(LivemoodError, match=said) as caught:
        listen(demo_file, *arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('purposes = ["education"]', "people in education is forbidden"),
        ('purposes = ["spying"]', "the policy knows no purpose 'spying'"),
        ("purposes = []", "purposes: tuple should have at least 1 item"),
        ('purposes = ["personal"]\nreport_first = "x"', "report_first: input should be"),
        ('purposes = ["personal"]\nalert = "x"', "do you mean alerts?"),
        ('purposes = ["personal"]\n[monitor.smoother]\ndwell = 1', "smoother.dwell"),
        ('purposes = ["personal"]\n[monitor]\nvad = "silero"', r"monitor\.vad is not for a preset"),
        ("purposes", "is no TOML"),
    ],
)
def test_a_wrong_preset_of_your_own_is_refused_in_one_line(change, said, demo_file, tmp_path):
    (tmp_path / "my.toml").write_text(f'name = "mine"\n{change}\n')
    with pytest.raises(LivemoodError, match=said) as caught:
        listen(demo_file, "--preset", str(tmp_path / "my.toml"))
    assert "\n" not in str(caught.value)


def test_the_documented_preset_is_one_and_a_printed_one_can_be_copied(tmp_path):
    [text] = re.findall(r"(?ms)^```toml\n(.*?)^```", GUIDE.read_text("utf-8"))
    (tmp_path / "games.toml").write_text(text)
    assert load_preset(str(tmp_path / "games.toml")).alerts[0].name == "cheering"
    printed = CliRunner().invoke(app, ["presets", "call-center"]).stdout
    assert tomllib.loads(printed) == tomllib.loads(preset_text("call-center"))
    listed = CliRunner().invoke(app, ["presets"]).stdout.splitlines()
    assert [line.split("  ")[0] for line in listed] == list(NAMES)


@pytest.fixture
def sessions(model, tmp_path):
    """A function that opens the sessions of a server with a preset."""
    opened = []

    def open_them(preset, **flags):
        data = tmp_path / f"data-{len(opened)}"
        settings = read_settings(None, {"preset": preset, "data": data, **flags})
        opened.append(open_sessions(settings, model))
        return opened[-1]

    yield open_them
    for each in opened:
        each.storage.close()


def test_a_server_takes_what_its_preset_is_for_and_keeps_it_so_long(sessions):
    server = sessions("call-center", retention_days=3)
    assert server.default_retention_days == 3  # what you set yourself wins
    server = sessions("telehealth")
    assert server.default_retention_days == 7
    spec = SessionSpec(kind="stream", purpose="medical", consent="form 17")
    assert server.create(spec, LOCAL).retention_days == 7
    with pytest.raises(Refused) as caught:
        server.create(SessionSpec(kind="stream", purpose="customer-care", informed=True), LOCAL)
    assert caught.value.code == "unknown_purpose"
    rules = {rule.name for rule in server.flow.settings_of(server.create(spec, LOCAL)).alerts}
    assert rules == {"sounds sadder than before", "sounds afraid"}


def test_a_server_of_a_call_center_must_know_who_the_agent_is(sessions):
    server = sessions("call-center")
    unnamed = SessionSpec(kind="stream", purpose="customer-care", informed=True)
    with pytest.raises(Refused, match="name who speaks") as caught:
        server.create(unnamed, LOCAL)
    assert (caught.value.code, caught.value.status) == ("ignored_participants", 422)
    named = unnamed.model_copy(update={"participants": ("Customer", "Agent")})
    record = server.create(named, LOCAL)
    rules = server.flow.settings_of(record).alerts
    assert {rule.channel for rule in rules} == {0, 1}
    assert server.flow.settings_of(record).ignored(record.participants, 2) == {1}


def test_a_server_with_a_forbidden_purpose_does_not_start(sessions, tmp_path):
    (tmp_path / "my.toml").write_text('name = "school"\npurposes = ["education"]\n')
    with pytest.raises(UsageError, match="people in education is forbidden"):
        sessions(str(tmp_path / "my.toml"))


def test_the_report_begins_with_what_the_preset_says(synthetic, tmp_path):
    timeline = tmp_path / "t.jsonl"
    timeline.write_text("".join(e.model_dump_json() + "\n" for e in synthetic(120, 1)))
    heads = {}
    for name in ("entertainment", "call-center", "research"):
        out = tmp_path / f"{name}.html"
        done = CliRunner().invoke(app, ["report", str(timeline), "--preset", name, "-o", str(out)])
        assert done.exit_code == 0, done.output
        heads[name] = re.findall(r"<h2[^>]*>(.*?)</h2>", out.read_text("utf-8"))
    assert len({found[0] for found in heads.values()}) == 3
    assert len({tuple(sorted(found)) for found in heads.values()}) == 1
