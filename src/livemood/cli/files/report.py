"""`livemood report`: a session on paper."""

import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

import typer

from livemood.cli.options import PresetName
from livemood.cli.terminal.output import write_text
from livemood.errors import LivemoodError, UsageError
from livemood.presets import load_preset

PATIENCE_S = 30.0


def report(
    session: Annotated[
        str,
        typer.Argument(
            metavar="SESSION|TIMELINE.json",
            help="A session of a server, or a timeline that --out wrote (.json or .jsonl).",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file.")] = Path("report.html"),
    language: Annotated[str, typer.Option(help="en or zh.")] = "en",
    preset: PresetName = None,
    server: Annotated[
        str | None,
        typer.Option(help="Ask a running server, http://HOST:PORT; LIVEMOOD_TOKEN is its token."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The server's data folder.", envvar="LIVEMOOD_DATA")
    ] = None,
) -> None:
    """Write the report of a session: one HTML file, to read on a screen or print on A4."""
    from livemood.report import LANGUAGES

    if language not in LANGUAGES:
        raise UsageError(f"--language must be one of {', '.join(LANGUAGES)}, not {language!r}")
    first = load_preset(preset).report_first if preset else "summary"
    if server is not None:
        if preset:
            raise UsageError("--preset is for reports that are made here: leave --server out")
        html = _from_server(server, session, language)
    elif Path(session).is_file():
        html = _from_file(Path(session), language, first)
    elif Path(session).suffix in (".json", ".jsonl"):
        raise UsageError(f"no file {session}: check the path")
    else:
        html = _from_folder(data, session, language, first)
    write_text(out, html)


def _from_file(path: Path, language: str, first: str) -> str:
    from livemood.report import make_report
    from livemood.timeline.parse import read_timeline

    try:
        return make_report(read_timeline(path.read_text("utf-8")), language, first=first)
    except UnicodeDecodeError:
        raise LivemoodError(
            f"{path}: it is no timeline: not text; analyze --out writes one"
        ) from None
    except OSError as error:
        raise LivemoodError(f"cannot read {path}: {error.strerror}") from None
    except LivemoodError as error:
        raise LivemoodError(f"{path}: {error}") from None


def _from_folder(folder: Path | None, session: str, language: str, first: str) -> str:
    from livemood.report import make_report
    from livemood.server.storage.database import Database
    from livemood.server.storage.folder import default_folder
    from livemood.server.storage.store import Store
    from livemood.server.storage.timelines import Timelines
    from livemood.timeline import Timeline, parse_event

    folder = folder or default_folder()
    record = Store(Database(folder)).get(session) if folder.is_dir() else None
    if record is None:
        raise LivemoodError(
            f"no session {session} in {folder}: give --data FOLDER or --server URL, or a timeline "
            "that --out wrote"
        )
    rows = Timelines(folder / "timelines").read(session)
    timeline = Timeline(parse_event(text) for _, text in rows)
    return make_report(timeline, language, retention_days=record.retention_days, first=first)


def _from_server(server: str, session: str, language: str) -> str:
    if urlsplit(server).scheme not in ("http", "https"):
        raise UsageError(f"--server {server}: give an address like http://127.0.0.1:8765")
    path = f"/v1/sessions/{quote(session, safe='')}/report?language={language}"
    token = os.environ.get("LIVEMOOD_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(server.rstrip("/") + path, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        raise LivemoodError(f"{server} refused: {_why(error)}") from None
    except (OSError, ValueError) as error:
        raise LivemoodError(f"no server answers at {server} ({error})") from None


def _why(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return str(error)
