"""Words and numbers of a report: the same words that the page uses."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

ASSETS: Final = Path(__file__).resolve().parent.parent / "assets"
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


class Words:
    """The words of one language. Raises `KeyError` if there are none in it."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._words: dict[str, Any] = _strings()[language]

    def __call__(self, key: str, **values: object) -> str:
        """The words for `key`, with `{name}` replaced from `values`."""
        text: str = self._words[key]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def label(self, label: str) -> str:
        """The name of a label. Without a word for it, the model's own name."""
        names: dict[str, str] = self._words["labels"]
        return names.get(label, label)

    def of(self, group: str, key: str) -> str:
        """One word of a group; `key` itself if there is none."""
        found: str = self._words[group].get(key, key)
        return found

    def date(self, time: str) -> str:
        """A time in RFC 3339 (UTC) as people write it. Text that is no time stays as it is."""
        try:
            moment = datetime.fromisoformat(time)
        except ValueError:
            return time
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
        clock = f"{moment:%H:%M}\N{NO-BREAK SPACE}UTC"
        if self.language == "zh":
            return f"{moment.year}年{moment.month}月{moment.day}日 {clock}"
        return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}, {clock}"


@cache
def _strings() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ASSETS / "strings.json").read_text("utf-8"))
    return found


def languages() -> tuple[str, ...]:
    """Languages with words."""
    return tuple(_strings())


def clock(ms: float) -> str:
    """Time in a session: 1:02:03 or 2:03."""
    minutes, seconds = divmod(int(ms) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def percent(share: float) -> str:
    """A share in whole percent."""
    return f"{100 * share:.0f} %"


def signed(value: float | None) -> str:
    """A number of [-1, 1] with its sign."""
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")
