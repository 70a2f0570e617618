"""The built wheel as a user has it: typed, complete, and enough for a program of their own."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = Path(__file__).parent / "user_project"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, built from this checkout without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "-w", folder, ROOT], check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def python(wheel, tmp_path_factory):
    """The interpreter of an environment with the wheel in it, and what livemood depends on."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", site, wheel], check=True)
    return folder / "bin" / "python"


def run(*command, cwd):
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MYPYPATH")}
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=500
    )


@pytest.mark.slow
def test_the_wheel_says_that_it_is_typed_and_brings_models(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "livemood/py.typed" in names
    assert "livemood/models/default/manifest.json" in names
    assert "livemood/models/text/words/manifest.json" in names
    assert not [name for name in names if name.startswith("tests")]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_users_program_is_checked_strictly_and_runs(python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text((PROJECT / "program.py").read_text())
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    options = ["--strict", "--no-error-summary"]
    mypy = [sys.executable, "-m", "mypy", *options, "--python-executable", str(python)]
    checked = run(*mypy, "--cache-dir", str(tmp_path / "cache"), str(program), cwd=tmp_path)
    assert (checked.returncode, checked.stdout) == (0, ""), checked.stdout + checked.stderr
    wrong = tmp_path / "wrong.py"
    wrong.write_text(program.read_text().replace("-> list[float]:", "-> list[str]:"))
    refused = run(*mypy, "--cache-dir", str(tmp_path / "cache"), str(wrong), cwd=tmp_path)
    assert "VoiceActivityDetector" in refused.stdout, "types of livemood are looked at"
    ran = run(str(python), str(program), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "nowhere.wav" in ran.stdout
