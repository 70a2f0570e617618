"""The demo's sound and words, for the page: synthetic voices, so nobody is heard in them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from livemood.server.monitor.page import HEADERS

ASSETS = Path(__file__).resolve().parents[2] / "assets"


@dataclass(frozen=True, slots=True)
class Demo:
    """A recording that may be heard on the page. No other sound is ever served by a monitor."""

    real_time: bool
    """Whether it is read at the speed at which it was spoken: then it can be heard along."""
    sound: Path = ASSETS / "demo.opus"
    """Opus in Ogg."""
    words: Path = ASSETS / "demo-words.json"
    """A list of what was said: `channel` from 0, `start_ms`, `end_ms`, `text`."""

    def routes(self) -> list[BaseRoute]:
        """Where the page finds both. Browsers ask for parts of the sound (RFC 9110, section 14)."""
        return [
            Route("/demo/sound", _file(self.sound, "audio/ogg")),
            Route("/demo/words", _file(self.words, "application/json")),
        ]


def _file(path: Path, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(_: Request) -> Response:
        return FileResponse(path, media_type=media_type, headers=HEADERS)

    return answer
