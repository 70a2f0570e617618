"""Errors that a user can act on: each is one line that says what was wrong and what to do."""


class LivemoodError(Exception):
    """Something outside the program is wrong: a file, a device, a model, a port.

    The message is one line for a person: what was wrong, then what to do about it. The command
    line prints it without a traceback and exits with `exit_code`.
    """

    exit_code = 1


class UsageError(LivemoodError):
    """What was asked for cannot be done whatever the outside world is like (exit code 2)."""

    exit_code = 2


class SourceError(LivemoodError):
    """Sound cannot be had from where it was to come from."""


class ModelError(LivemoodError):
    """A model cannot be found, read or trusted."""
