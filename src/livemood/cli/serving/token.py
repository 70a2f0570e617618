"""`livemood token`: who may use a server."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livemood.cli.terminal.plain import plain
from livemood.errors import LivemoodError, UsageError

if TYPE_CHECKING:
    from livemood.server.storage.tokens import Tokens

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke the tokens of a server.")
Data = Annotated[
    Path | None, typer.Option(help="The server's data folder.", envvar="LIVEMOOD_DATA")
]
Config = Annotated[
    Path | None, typer.Option(help="The server's settings file, which names its data folder.")
]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@app.command()
def create(
    scope: Annotated[list[str], typer.Option(help="ingest, watch or manage; repeatable.")],
    name: Annotated[str, typer.Option(help="Whom it is for; shown in the audit log.")] = "",
    session: Annotated[str | None, typer.Option(help="The only session it is for.")] = None,
    expires: Annotated[str | None, typer.Option(help="After how long: 30m, 12h, 90d.")] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Create a token and print it; it cannot be shown again."""
    folder = _folder(data, config)
    token = _tokens(folder).create(
        tuple(scope),  # type: ignore[arg-type]  # checked there
        name,
        session,
        _seconds(expires) if expires else None,
    )
    typer.echo(token)
    typer.echo(f"for the server that keeps its data in {plain(str(folder))}", err=True)


@app.command(name="list")
def list_tokens(data: Data = None, config: Config = None) -> None:
    """List the tokens: number, state, scopes, session, name."""
    folder = _folder(data, config)
    tokens = _tokens(folder).all()
    if not tokens:
        typer.echo(
            f"there are no tokens in {plain(str(folder))}: nobody is asked for one", err=True
        )
    for token in tokens:
        until = ""
        if token.expires is not None:
            until = f"  until {datetime.fromtimestamp(token.expires, UTC):%Y-%m-%d %H:%M} UTC"
        session = f"  session {token.session}" if token.session else ""
        scopes = ",".join(token.scopes)
        line = f"{token.number:4}  {token.state:7}  {scopes}{session}{until}  {token.name}"
        typer.echo(plain(line))


@app.command()
def revoke(number: int, data: Data = None, config: Config = None) -> None:
    """Make a token useless, at once, by its number."""
    folder = _folder(data, config)
    if not _tokens(folder).revoke(number):
        raise LivemoodError(f"there is no token {number} in {folder}: see livemood token list")


def _folder(data: Path | None, config: Path | None) -> Path:
    """The data folder: what was said, else the settings file's, else the default."""
    from livemood.server.storage.folder import default_folder

    if data is None and config is not None:
        from livemood.server.serve.settings import read_settings

        return read_settings(config, {}).data
    return data or default_folder()


def _tokens(folder: Path) -> "Tokens":
    from livemood.server.storage.database import Database
    from livemood.server.storage.tokens import Tokens

    return Tokens(Database(folder))


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if not found:
        raise UsageError(f"--expires {text}: give a number and s, m, h or d, like 90d")
    return int(found[1]) * UNITS[found[2]]
