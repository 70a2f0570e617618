"""`python -m livemood`, and what the `livemood` command starts.

From the first line on, Ctrl-C ends the program without a word.
"""

try:
    import os
    import sys

    from livemood.cli.interrupt import BEGINNING, INTERRUPTED

    BEGINNING.start()
except KeyboardInterrupt:
    raise SystemExit(130) from None


def main() -> None:
    """Run the command line. It exits with 130 if Ctrl-C ends it."""
    try:
        if sys.stdout is None:  # closed by the caller
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        from livemood.cli.main import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        BEGINNING.stop()


if __name__ == "__main__":
    main()
