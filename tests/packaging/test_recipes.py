"""Recipes for other package managers ask for what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

from livemood import __version__

ROOT = Path(__file__).resolve().parents[2]
CONDA = {
    "sounddevice": "python-sounddevice",
    "soundfile": "pysoundfile",
    "soxr": "soxr-python",
    "prometheus-client": "prometheus_client",
}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def test_conda_asks_for_the_same_packages_of_the_same_versions():
    recipe = (ROOT / "deploy/conda-forge/meta.yaml").read_text("utf-8")
    run = recipe.partition("  run:\n")[2].partition("\n\n")[0]
    asked = {line.strip().removeprefix("- ") for line in run.splitlines()}
    wanted = {f"python {project()['requires-python']}"}
    for dependency in project()["dependencies"]:
        name, version = re.fullmatch(r"([a-z0-9-]+)(.*)", dependency).groups()
        wanted.add(f"{CONDA.get(name, name)} {version}")
    assert asked == wanted


def test_recipes_are_of_this_version():
    assert f'version = "{__version__}"' in (ROOT / "deploy/conda-forge/meta.yaml").read_text()
    assert f"livemood-{__version__}.tar.gz" in (ROOT / "deploy/homebrew/livemood.rb").read_text()
    assert f"livemood-{__version__}-py3" in (ROOT / "docs/guides/install.md").read_text()


def test_the_container_copies_what_there_is_and_asks_for_extras_that_are():
    text = (ROOT / "deploy/docker/Dockerfile").read_text()
    for copied in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / name).exists() for name in copied.split())
    (extras,) = re.findall(r"'/src\[(.+)\]'", text)
    assert set(extras.split(",")) <= set(project()["optional-dependencies"])
