"""Tasks: `nox -l` lists them, `nox -s lint` runs one.

They run in the environment that you set up (`pip install -e '.[dev]'`), so they start at once.
"""

import os
import shutil
import sys
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "docs", "tests"]
PYTHON = sys.executable
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
DIST = Path("dist")


@nox.session
def lint(session: nox.Session) -> None:
    """Style, import contracts, spelling. `nox -s lint -- --fix` mends what it can."""
    session.run(PYTHON, "-m", "ruff", "check", *session.posargs, ".")
    check = [] if "--fix" in session.posargs else ["--check"]
    session.run(PYTHON, "-m", "ruff", "format", *check, ".")
    session.run("lint-imports")
    session.run("codespell")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    session.run(PYTHON, "-m", "mypy", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The fast tests. `nox -s tests -- tests/speech` runs some; `-- -m slow` the slow ones."""
    session.run(PYTHON, "-m", "pytest", *session.posargs, env=ONE_THREAD)


@nox.session
def coverage(session: nox.Session) -> None:
    """The fast tests, and which lines they do not reach: a table, and build/coverage/index.html."""
    report = ["--cov-report=term-missing:skip-covered", "--cov-report=html:build/coverage"]
    two = ["-n", "2"]
    session.run(PYTHON, "-m", "pytest", *two, "--cov", *report, *session.posargs, env=ONE_THREAD)


@nox.session
def docs(session: nox.Session) -> None:
    """The generated pages, then the site in `site/`; a warning is an error."""
    for script in ("make_reference", "make_figures", "site_build"):
        session.run(PYTHON, f"scripts/{script}.py")


@nox.session
def benchmark(session: nox.Session) -> None:
    """One benchmark: `-- hop_cost --quick`. Without --quick it keeps its result."""
    if not session.posargs:
        session.error("say which one: nox -s benchmark -- hop_cost --quick")
    name, *options = session.posargs
    session.run(PYTHON, f"benchmarks/{name}.py", *options, env=ONE_THREAD)


@nox.session
def screenshots(session: nox.Session) -> None:
    """Pictures of every page, into `screenshots/`. `-- --docs` makes those of the documentation."""
    session.run(PYTHON, "scripts/screenshots.py", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Wheel and sdist in `dist/`, checked as the package index would."""
    shutil.rmtree(DIST, ignore_errors=True)
    session.run(PYTHON, "-m", "build")
    session.run(PYTHON, "-m", "twine", "check", "--strict", *map(os.fspath, DIST.iterdir()))
