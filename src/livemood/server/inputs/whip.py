"""`/v1/whip`: browsers and programs publish by WebRTC (WHIP, RFC 9725)."""

from collections import Counter
from importlib.util import find_spec
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import ValidationError
from starlette.requests import Request

from livemood.server.access.access import Access
from livemood.server.access.principal import Principal
from livemood.server.access.replies import SessionId, answers
from livemood.server.inputs.candidates import own_candidates, plain
from livemood.server.inputs.publisher import Publisher
from livemood.server.refused import Refused, bad_request, not_found
from livemood.server.sessions.live import OpenSession
from livemood.server.sessions.sessions import Sessions
from livemood.server.spec import SessionSpec

SDP = "application/sdp"
_BODY = {"requestBody": {"required": True, "content": {SDP: {"schema": {"type": "string"}}}}}


def installed() -> bool:
    """Whether there is what it takes."""
    return find_spec("aiortc") is not None


class Publishers:
    """Those that publish now. Belongs to the event loop."""

    def __init__(self, sessions: Sessions, most: int) -> None:
        self._sessions, self._most = sessions, most
        self._there: dict[str, Publisher] = {}
        self._coming = 0

    async def publish(
        self, by: Principal, spec: SessionSpec | str, offer: str, host: str
    ) -> tuple[str, str]:
        """A new publisher, into a new session or one created before: its id, and the answer.

        `host` is who sent the offer. Raises `Refused`.
        """
        elsewhere = self._sessions.peers.elsewhere("publisher")
        if len(self._there) + self._coming + elsewhere >= self._most:
            await self._make_room()
        self._coming += 1
        try:
            opened = await self._sessions.pools.admission.run(self._session, by, spec)
            if opened.record.id in self._there:  # another was quicker
                raise Refused("already_started", "the session is published already", 409)
            publisher = Publisher(self._sessions, opened, self._gone)
            self._there[publisher.session] = publisher
            self._sessions.peers.hold("publisher")
        finally:
            self._coming -= 1
        try:
            return publisher.session, await publisher.answer(offer, host)
        except BaseException as error:
            if isinstance(error, Refused) and isinstance(spec, SessionSpec):
                await self._sessions.pools.admission.run(
                    self._sessions.withdraw, publisher.session, by
                )
            await publisher.close("interrupted")
            raise

    async def _make_room(self) -> None:
        """Part with the oldest that has not connected, of whoever has most of those.

        So offers that never connect keep nobody out. Raises `Refused` if all have connected.
        """
        idle = [one for one in self._there.values() if one.idle]
        if not idle:
            raise Refused("too_many_clients", "as many publish as are allowed", 503, 5)
        most, _ = Counter(one.creator for one in idle).most_common(1)[0]
        await next(one for one in idle if one.creator == most).close("interrupted")

    def _session(self, by: Principal, spec: SessionSpec | str) -> OpenSession:
        if isinstance(spec, SessionSpec):
            session = self._sessions.create(spec, by).id
        else:
            session = spec
            record = self._sessions.record(session)
            by.require_own(session, record.created_by)
            if record.kind != "whip":
                raise Refused("wrong_kind", f"the session is one of kind {record.kind}", 409)
            if record.state != "waiting" or session in self._there:
                raise Refused("already_started", "the session is published already", 409)
            self._sessions.adopt(session)
        opened = self._sessions.open(session)
        if opened is None:
            raise not_found()
        opened.published = True
        return opened

    async def end(self, session: str) -> None:
        """Part with a publisher. Raises `Refused` if there is no such one."""
        publisher = self._there.get(session)
        if publisher is None:
            raise not_found()
        await publisher.close()

    async def close(self) -> None:
        """Part with everybody."""
        for publisher in list(self._there.values()):
            await publisher.close("interrupted")

    def _gone(self, publisher: Publisher) -> None:
        if self._there.get(publisher.session) is publisher:
            del self._there[publisher.session]
            self._sessions.peers.let_go("publisher")


def whip_routes(publishers: Publishers, sessions: Sessions, access: Access) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1/whip")

    @router.post(
        "",
        status_code=201,
        openapi_extra=_BODY,
        response_class=Response,
        responses=answers(404, 409, 415, 501, 503) | {201: {"content": {SDP: {}}}},
    )
    async def publish(
        request: Request,
        session: Annotated[
            str | None, Query(max_length=64, description="One created before.")
        ] = None,
        purpose: Annotated[str | None, Query(max_length=100)] = None,
        consent: Annotated[str | None, Query(max_length=500)] = None,
        informed: bool = False,
        participant: Annotated[str | None, Query(max_length=200)] = None,
        retention_days: float | None = None,
        keep_sound: bool = False,
        keep_baselines: bool = False,
    ) -> Response:
        """Publish a microphone: an offer in SDP is answered."""
        by = await sessions.pools.admission.run(access.principal, request)
        by.require("ingest", session=session)
        if not installed():
            raise Refused("not_installed", "publishing needs pip install 'livemood[webrtc]'", 501)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != SDP:
            raise Refused("bad_request", f"send the offer as {SDP}", 415)
        host = request.client.host if request.client else ""
        offer = own_candidates(plain(_offer(await request.body())), host)
        about: SessionSpec | str
        if session is None:
            fields: dict[str, object] = {
                "purpose": purpose,
                "consent": consent,
                "informed": informed,
                "participants": None if participant is None else (participant,),
                "retention_days": retention_days,
                "keep_sound": keep_sound,
                "keep_baselines": keep_baselines,
            }
            about = _spec({n: v for n, v in fields.items() if v is not None})
        else:
            about = session
        number, answer = await publishers.publish(by, about, offer, host)
        return Response(answer, 201, {"Location": f"/v1/whip/{number}"}, SDP)

    @router.delete("/{session}", status_code=200, responses=answers(404), response_class=Response)
    async def end(request: Request, session: SessionId) -> Response:
        """Stop publishing; the session ends."""
        by = await sessions.pools.admission.run(access.principal, request)
        by.require("ingest", "manage", session=session)
        record = await sessions.pools.admission.run(sessions.record, session)
        by.require_own(session, record.created_by)
        await publishers.end(session)
        return Response(status_code=200)

    return router


def _offer(body: bytes) -> str:
    try:
        offer = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("bad_sdp", "the offer is no UTF-8", 400) from None
    if "m=audio" not in offer:
        raise Refused("bad_sdp", "the offer has no audio", 400)
    if "m=application" in offer:
        raise Refused("bad_sdp", "offer audio alone, no data channel", 400)
    return offer


def _spec(fields: dict[str, object]) -> SessionSpec:
    try:
        return SessionSpec.model_validate({"kind": "whip", **fields})
    except ValidationError as error:
        raise bad_request(error.errors()) from None
