"""How labels look: one letter, colour and texture each, for pages, reports and terminals."""

import json
from functools import cache
from pathlib import Path
from typing import Final

from livemood.model.labels import UNCERTAIN

PALETTE: Final = Path(__file__).resolve().parent.parent / "assets" / "palette.json"


@cache
def looks() -> dict[str, dict[str, str]]:
    """Label to its `letter`, `colour` (of Okabe & Ito 2008, "Color Universal Design"), `pattern`.

    Their grey is made lighter: in deuteranopia it came too near to reddish purple.

    Never colour alone: people with any kind of colour vision, and paper without colours, have the
    letter and the texture. Black text is legible on every colour.
    """
    found: dict[str, dict[str, str]] = json.loads(PALETTE.read_text("utf-8"))
    return found


def look(label: str) -> dict[str, str]:
    """The look of a label. An unknown label looks like uncertain, with its own letter."""
    return looks().get(label) or {**looks()[UNCERTAIN], "letter": label[:1].upper()}
