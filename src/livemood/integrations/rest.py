"""What a running livemood answers by REST: a server of many sessions, or a monitor of one."""

from typing import Any
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from livemood.errors import ConnectError, ProtocolError
from livemood.timeline import Timeline
from livemood.timeline.lenient import parse_known_event

TIMEOUT_S = 20.0


class LivemoodRest:
    """A client of one livemood. Raises `ConnectError` where it does not answer or refuses."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=TIMEOUT_S)

    async def about(self) -> dict[str, Any]:
        """What it is: its version, mode (`service` or `monitor`), and a monitor's session."""
        return await self._json("/v1/about")

    async def sessions(self, **query: str | int) -> list[dict[str, Any]]:
        """Records of sessions, newest first; a monitor has one, or none before it begins."""
        about = await self.about()
        if about.get("mode") == "monitor":
            session = about.get("session")
            return [{"id": session, "state": "live"}] if session else []
        found: list[dict[str, Any]] = (await self._json("/v1/sessions", query))["sessions"]
        return found

    async def timeline(self, session: str) -> Timeline:
        """Everything that a session has said so far."""
        path = f"/v1/sessions/{quote(session, safe='')}/timeline"
        text = (await self._get(path, {"format": "jsonl"})).text
        try:
            events = [parse_known_event(line) for line in text.splitlines() if line]
        except ValidationError:
            raise ProtocolError(f"{self.url} answered with what is no timeline") from None
        return Timeline(event for event in events if event is not None)

    async def close(self) -> None:
        """Nothing more will be asked."""
        await self._http.aclose()

    async def _json(self, path: str, query: dict[str, str | int] | None = None) -> dict[str, Any]:
        try:
            answer = (await self._get(path, query or {})).json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ProtocolError(f"{self.url} is no livemood: {path} is no JSON object")
        return answer

    async def _get(self, path: str, query: dict[str, str | int]) -> httpx.Response:
        try:
            answer = await self._http.get(path, params=query)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ConnectError(
                f"no livemood answers at {self.url} ({error or type(error).__name__}): start one "
                "with livemood serve or livemood listen"
            ) from None
        if answer.is_success:
            return answer
        try:
            reason = answer.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            reason = f"HTTP {answer.status_code}"
        raise ConnectError(f"{self.url} refused: {reason}")
