import importlib.util
import os
from pathlib import Path

import pytest

from livemood.model import load_model

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def corpora():
    """The folder of emotional speech corpora, or a skip with the reason."""
    folder = Path(os.environ.get("LIVEMOOD_CORPORA", ROOT.parent / "shared" / "corpora"))
    if not (folder / "ravdess" / "metadata.csv").is_file():
        pytest.skip(f"no corpora at {folder}: set LIVEMOOD_CORPORA to their folder")
    return folder


@pytest.fixture(scope="session")
def demo_file():
    """The bundled conversation of synthetic voices."""
    return ROOT / "src" / "livemood" / "assets" / "demo.opus"


@pytest.fixture(scope="session")
def model():
    """The shipped default model."""
    loaded = load_model("default", "cpu")
    loaded.warm_up()
    return loaded


@pytest.fixture(scope="session")
def clip(corpora):
    """A function from the name of a RAVDESS recording to its path."""
    return lambda name: corpora / "ravdess" / "audio" / f"{name}.flac"


@pytest.fixture(scope="session")
def synthetic():
    """A function that makes the events of a session that never was, of any length."""
    path = ROOT / "scripts" / "synthetic_session.py"
    spec = importlib.util.spec_from_file_location("synthetic_session", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.synthetic
