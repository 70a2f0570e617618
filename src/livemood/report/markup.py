"""HTML as a tree, so that what somebody wrote can become text only, never markup."""

from base64 import b64encode
from hashlib import sha256
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

Child = Element | str | None

__all__ = ["Child", "Element", "SubElement", "el", "policy", "to_html"]

_UNPRINTABLE: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), "�")


def el(tag: str, *children: Child, **attributes: str | float) -> Element:
    """An element. `class_` becomes `class`; in other names `_` becomes `-`."""
    given = {_name(k): _text(str(v)) for k, v in attributes.items()}
    element = Element(tag, given)
    last: Element | None = None
    for child in children:
        if isinstance(child, str):
            if last is None:
                element.text = (element.text or "") + _text(child)
            else:
                last.tail = (last.tail or "") + _text(child)
        elif child is not None:
            element.append(child)
            last = child
    return element


def to_html(root: Element) -> str:
    """A document of `root`, escaped as HTML wants it."""
    return "<!doctype html>\n" + tostring(root, "unicode", method="html") + "\n"


def policy(style: str) -> str:
    """A Content-Security-Policy (W3C CSP3) that allows this text as style and nothing else."""
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'"


def _name(keyword: str) -> str:
    return keyword.rstrip("_").replace("_", "-")


def _text(text: str) -> str:
    """The text without characters that HTML does not allow."""
    return text.translate(_UNPRINTABLE)
