"""One server with two workers for all fast tests of this folder."""

import pytest
from many import many


@pytest.fixture(scope="session")
def two(tmp_path_factory):
    data = tmp_path_factory.mktemp("workers") / "data"
    with many(data, "--set", "limits.waiting_channels=24") as server:
        yield server
