"""A large timeline in another format, or its report, in a process of its own.

A session of hours takes many seconds of a processor and hundreds of MB to write. In the server's
own process others would wait for it. Events come in as JSON Lines on standard input; what is asked
for goes to standard output.
"""

import sys
from contextlib import suppress

from livemood.server.priority import give_way
from livemood.timeline.events import parse_event
from livemood.timeline.export import EXPORTS
from livemood.timeline.timeline import Timeline

REPORT = "report"
PIECE = 65_536


def written(form: str, language: str, retention_days: float | None, timeline: Timeline) -> str:
    """The timeline in a format of `EXPORTS`, or its report."""
    if form != REPORT:
        return EXPORTS[form](timeline)
    from livemood.report import make_report

    return make_report(timeline, language, retention_days=retention_days)


def main() -> None:
    """Arguments: the format, or `report` with its language and the days it is kept."""
    form, language, days = [*sys.argv[1:], "en", ""][:3]
    give_way()
    timeline = Timeline(parse_event(line) for line in sys.stdin.buffer)
    text = written(form, language, float(days) if days else None, timeline)
    with suppress(BrokenPipeError):
        for at in range(0, len(text), PIECE):
            sys.stdout.buffer.write(text[at : at + PIECE].encode())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
