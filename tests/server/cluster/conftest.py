"""One cluster of three nodes for the tests of this folder."""

import pytest
from nodes import cluster
from own_servers import Nats, nats_server


def needed():
    pytest.importorskip("nats", reason="needs the extra cluster")
    if nats_server() is None:
        pytest.skip("no nats-server is installed")


@pytest.fixture(scope="session")
def nats():
    """A NATS server of the tests' own."""
    needed()
    with Nats("let me in") as server:
        yield server


@pytest.fixture(scope="session")
def three(tmp_path_factory, nats, postgresql):
    """Three nodes."""
    with cluster(tmp_path_factory.mktemp("nodes"), nats, postgresql, "a", "b", "c") as made:
        yield made.nodes
