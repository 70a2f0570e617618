"""The timeline of the bundled conversation."""

import pytest

from livemood.engine import analyze_file


@pytest.fixture(scope="module")
def timeline(demo_file, model):
    """The timeline of the bundled conversation."""
    made, failure = analyze_file(demo_file, model)
    assert failure is None
    return made
