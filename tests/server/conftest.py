"""A running server of many sessions, and ways to talk to it."""

import datetime
import ipaddress
from contextlib import contextmanager

import pytest
import soundfile as sf
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
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
            yield _idle(service)

    return run


def _idle(service):
    """The same, whatever else the machine does: its load keeps nobody out."""
    service.sessions.load = lambda: 0.0
    return service


@pytest.fixture(scope="module")
def one_server(model, tmp_path_factory):
    """A server without tokens for all tests of a module; ask for `shared`."""
    folder = tmp_path_factory.mktemp("shared")
    with Service(ServeSettings(port=0, data=folder), model, PATIENT) as service:
        yield _idle(service)


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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate of our own for 127.0.0.1 and its key, as files."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "livemood test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"
