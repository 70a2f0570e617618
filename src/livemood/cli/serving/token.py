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
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@app.command()
def create(
    scope: Annotated[list[str], typer.Option(help="ingest, watch or manage; repeatable.")],
    name: Annotated[str, typer.Option(help="Whom it is for; shown in the audit log.")] = "",
    session: Annotated[str | None, typer.Option(help="The only session it is for.")] = None,
    expires: Annotated[str | None, typer.Option(help="After how long: 30m, 12h, 90d.")] = None,
    data: Data = None,
) -> None:
    """Create a token and print it; it cannot be shown again."""
    token = _tokens(data).create(
        tuple(scope),  # type: ignore[arg-type]  # checked there
        name,
        session,
        _seconds(expires) if expires else None,
    )
    typer.echo(token)


@app.command(name="list")
def list_tokens(data: Data = None) -> None:
    """List the tokens: number, state, scopes, session, name."""
    for token in _tokens(data).all():
        until = ""
        if token.expires is not None:
            until = f"  until {datetime.fromtimestamp(token.expires, UTC):%Y-%m-%d %H:%M} UTC"
        session = f"  session {token.session}" if token.session else ""
        scopes = ",".join(token.scopes)
        line = f"{token.number:4}  {token.state:7}  {scopes}{session}{until}  {token.name}"
        typer.echo(plain(line))


@app.command()
def revoke(number: int, data: Data = None) -> None:
    """Make a token useless, at once, by its number."""
    if not _tokens(data).revoke(number):
        raise LivemoodError(f"there is no token {number}: see livemood token list")


def _tokens(data: Path | None) -> "Tokens":
    from livemood.server.storage.database import Database
    from livemood.server.storage.folder import default_folder
    from livemood.server.storage.tokens import Tokens

    return Tokens(Database(data or default_folder()))


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if not found:
        raise UsageError(f"--expires {text}: give a number and s, m, h or d, like 90d")
    return int(found[1]) * UNITS[found[2]]
