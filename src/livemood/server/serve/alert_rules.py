"""REST under `/v1/alerts`: the alert rules of a server, and their deletion."""

import threading
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel
from starlette.requests import Request

from livemood.server.access.access import Access
from livemood.server.access.principal import Principal
from livemood.server.access.replies import answers
from livemood.server.refused import Refused
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.alert_rules import StoredRule
from livemood.timeline.alert_rules import AlertRule


class TriedReceiver(BaseModel):
    """What became of the test message to one receiver of alerts."""

    receiver: str
    error: str | None
    """Why it did not arrive; null where it did."""


class RulePage(BaseModel):
    """The rules that were given by REST, the oldest first, and those of the server's settings."""

    rules: list[StoredRule]
    settings: list[AlertRule]


def alert_routes(sessions: Sessions, access: Access) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/alerts")
    storage, rules = sessions.storage, sessions.flow.rules

    async def who(request: Request) -> Principal:
        return access.principal(request)

    By = Annotated[Principal, Depends(who)]  # noqa: N806 - a type

    @router.get("", responses=answers())
    def find(by: By) -> RulePage:
        """Every rule of the server."""
        by.require("watch", "manage")
        return RulePage(rules=storage.alert_rules.find(), settings=list(rules.fixed))

    @router.post("", status_code=201, responses=answers(409))
    def add(rule: AlertRule, by: By) -> StoredRule:
        """Keep a rule; it holds in the sessions whose sound begins from now on."""
        by.require("manage")
        return rules.add(rule, by.id, by.name)

    trying = threading.Lock()

    @router.post("/test", responses=answers(409))
    async def test(by: By) -> list[TriedReceiver]:
        """Send a test message to each receiver of alerts, and say whether it arrived."""
        by.require("manage")
        return await sessions.pools.alerts.run(tried, by)

    def tried(by: Principal) -> list[TriedReceiver]:
        if (try_receivers := sessions.flow.try_receivers) is None:
            raise Refused("no_receivers", "the server's alert settings name no receiver", 409)
        if not trying.acquire(blocking=False):
            raise Refused("busy", "a test message is on its way", 429, 5)
        try:
            storage.audit.note(by.name, "alert.test")
            return [TriedReceiver(receiver=t.receiver, error=t.error) for t in try_receivers()]
        finally:
            trying.release()

    @router.delete("/{name}", status_code=204, responses=answers(404, 409))
    def delete(name: Annotated[str, Path(max_length=100)], by: By) -> Response:
        """Delete a rule; sessions that run keep it to their end."""
        by.require("manage")
        if not storage.alert_rules.delete(name, by.name):
            if any(rule.name == name for rule in rules.fixed):
                why = "the rule stands in the server's file of alerts: take it out there"
                raise Refused("rule_of_file", why, 409)
            raise Refused("not_found", "there is no alert rule of that name", 404)
        return Response(status_code=204)

    return router
