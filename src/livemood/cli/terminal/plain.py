"""Text that came from elsewhere, made safe for a terminal."""


def plain(text: str) -> str:
    """The text without what moves the cursor, changes colours, or turns the direction of writing.

    Control characters, escape sequences and format characters such as U+202E each become U+FFFD.
    """
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def plain_lines(text: str) -> str:
    """The same, line by line: line breaks stay."""
    return "\n".join(map(plain, text.split("\n")))


def plain_json(text: str) -> str:
    """A JSON text whose strings hold such characters as escapes: it means the same.

    JSON escapes only those below U+0020 by itself. Outside of strings there are none.
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(c: str) -> str:
    if c.isprintable() or c == "\n":
        return c
    units = c.encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))
