"""`livemood mcp`: lets an assistant ask a running livemood, by the Model Context Protocol."""

from typing import Annotated
from urllib.parse import urlsplit

import typer

from livemood.errors import UsageError


def mcp(
    url: Annotated[
        str,
        typer.Option(
            "--server", help="The livemood to ask: http://HOST:PORT.", envvar="LIVEMOOD_URL"
        ),
    ] = "http://127.0.0.1:8765",
    token: Annotated[
        str | None,
        typer.Option(
            envvar="LIVEMOOD_TOKEN", help="Access token of scope watch, if the server asks for one."
        ),
    ] = None,
) -> None:
    """Answer an assistant's questions on standard input and output (Model Context Protocol).

    It asks a running `livemood serve`, or the monitor of `livemood listen`. It only reads.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is no address of a server: give one like http://127.0.0.1:8765")
    try:
        from livemood.integrations.mcp_server import make_server
    except ModuleNotFoundError as error:
        raise UsageError(f"livemood mcp needs {error.name}: pip install 'livemood[mcp]'") from None
    make_server(url, token).run()
