"""From speech to the receiver: rules in sessions, and the command line."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from standardwebhooks import Webhook
from typer.testing import CliRunner

import livemood
from livemood.cli.main import app
from livemood.errors import UsageError
from livemood.timeline.alert_rules import AlertRule

RATE = 16_000
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ANGRY = [
    f"03-01-05-0{i}-0{s}-0{r}-{a}" for a in (12, 16) for i in (1, 2) for s in (1, 2) for r in (1, 2)
]


@pytest.fixture(scope="module")
def conversation(corpora):
    """Somebody calm for some seconds, then somebody angry for some 15 s, then silence of 12 s."""

    def sound(name):
        samples, rate = soundfile.read(
            corpora / "ravdess" / "audio" / f"{name}.flac", dtype="float32"
        )
        assert rate == RATE
        loud = np.flatnonzero(np.abs(samples) > 0.01)
        return samples[loud[0] : loud[-1]]

    calm = [sound(f"03-01-01-01-0{s}-0{r}-12") for s in (1, 2) for r in (1, 2)]
    angry = [sound(name) for name in ANGRY]
    return np.concatenate([*calm, *angry, np.zeros(12 * RATE, np.float32)])


RULES = (
    AlertRule(name="angry", labels=frozenset({"angry"}), for_s=6, clear_after_s=2),
    AlertRule(name="dead air", silent=True, for_s=8),
)


def alerts(sound, block, rules=RULES):
    settings = livemood.MonitorSettings(alerts=rules)
    session = livemood.Session(rate=RATE, settings=settings, live=False)
    events = []
    for start in range(0, len(sound), block):
        events += session.push(sound[start : start + block])
    events += session.finish()
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    return [(e.rule, e.state, e.start_ms, e.end_ms) for e in events if e.type == "alert"]


def test_speech_raises_and_silence_clears(conversation):
    found = alerts(conversation, 320)
    assert [a[:2] for a in found] == [
        ("angry", "raised"),
        ("angry", "cleared"),
        ("dead air", "raised"),
    ]
    raised, cleared, silent = found
    assert 6000 <= raised[3] - raised[2] < 6600  # within half a second of the condition
    assert cleared[3] > raised[3]
    assert silent[3] - silent[2] == pytest.approx(8000, abs=250)


@pytest.mark.slow
def test_alerts_do_not_depend_on_the_sizes_of_blocks(conversation):
    assert alerts(conversation, 320) == alerts(conversation, 4096) == alerts(conversation, 99_991)


def test_a_rule_may_hold_for_other_purposes_only(conversation):
    rules = (RULES[0].model_copy(update={"purposes": frozenset({"telehealth"})}),)
    assert alerts(conversation, 4096, rules) == []


def test_a_rule_that_waits_for_an_unknown_label_is_refused():
    rules = (AlertRule(name="r", labels=frozenset({"furious"})),)
    with pytest.raises(UsageError, match="waits for 'furious', which the model never says"):
        livemood.Session(rate=RATE, settings=livemood.MonitorSettings(alerts=rules))


@pytest.fixture
def rules_file(tmp_path, receiver):
    path = tmp_path / "alerts.toml"
    path.write_text(
        '[[alerts]]\nname = "angry"\nlabels = ["angry"]\nfor_s = 6\n'
        f'[[webhooks]]\nname = "desk"\nurl = "{receiver.url}"\nsecret = {{env = "DESK_SECRET"}}\n'
    )
    return path


@pytest.mark.slow
def test_listen_tells_a_webhook(conversation, rules_file, receiver, tmp_path, monkeypatch):
    monkeypatch.setenv("DESK_SECRET", SECRET)
    soundfile.write(tmp_path / "call.wav", conversation, RATE, subtype="PCM_16")
    command = [sys.executable, "-m", "livemood", "listen", "--file", str(tmp_path / "call.wav")]
    command += ["--speed", "max", "--no-serve", "--json", "--alerts", str(rules_file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    (raised,) = [e for e in events if e["type"] == "alert" and e["state"] == "raised"]
    headers, body = receiver.wait_for(1)[0]
    message = Webhook(SECRET).verify(body, headers)
    assert (message["rule"], message["start_ms"]) == ("angry", raised["start_ms"])
    assert message["session"] == raised["session"]


def test_receivers_can_be_tried(rules_file, receiver, monkeypatch):
    monkeypatch.setenv("DESK_SECRET", SECRET)
    done = CliRunner().invoke(app, ["alerts", "test", str(rules_file)])
    assert (done.exit_code, done.output) == (0, "desk: delivered\n")
    ((_, body),) = receiver.wait_for(1)
    assert json.loads(body)["type"] == "test"
    receiver.answers = [401]
    done = CliRunner().invoke(app, ["alerts", "test", str(rules_file)])
    assert done.exit_code == 1
    assert "desk: answered 401" in done.output


def test_rules_can_be_checked(rules_file, monkeypatch):
    monkeypatch.setenv("DESK_SECRET", SECRET)
    done = CliRunner().invoke(app, ["alerts", "check", str(rules_file)])
    assert done.output == "angry: each channel\n1 rule; receivers: desk\n"
    monkeypatch.delenv("DESK_SECRET")
    done = CliRunner().invoke(app, ["alerts", "check", str(rules_file)])
    assert "note: desk: the environment variable DESK_SECRET is not set here" in done.output


def test_a_label_that_the_model_never_gives_is_refused_by_the_check(tmp_path):
    path = tmp_path / "alerts.toml"
    path.write_text('[[alerts]]\nname = "low"\nlabels = ["angyr"]\nfor_s = 6\n')
    done = CliRunner().invoke(app, ["alerts", "check", str(path)])
    assert isinstance(done.exception, UsageError)
    assert "alert 'low' waits for 'angyr', which the model never says: use angry" in str(
        done.exception
    )
    done = CliRunner().invoke(app, ["alerts", "check", str(path), "--model", "nobody's"])
    assert "no model is called" in str(done.exception)
