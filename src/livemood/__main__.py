"""`python -m livemood`, and what the `livemood` command starts."""

import os
import sys

from livemood.cli.interrupt import INTERRUPTED, QuietInterrupts


def main() -> None:
    """Run the command line; Ctrl-C ends it without a word."""
    try:
        with QuietInterrupts():
            if sys.stdout is None:  # closed by the caller
                sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
            from livemood.cli.main import main as run
        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
