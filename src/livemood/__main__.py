"""`python -m livemood`, and what the `livemood` command starts."""

import os
import sys


def main() -> None:
    """Run the command line; Ctrl-C before it has begun ends it without a word."""
    if sys.stdout is None:  # closed by the caller
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    try:
        from livemood.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
