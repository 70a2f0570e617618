"""Alerts reach real receivers: an HTTP server, mosquitto, Apprise."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from standardwebhooks import Webhook, WebhookVerificationError

from livemood.notify import Notifier, Outbox
from livemood.notify.apprise import AppriseTarget
from livemood.notify.message import message_of, trial_message
from livemood.notify.mqtt import MqttTarget
from livemood.notify.notifier import retry_after_s
from livemood.notify.webhook import WebhookTarget
from livemood.timeline.events import Alert, ModelInfo, SessionSettings, SessionStarted

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def alert(number=1, state="raised", session="s1"):
    return Alert(
        session=session,
        channel=1,
        seq=number,
        start_ms=2000,
        end_ms=24_000,
        time="2026-01-01T00:00:00.000Z",
        rule="angry customer",
        state=state,
        number=number,
        reason="sounds angry",
    )


def started(session="s1"):
    return SessionStarted(
        session=session,
        time="2026-01-01T00:00:00.000Z",
        source="x",
        channels=2,
        participants=("Agent", "Customer"),
        model=ModelInfo(
            name="m", version="1", precision="int8", provider="cpu", labels=(), valence_arousal="d"
        ),
        settings=SessionSettings(window_ms=1, hop_ms=1, budget_ms=None, vad="webrtc"),
    )


def test_a_webhook_is_signed_and_says_who(receiver):
    with Notifier([WebhookTarget("desk", receiver.url, SECRET)], Outbox()) as notifier:
        notifier(started())
        notifier(alert())
        ((headers, body),) = receiver.wait_for(1)
    message = Webhook(SECRET).verify(body, headers)
    assert message["participant"] == "Customer"
    assert message["id"] == headers["webhook-id"] == "s1:angry customer:1:1:raised"
    assert headers["livemood-attempt"] == "1"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"Customer", b"Agent"), headers)


def test_a_receiver_that_fails_gets_it_again_and_can_tell_and_order_is_kept(receiver):
    receiver.answers = [500, 503]
    with Notifier([WebhookTarget("desk", receiver.url, SECRET)], Outbox()) as notifier:
        notifier(alert(1))
        notifier(alert(1, "cleared"))
        requests = receiver.wait_for(4)
    seen = [(h["webhook-id"].split(":", 3)[3], h["livemood-attempt"]) for h, _ in requests]
    assert seen == [
        ("1:raised", "1"),
        ("1:raised", "2"),
        ("1:raised", "3"),
        ("1:cleared", "1"),
    ]


def test_what_a_receiver_refuses_for_good_is_a_dead_letter(receiver, tmp_path):
    receiver.answers = [404]
    dead = tmp_path / "dead.jsonl"
    target = WebhookTarget("desk", receiver.url, SECRET)
    with Notifier([target], Outbox(), dead) as notifier:
        notifier(alert(1))
        notifier(alert(2))
        receiver.wait_for(2)
    (letter,) = map(json.loads, dead.read_text().splitlines())
    assert (letter["why"], letter["target"], letter["rule"]) == (
        "answered 404",
        "desk",
        "angry customer",
    )
    assert dead.stat().st_mode & 0o777 == 0o600
    assert notifier.dead == 1
    notifier.forget("s1")
    assert dead.read_text() == ""


def test_of_processes_that_share_an_outbox_one_delivers_for_all(receiver, tmp_path):
    turns = {"first": True}
    outboxes = [Outbox(tmp_path / "outbox.db") for _ in range(2)]
    asked = threading.Event()

    def second_may(_):
        asked.set()
        return not turns["first"]

    target = [WebhookTarget("desk", receiver.url, SECRET) for _ in range(2)]
    second = Notifier(target[1:], outboxes[1], turn=second_may)
    with second:
        with Notifier(target[:1], outboxes[0], turn=lambda _: True) as first:
            first(alert(1))
            second(alert(2))
            seen = {h["webhook-id"].split(":")[3] for h, _ in receiver.wait_for(2)}
            assert seen == {"1", "2"}
            assert asked.wait(10)
        assert (first.delivered, second.delivered) == (2, 0)
        turns["first"] = False  # it has gone
        second(alert(3))
        receiver.wait_for(3)
    assert second.delivered == 1


def test_one_receiver_that_is_down_delays_no_other(receiver):
    down = WebhookTarget("down", "http://127.0.0.1:9/", SECRET)
    up = WebhookTarget("up", receiver.url, SECRET)
    outbox = Outbox()
    with Notifier([down, up], outbox) as notifier:
        for number in (1, 2, 3):
            notifier(alert(number))
        receiver.wait_for(3)
    assert outbox.waiting() == {"down": 3}
    outbox.forget("s1")
    assert outbox.waiting() == {}


PROGRAM = """
import sys
from pathlib import Path
from livemood.notify import Notifier, Outbox
from livemood.notify.webhook import WebhookTarget
sys.path.insert(0, sys.argv[3])
from test_notify import SECRET, alert
target = WebhookTarget("desk", sys.argv[1], SECRET)
with Notifier([target], Outbox(Path(sys.argv[2]))) as notifier:
    if len(sys.argv) > 4:
        notifier(alert())
        print("sent", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_a_program_killed_while_the_receiver_is_down_delivers_after_its_restart(receiver, tmp_path):
    receiver.answers = [503] * 50
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", PROGRAM, receiver.url, str(tmp_path / "outbox.db"), here]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*command, "alert"], **pipes) as process:
        process.stdout.readline()
        receiver.wait_for(1)
        process.send_signal(signal.SIGKILL)
    receiver.answers = []
    before = len(receiver.requests)
    with subprocess.Popen(command, **pipes) as process:
        headers, body = receiver.wait_for(before + 1)[before]
        process.stdin.close()
    assert int(headers["livemood-attempt"]) >= 2
    assert Webhook(SECRET).verify(body, headers)["rule"] == "angry customer"


def test_a_broker_gets_the_alert_its_state_and_a_sensor_for_home_assistant(broker):
    got, arrived = {}, threading.Event()
    subscribed = threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda c, *_: c.subscribe("#", qos=1)
    client.on_subscribe = lambda *_: subscribed.set()

    def on_message(_client, _data, message):
        got.setdefault(message.topic, []).append(message.payload.decode())
        if got.get("livemood/alerts/angry_customer/state") == ["ON", "OFF"]:
            arrived.set()

    client.on_message = on_message
    client.connect("127.0.0.1", broker)
    client.loop_start()
    assert subscribed.wait(10)
    with Notifier([MqttTarget("home", "127.0.0.1", broker)], Outbox()) as notifier:
        notifier(alert())
        notifier(alert(1, "cleared"))
        assert arrived.wait(20)
    client.disconnect()
    client.loop_stop()
    (config,) = got["homeassistant/binary_sensor/livemood_angry_customer/config"]
    sensor = json.loads(config)
    assert sensor["state_topic"] == "livemood/alerts/angry_customer/state"
    bodies = [json.loads(p) for p in got["livemood/alerts/angry_customer"]]
    assert [(b["state"], b["attempt"]) for b in bodies] == [("raised", 1), ("cleared", 1)]


def test_a_broker_that_is_not_there_keeps_the_alert_waiting(monkeypatch):
    monkeypatch.setattr("livemood.notify.mqtt.TIMEOUT_S", 0.2)
    outbox = Outbox()
    with Notifier([MqttTarget("home", "127.0.0.1", 9)], outbox) as notifier:
        notifier(alert())
    assert outbox.waiting() == {"home": 1}


def test_apprise_sends_the_sentence(receiver):
    url = f"json://127.0.0.1:{receiver.port}/"
    with Notifier([AppriseTarget("chat", url)], Outbox()) as notifier:
        notifier(started())
        notifier(alert())
        ((_, body),) = receiver.wait_for(1)
    assert json.loads(body)["message"] == (
        "livemood: angry customer: Customer sounds angry for 22 s"
    )


def test_messages_read_as_sentences():
    assert (
        message_of(alert(1, "cleared")).sentence == "livemood: angry customer is over (channel 1)"
    )
    assert trial_message("dead air").sentence == "livemood: a test of alert dead air"


def test_waits_double_up_to_a_minute():
    assert [retry_after_s(n) for n in (1, 2, 3, 7, 100)] == [1, 2, 4, 60, 60]
