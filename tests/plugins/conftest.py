import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The folder into which pip has installed the package of plug-ins beside this file."""
    target = tmp_path_factory.mktemp("site")
    package = Path(__file__).parent / "package"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", target, package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def with_plugins(installed, monkeypatch):
    """This process finds the package, too."""
    monkeypatch.syspath_prepend(str(installed))


@pytest.fixture
def livemood_command(installed):
    """Runs the command line where the package is installed."""
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "livemood", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=env,
        )

    return run
