"""MQTT, with Home Assistant's discovery: each rule shows up there as a binary sensor."""

import json
import re
import ssl
import threading
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from livemood.notify.message import AlertMessage
from livemood.notify.targets import DeliveryError

TIMEOUT_S: Final = 10.0


def slug(name: str) -> str:
    """`name` as a part of a topic: lower case, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


class MqttTarget:
    """Publishes each message at QoS 1 to `PREFIX/RULE`, and ON or OFF to `PREFIX/RULE/state`.

    The state is retained. With `discovery`, each rule is announced once at
    `homeassistant/binary_sensor/livemood_RULE/config`, as Home Assistant's MQTT documentation says.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        *,
        username: str | None = None,
        password: str | None = None,
        tls: bool = False,
        prefix: str = "livemood/alerts",
        discovery: bool = True,
    ) -> None:
        self.name = name
        self._where = (host, port)
        self._prefix, self._discovery = prefix, discovery
        self._announced: set[str] = set()
        self._connected = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        if username is not None:
            self._client.username_pw_set(username, password)
        if tls:
            self._client.tls_set_context(ssl.create_default_context())
        self._started = False

    def deliver(self, message: AlertMessage, attempt: int) -> None:
        """Publish the message and wait until the broker has confirmed it."""
        self._connect()
        rule = slug(message.rule)
        if self._discovery and rule not in self._announced:
            topic = f"homeassistant/binary_sensor/livemood_{rule}/config"
            self._publish(topic, json.dumps(self._sensor(message.rule, rule)), retain=True)
            self._announced.add(rule)
        body = json.dumps({**message.model_dump(mode="json"), "attempt": attempt})
        self._publish(f"{self._prefix}/{rule}", body)
        if message.type == "alert":
            state = "ON" if message.state == "raised" else "OFF"
            self._publish(f"{self._prefix}/{rule}/state", state, retain=True)

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        if self._started:
            self._client.loop_stop()

    def _connect(self) -> None:
        if not self._started:
            self._client.connect_async(*self._where, keepalive=30)
            self._client.loop_start()
            self._started = True
        if not self._connected.wait(TIMEOUT_S):
            raise DeliveryError("no connection to the broker at {}:{}".format(*self._where))

    def _on_connect(self, *args: Any) -> None:  # noqa: ANN401 - the library's signature
        if not args[3].is_failure:
            self._connected.set()

    def _on_disconnect(self, *_: Any) -> None:  # noqa: ANN401 - the library's signature
        self._connected.clear()
        self._announced.clear()  # the broker that comes back may have lost what it retained

    def _publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        try:
            info.wait_for_publish(TIMEOUT_S)
        except (ValueError, RuntimeError) as error:
            raise DeliveryError(f"not published ({error})") from None
        if not info.is_published():
            raise DeliveryError("the broker did not confirm")

    def _sensor(self, rule: str, topic: str) -> dict[str, Any]:
        return {
            "name": rule,
            "unique_id": f"livemood_{topic}",
            "state_topic": f"{self._prefix}/{topic}/state",
            "json_attributes_topic": f"{self._prefix}/{topic}",
            "device": {"identifiers": ["livemood"], "name": "livemood"},
            "icon": "mdi:account-voice",
        }
