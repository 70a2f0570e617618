"""Files of alert rules and receivers."""

import pytest

from livemood.errors import UsageError
from livemood.notify.settings import load_notify_settings
from livemood.timeline.alert_rules import Range


def test_rules_come_from_a_file(tmp_path):
    path = tmp_path / "alerts.toml"
    path.write_text(
        '[[alerts]]\nname = "angry-customer"\nchannel = 1\nlabels = ["angry"]\nfor_s = 20\n'
        '[[alerts]]\nname = "dead air"\nsilent = true\nfor_s = 30\npurposes = ["demonstration"]\n'
        "[[alerts]]\nname = 'calm'\narousal = {below = 0.0, above = -0.5}\n"
    )
    rules = load_notify_settings(path)
    assert [rule.name for rule in rules.for_purpose("telehealth")] == ["angry-customer", "calm"]
    assert len(rules.for_purpose("demonstration")) == 3
    assert rules.alerts[2].arousal == Range(below=0.0, above=-0.5)
    rules.check_labels(("neutral", "angry"))
    with pytest.raises(UsageError, match="waits for 'angry', which the model never says"):
        rules.check_labels(("neutral", "sad"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[alerts]\n", "are not TOML"),
        ('[[alerts]]\nname = "a"\n', "alerts.0: give conditions"),
        ('[[alerts]]\nname = "a"\nlabels = ["sad"]\n' * 2, "two rules have the name 'a'"),
        ('[[alert]]\nname = "a"\n', "alert: there is no such name: do you mean alerts\\?"),
        ("[[rules]]\n", "there is no such name: there are alerts, webhooks, mqtt, apprise"),
        (
            "[[alerts]]\nvalence = {belo = 1}\n",
            r"alerts.0.valence.belo: .* do you mean below\?",
        ),
        ('[[webhooks]]\nurl = "htp:/x"\nsecret = {env = "S"}\n', "url: it must begin with http://"),
        ('[[webhooks]]\nurl = "http://x"\nsecret = "S"\n', "secret: no secret stands here"),
        ('[[mqtt]]\nhost = ""\n', "host: "),
        ('[[alerts]]\nname = "a"\nlabels = "sad"\n', "alerts.0.labels: give a list"),
        ('[alerts]\nname = "a"\n', "alerts: give a list"),
        ('mqtt = ["h"]\n', "mqtt.0: give named fields"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, text, words):
    path = tmp_path / "alerts.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        load_notify_settings(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="cannot read the alert rules"):
        load_notify_settings(tmp_path / "none.toml")


def test_secrets_come_from_the_environment_or_a_file(tmp_path, monkeypatch):
    path = tmp_path / "alerts.toml"
    path.write_text(
        '[[webhooks]]\nname = "desk"\nurl = "http://127.0.0.1:1/"\nsecret = {env = "DESK"}\n'
    )
    settings = load_notify_settings(path)
    monkeypatch.delenv("DESK", raising=False)
    with pytest.raises(UsageError, match="DESK is not set"):
        settings.targets()
    monkeypatch.setenv("DESK", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    (target,) = settings.targets()
    assert target.name == "desk"
    secret = tmp_path / "secret"
    path.write_text(path.read_text().replace('env = "DESK"', f'file = "{secret}"'))
    with pytest.raises(UsageError, match="cannot read the secret"):
        load_notify_settings(path).targets()
    secret.write_text("\n")
    with pytest.raises(UsageError, match="is empty"):
        load_notify_settings(path).targets()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[webhooks]]\nurl = "ftp://x"\nsecret = {env = "A"}\n', "webhooks.0.url"),
        ('[[webhooks]]\nurl = "http://x"\nsecret = {}\n', "give env"),
        ('[[webhooks]]\nurl = "http://x"\nsecret = "open"\n', "webhooks.0.secret"),
        ("[[mqtt]]\nport = 0\n", "mqtt.0.port"),
        ("[[mqtt]]\n[[mqtt]]\n", "two receivers have the name 'mqtt'"),
    ],
)
def test_a_wrong_receiver_is_one_line(tmp_path, text, words):
    path = tmp_path / "alerts.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        load_notify_settings(path)
    assert "\n" not in str(caught.value)
