"""`livemood token`: who may use a server."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

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
    Path | None,
    typer.Option(
        help="The server's settings file, which names its data folder.", envvar="LIVEMOOD_CONFIG"
    ),
]
Shared = Annotated[
    str | None,
    typer.Option(
        help="The database that servers share: postgresql://USER@HOST/DATABASE.",
        envvar="LIVEMOOD_DATABASE",
    ),
]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST = 36_500 * UNITS["d"]
"""Of what `--expires` says: a century, in seconds."""


@app.command()
def create(
    scope: Annotated[list[str], typer.Option(help="ingest, watch or manage; repeatable.")],
    name: Annotated[str, typer.Option(help="Whom it is for; shown in the audit log.")] = "",
    session: Annotated[str | None, typer.Option(help="The only session it is for.")] = None,
    expires: Annotated[str | None, typer.Option(help="After how long: 30m, 12h, 90d.")] = None,
    data: Data = None,
    config: Config = None,
    database: Shared = None,
) -> None:
    """Create a token and print it; it cannot be shown again."""
    place = _place(data, config, database)
    token = _tokens(place).create(
        tuple(scope),  # type: ignore[arg-type]  # checked there
        name,
        session,
        _seconds(expires) if expires else None,
    )
    typer.echo(token)
    typer.echo(f"for {_servers(place)}", err=True)


@app.command(name="list")
def list_tokens(data: Data = None, config: Config = None, database: Shared = None) -> None:
    """List the tokens: number, state, scopes, session, name."""
    place = _place(data, config, database)
    tokens = _tokens(place).all() if _is_there(place) else []
    if not tokens:
        typer.echo(f"there are no tokens for {_servers(place)}: nobody is asked for one", err=True)
    for token in tokens:
        until = ""
        if token.expires is not None:
            until = f"  until {datetime.fromtimestamp(token.expires, UTC):%Y-%m-%d %H:%M} UTC"
        session = f"  session {token.session}" if token.session else ""
        scopes = ",".join(token.scopes)
        line = f"{token.number:4}  {token.state:7}  {scopes}{session}{until}  {token.name}"
        typer.echo(plain(line))


@app.command()
def revoke(number: int, data: Data = None, config: Config = None, database: Shared = None) -> None:
    """Make a token useless, at once, by its number."""
    place = _place(data, config, database)
    if not _is_there(place) or not _tokens(place).revoke(number):
        raise LivemoodError(
            f"there is no token {number} for {_servers(place)}: see livemood token list"
        )


class Place(NamedTuple):
    """Where tokens are kept."""

    folder: Path
    database: str | None


def _place(data: Path | None, config: Path | None, database: str | None) -> Place:
    """What was said, else what the settings file says, else the default."""
    from livemood.server.storage.folder import default_folder

    if config is not None and (data is None or database is None):
        from livemood.server.serve.settings import read_settings

        settings = read_settings(config, {})
        return Place(data or settings.data, database or settings.database)
    return Place(data or default_folder(), database)


def _servers(place: Place) -> str:
    if place.database is not None:
        return "the servers that share the database"
    return f"the server that keeps its data in {plain(str(place.folder.absolute()))}"


def _is_there(place: Place) -> bool:
    """Whether anything was kept there; to look makes no folder of a mistyped name."""
    return place.database is not None or place.folder.exists()


def _tokens(place: Place) -> "Tokens":
    from livemood.server.storage.postgresql.opening import open_database
    from livemood.server.storage.tables import open_tokens

    return open_tokens(open_database(place.folder, place.database))


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if not found:
        raise UsageError(f"--expires {text}: give a number and s, m, h or d, like 90d")
    seconds = int(found[1]) * UNITS[found[2]]
    if seconds > LONGEST:
        raise UsageError(f"--expires {text}: give at most 36500d, or leave it out")
    return seconds
