"""A large timeline in another format, or its report, in a process of its own.

A session of hours takes many seconds of a processor and hundreds of MB to write. In the server's
own process others would wait for it. Events come in as JSON Lines on standard input; what is asked
for goes to standard output.
"""

import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

from livemood.server.priority import give_way
from livemood.timeline.events import parse_event
from livemood.timeline.export import export
from livemood.timeline.timeline import Timeline

REPORT = "report"


def written(
    form: str, language: str, retention_days: float | None, lines: Iterable[str]
) -> Iterator[str]:
    """The timeline of `lines` in a format of `EXPORTS`, or its report, in pieces."""
    if form != REPORT:
        yield from export(form, lines)
        return
    from livemood.report import make_report

    timeline = Timeline(map(parse_event, lines))
    yield make_report(timeline, language, retention_days=retention_days)


def main() -> None:
    """Arguments: the format, or `report` with its language and the days it is kept."""
    form, language, days = [*sys.argv[1:], "en", ""][:3]
    give_way()
    lines = io.TextIOWrapper(sys.stdin.buffer, "utf-8", newline="\n")
    with suppress(BrokenPipeError):
        for piece in written(form, language, float(days) if days else None, lines):
            sys.stdout.buffer.write(piece.encode())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
