"""Bring your own sink: every segment goes into an SQLite table while the session runs.

python examples/own_sink.py call.wav moods.db
"""

import sqlite3
import sys

import livemood


class Table:
    """Is called with every event, in a thread of its own, so that it never delays readings."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("CREATE TABLE IF NOT EXISTS moods (speaker, start_ms, end_ms, label)")

    def __call__(self, event: livemood.AnyEvent) -> None:
        """Keep segments, pass over everything else."""
        if event.type == "segment":
            row = (event.channel, event.start_ms, event.end_ms, event.label)
            self._db.execute("INSERT INTO moods VALUES (?, ?, ?, ?)", row)

    def close(self) -> None:
        """Is called after the last event."""
        self._db.commit()
        self._db.close()


def main(path: str, database: str) -> None:
    """Listen to a file; the sink does the rest."""
    for _ in livemood.listen(path, speed=None, sinks=[Table(database)]):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:3])
