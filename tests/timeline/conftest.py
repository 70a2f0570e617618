"""The timeline of the bundled conversation."""

import pytest


@pytest.fixture(scope="module")
def timeline(demo_timeline):
    """The timeline of the bundled conversation."""
    return demo_timeline
