"""REST under `/v1/baselines`: what is kept of participants' voices, and its deletion."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel
from starlette.requests import Request

from livemood.server.access.access import Access
from livemood.server.access.principal import Principal
from livemood.server.access.replies import answers
from livemood.server.refused import Refused
from livemood.server.storage.baselines import StoredBaseline
from livemood.server.storage.interface import Storage


class BaselinePage(BaseModel):
    """Every baseline that is kept, newest first; none says how the voice sounds."""

    baselines: list[StoredBaseline]


def baseline_routes(storage: Storage, access: Access) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/baselines")

    async def who(request: Request) -> Principal:
        return access.principal(request)

    By = Annotated[Principal, Depends(who)]  # noqa: N806 - a type

    @router.get("", responses=answers())
    def find(by: By) -> BaselinePage:
        """Whose baselines are kept."""
        by.require("manage")
        storage.audit.note(by.name, "baseline.list")
        return BaselinePage(baselines=storage.baselines.find())

    @router.delete("/{number}", status_code=204, responses=answers(404, 503))
    def delete(number: Annotated[int, Path(ge=1, le=2**62)], by: By) -> Response:
        """Delete a baseline; nothing of it stays in the data folder."""
        by.require("manage")
        if not storage.baselines.delete(number, by.name):
            raise Refused("not_found", "there is no baseline of that number", 404)
        storage.delete([], by.name, "scrub")
        return Response(status_code=204)

    return router
