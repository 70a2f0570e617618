"""Devices that open together."""

import os
import threading
from types import SimpleNamespace

from livemood.sources.devices import Loopback
from livemood.sources.microphone import Microphone


def test_a_microphone_never_opens_with_the_source_of_the_loopback(monkeypatch):
    """PulseAudio's client takes its source from the environment of the process, as it connects."""
    monkeypatch.setenv("PULSE_SOURCE", "mine")
    first, second, seen = threading.Event(), threading.Event(), {}

    def connect(device):
        seen[type(device)] = os.environ["PULSE_SOURCE"]
        if isinstance(device, Loopback):
            first.set()
            second.wait(0.3)  # time enough for the other one, were it let in
        else:
            second.set()
        return SimpleNamespace(start=lambda: None)

    monkeypatch.setattr(Microphone, "_connect", connect)
    loopback, microphone = object.__new__(Loopback), object.__new__(Microphone)
    opening = threading.Thread(target=loopback._begin)
    opening.start()
    assert first.wait(10)
    microphone._begin()
    opening.join()
    assert seen == {Loopback: Loopback.MONITOR, Microphone: "mine"}
    assert os.environ["PULSE_SOURCE"] == "mine"
