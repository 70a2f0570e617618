import pytest
from archives import opened

from livemood.server.storage.archive import Archive


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request):
    """Where what is kept is kept: in the data folder, or in a new database."""
    return request.getfixturevalue("postgresql").new() if request.param == "postgresql" else None


@pytest.fixture
def archive(tmp_path, url):
    made = opened(tmp_path / "data", url)
    yield made
    made.close()


@pytest.fixture
def in_files(tmp_path):
    """One that keeps everything in its folder."""
    made = Archive(tmp_path / "data", "test")
    yield made
    made.close()
