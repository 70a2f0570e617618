"""A running server of many sessions, and ways to talk to it."""

from contextlib import contextmanager

import pytest
import soundfile as sf
from talking import client

from livemood.engine import MonitorSettings
from livemood.server.serve import Service
from livemood.server.serve.settings import ServeSettings

PATIENT = MonitorSettings(budget_s=60.0)
"""No window is given up, however slow the machine is."""


@pytest.fixture
def serving(model, tmp_path):
    """A function that runs a server with the settings given, and its data in one folder."""

    @contextmanager
    def run(monitor=PATIENT, **settings):
        folder = settings.pop("data", tmp_path / "data")
        chosen = ServeSettings(**{"port": 0, "data": folder} | settings)
        with Service(chosen, model, monitor) as service:
            yield service

    return run


@pytest.fixture(scope="module")
def one_server(model, tmp_path_factory):
    """A server without tokens for all tests of a module; ask for `shared`."""
    folder = tmp_path_factory.mktemp("shared")
    with Service(ServeSettings(port=0, data=folder), model, PATIENT) as service:
        yield service


@pytest.fixture
def shared(one_server):
    """`serving` for tests that change nothing of the server itself: a module has one, kept running.

    Each test finds it without sessions.
    """

    @contextmanager
    def run():
        yield one_server

    yield run
    with client(one_server) as http:
        while left := http.get("/v1/sessions").json()["sessions"]:
            for record in left:
                http.delete(f"/v1/sessions/{record['id']}")


@pytest.fixture
def speech(clip):
    """A recording of 4.1 s as samples of 16 bits at 16 kHz."""
    samples, rate = sf.read(clip("03-01-05-02-01-01-20"), dtype="int16")
    assert rate == 16000
    return samples
