"""REST of what a server keeps besides sessions: alert rules, baselines, the audit log."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.requests import Request

from livemood.server.access.access import Access
from livemood.server.access.principal import Principal
from livemood.server.access.replies import answers
from livemood.server.serve.alert_rules import alert_routes
from livemood.server.serve.baselines import baseline_routes
from livemood.server.sessions.sessions import Sessions


class AuditLine(BaseModel):
    """One line of the audit log."""

    n: int
    time: str
    who: str
    action: str
    session: str | None
    detail: dict[str, Any]
    policy: str


class AuditPage(BaseModel):
    """Some lines of the audit log, newest first."""

    lines: list[AuditLine]


def stored_routes(sessions: Sessions, access: Access) -> APIRouter:
    """The routes."""
    router = APIRouter()
    storage = sessions.storage

    async def who(request: Request) -> Principal:
        return access.principal(request)

    By = Annotated[Principal, Depends(who)]  # noqa: N806 - a type

    @router.get("/audit", responses=answers())
    def audit(
        by: By,
        before: Annotated[int | None, Query(ge=0, le=2**62)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> AuditPage:
        """Who created, read, exported and deleted what, newest first."""
        by.require("manage")
        return AuditPage(lines=[AuditLine(**line) for line in storage.audit.lines(before, limit)])

    router.include_router(baseline_routes(storage, access))
    router.include_router(alert_routes(sessions, access))
    return router
