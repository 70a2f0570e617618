"""The first command of the README, and the built wheel, in environments of their own."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A fresh copy of the repository: what git would check out, and changes not yet committed."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    copy = tmp_path_factory.mktemp("livemood")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


def test_the_first_command_of_the_readme_plays_the_demo(checkout):
    command = re.findall(r"```sh\n(.*?)\n```", (checkout / "README.md").read_text("utf-8"))[0]
    done = subprocess.run(
        f"{command} --port 0", shell=True, cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not what a person feels" in done.stdout
    files = [path for path in (checkout / ".venv").rglob("*") if path.is_file()]
    taken = sum(path.stat().st_blocks for path in files if not path.is_symlink()) * 512
    assert taken / 2**20 == pytest.approx(stated(r"needs\s+has (\d+) MB"), rel=0.1)


def stated(pattern):
    """A figure of the guide to installing."""
    guide = (ROOT / "docs" / "guides" / "install.md").read_text("utf-8")
    return int(re.search(pattern, guide)[1])


@pytest.fixture(scope="module")
def distributions(checkout):
    """The sdist and the wheel that is built from it."""
    pytest.importorskip("build", reason="needs build")
    out = checkout / "dist"
    subprocess.run([sys.executable, "-m", "build", "--outdir", out], cwd=checkout, check=True)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def test_wheel_and_sdist_pass_the_checks_of_the_package_index(distributions):
    pytest.importorskip("twine", reason="needs twine")
    check = [sys.executable, "-m", "twine", "check", "--strict", *map(str, distributions)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_wheel_is_as_large_as_the_guide_says(distributions):
    wheel, _ = distributions
    assert wheel.stat().st_size / 1e6 == pytest.approx(stated(r"wheel has (\d+) MB"), rel=0.1)
    with zipfile.ZipFile(wheel) as packed:
        text = sum(i.compress_size for i in packed.infolist() if "/models/text/" in i.filename)
    assert text / 1e6 == pytest.approx(stated(r"text model takes (\d+)"), rel=0.1)


def test_the_built_wheel_starts_the_demo_without_being_installed(distributions):
    wheel, _ = distributions
    here = Path(sys.executable).parent / "uvx"
    if uvx := here if here.exists() else shutil.which("uvx"):
        runner = [str(uvx), "--from", str(wheel)]
    elif pipx := shutil.which("pipx"):
        runner = [pipx, "run", "--spec", str(wheel)]
    else:
        pytest.skip("needs uvx or pipx")
    command = [*runner, "livemood", "demo", "--speed", "max", "--json", "--no-serve"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"session.ended"' in done.stdout.splitlines()[-1]
