"""Repainting a terminal without flicker: write only what changed, and erase nothing first."""

from collections.abc import Sequence

BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
"""Synchronized output: terminals that know it show what lies between at once; others ignore it."""
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
TO_END_OF_LINE, BELOW = "\x1b[K", "\x1b[J"


class Repainter:
    """Knows what stands on the terminal; told what should, it says what to write.

    Pure. The cursor rests at the start of the line below the last painted one.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def paint(self, lines: Sequence[str]) -> str:
        """What to write so that `lines` stand there; nothing if they do already.

        Each line holds its own escape sequences, resets them, and fits the terminal's width.
        """
        old, new = self._lines, list(lines)
        changed = [n for n, line in enumerate(new) if n >= len(old) or line != old[n]]
        if not changed and len(old) == len(new):
            return ""
        out = [BEGIN]
        if old:
            out.append(f"\x1b[{len(old)}A")
        at = 0
        for n in changed:
            if n > at:
                out.append(f"\x1b[{n - at}B")
            out.append(f"\r{new[n]}{TO_END_OF_LINE}\r\n")
            at = n + 1
        if at < len(new):
            out.append(f"\x1b[{len(new) - at}B\r")
        if len(old) > len(new):
            out.append(f"\r{BELOW}")
        self._lines = new
        return "".join([*out, END])

    def forget(self) -> str:
        """The terminal changed its size, and moved the lines: what to write to paint them all anew.

        Nothing above them is touched: it is not ours. Where the terminal wraps lines anew, some
        of what was painted may stay there, too.
        """
        count, self._lines = len(self._lines), []
        return f"\x1b[{count}A\r{BELOW}" if count else ""
