"""`livemood serve`: many sessions at once."""

import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from livemood.cli.options import PresetName
from livemood.engine.extensions import open_model
from livemood.errors import UsageError

if TYPE_CHECKING:
    from livemood.server.cluster.membership import NodeMembership
    from livemood.server.serve.settings import ServeSettings

NODE: Final = "livemood.server.cluster.worker"
"""The module that a worker runs which is a node of a cluster."""
Maybe = Annotated[Path | None, typer.Option(show_default=False)]


def serve(
    config: Annotated[
        Path | None, typer.Option(help="Settings: a TOML file.", envvar="LIVEMOOD_CONFIG")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1 if not given.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 8765 if not given, 0 is any.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder for what is kept.")] = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="PostgreSQL that several servers share: postgresql://USER@HOST/DATABASE."
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Join the nodes that NATS knows: nats://HOST:4222; needs --database."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="What sessions may be for: a TOML file.")
    ] = None,
    cert: Annotated[Path | None, typer.Option(help="TLS certificate chain, PEM.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    insecure_proxy: Annotated[
        bool | None, typer.Option("--insecure-proxy", help="A reverse proxy does TLS.")
    ] = None,
    preset: PresetName = None,
    model: Annotated[str | None, typer.Option(help="A shipped model, or a model's folder.")] = None,
    provider: Annotated[
        str | None, typer.Option(help="What the model runs on: auto, cpu, cuda.")
    ] = None,
    words: Annotated[
        str | None,
        typer.Option(help="Also read words that inputs send, by this text model: words, say."),
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(metavar="N|auto", help="Processes that share the work; 1 if not given."),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any setting: limits.sessions=100."),
    ] = None,
) -> None:
    """Run a server: it takes sound of many sessions at once and shows each on a page."""
    from livemood.server.garbage import spare_what_is_loaded
    from livemood.server.log_lines import log_to_stderr
    from livemood.server.serve.exposure import check_settings
    from livemood.server.serve.serving import Service
    from livemood.server.serve.settings import monitor_settings, read_settings, where_kept

    given = {
        "host": host,
        "port": port,
        "data": data,
        "database": database,
        "cluster": cluster,
        "policy": policy,
        "cert": cert,
        "key": key,
        "insecure_proxy": insecure_proxy,
        "preset": preset,
        "model": model,
        "provider": provider,
        "words": words,
        "workers": workers,
    }
    log_to_stderr()
    flags = {name: value for name, value in given.items() if value is not None}
    settings = read_settings(config, _with_set(flags, values or []))
    check_settings(settings)
    join = _joining(settings)
    if settings.processes > 1:
        from livemood.server.workers.supervisor import supervise

        programs = [NODE] if settings.cluster else []
        supervise(settings, lambda line: typer.echo(line, err=True), *programs)
        return
    loaded = open_model(settings.model, settings.provider)
    monitor = monitor_settings(settings, loaded)
    stop, hurry = threading.Event(), threading.Event()

    def asked_to_stop(number: int, _: object) -> None:
        """SIGTERM lets sessions end by themselves; Ctrl-C, or a second signal, does not."""
        if number == signal.SIGINT or stop.is_set():
            hurry.set()
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, asked_to_stop)
    with join() as membership, Service(settings, loaded, monitor, membership) as service:
        typer.echo(where_kept(settings), err=True)
        spare_what_is_loaded()
        typer.echo(f"serving at {service.url}", err=True)
        while not stop.wait(1.0):  # a wait without end cannot be interrupted everywhere
            pass
        running = service.sessions.running()
        if running and not hurry.is_set():
            wait = f"up to {settings.drain_timeout_s:g} s for {running} sessions to end"
            typer.echo(f"stopping: waiting {wait}; a second signal ends them now", err=True)
            service.drain(hurry)
        typer.echo("stopping: sessions are ended and written", err=True)


def _joining(
    settings: "ServeSettings",
) -> "Callable[[], AbstractContextManager[NodeMembership | None]]":
    """What joins the cluster that the settings name, if any. Raises `UsageError`."""
    if settings.cluster is None:
        return nullcontext
    try:
        from livemood.server.cluster.membership import NodeMembership, check_node
    except ImportError as error:
        raise UsageError(f"--cluster needs {error.name}: pip install 'livemood[cluster]'") from None
    check_node(settings)
    return lambda: closing(NodeMembership(settings))


def _with_set(flags: dict[str, Any], values: list[str]) -> dict[str, Any]:
    """The flags with what `--set` adds to them."""
    for given in values:
        name, equals, value = given.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {given}: give NAME=VALUE, limits.sessions=100 say")
        *groups, last = name.split(".")
        place = flags
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise UsageError(f"--set {given}: {group} is no group of settings")
        place[last] = value.split(",") if last in ("hosts", "origins") else value
    return flags
