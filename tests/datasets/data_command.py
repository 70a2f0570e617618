"""Runs `livemood data` inside the test's process."""

from typer.testing import CliRunner

from livemood.cli.main import app


def data(*arguments):
    """What `livemood data` says. What it raises is raised."""
    done = CliRunner().invoke(app, ["data", *map(str, arguments)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output
