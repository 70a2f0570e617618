"""`livemood watch`: the events of a session that runs in another process or on another machine."""

import asyncio
from contextlib import suppress
from typing import Annotated

import typer

from livemood.cli import options
from livemood.cli.terminal.output import Printer, SessionOutput
from livemood.cli.terminal.view import open_view


def watch(
    urls: Annotated[
        list[str],
        typer.Argument(
            metavar="URL...",
            help="ws://HOST:PORT, on a server of many ?session=ID; or its page. Of servers that "
            "know each other give several: the next is asked if one does not answer.",
        ),
    ],
    after: Annotated[int, typer.Option(min=0, help="Only events after this number.")] = 0,
    as_json: options.AsJson = False,
    token: Annotated[
        str | None,
        typer.Option(envvar="LIVEMOOD_TOKEN", help="Access token, if the server asks for one."),
    ] = None,
) -> None:
    """Follow a running session. Reconnects, and fetches what it missed."""
    # Ctrl-C ends this view alone; the monitor goes on.
    with suppress(KeyboardInterrupt), Printer() if as_json else open_view() as output:
        asyncio.run(_watch(urls, after, output, token))


async def _watch(urls: list[str], after: int, output: SessionOutput, token: str | None) -> None:
    from livemood.client import connect

    came = False
    async for event in connect(urls, after, token=token):
        came = True
        output.show(event)
    if not came:
        typer.echo("the session has ended; nothing came", err=True)
