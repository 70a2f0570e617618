"""The log of a server: lines on standard error that name no session."""

import logging
import re

_ID = re.compile(r"(?<![0-9a-zA-Z])[0-9a-f]{16}(?![0-9a-zA-Z])")
"""How ids of sessions look, in paths and addresses, too."""


class WithoutSessions(logging.Formatter):
    """Messages and tracebacks as they are, less the ids of sessions.

    What others raise names the files and addresses that they met, and these hold such ids. At the
    level DEBUG nothing is left out.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record."""
        text = super().format(record)
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            return text
        return _ID.sub("[session]", text)


def log_to_stderr() -> None:
    """Write warnings and worse of everything in this process, unless something does already."""
    handler = logging.StreamHandler()
    handler.setFormatter(WithoutSessions("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
