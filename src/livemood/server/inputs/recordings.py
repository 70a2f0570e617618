"""`POST /v1/recordings`: a finished recording, as the body of a request."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request

from livemood.server.access.access import Access
from livemood.server.access.principal import Principal
from livemood.server.access.replies import answers
from livemood.server.refused import Refused, bad_request, not_found
from livemood.server.sessions.limits import Limits
from livemood.server.sessions.live import OpenSession
from livemood.server.sessions.recordings import WITHOUT_NAME, Recordings
from livemood.server.sessions.sessions import Sessions
from livemood.server.spec import MOST_CHANNELS, Name, SessionRecord, SessionSpec

PATH = "/v1/recordings"
PIECE = 1 << 20
"""Bytes written to disk at once."""
LEFT_FREE = 256 << 20
"""Bytes of the disk that recordings leave to everything else."""
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class UploadQuery(BaseModel):
    """What a recording is for, or the session that it belongs to."""

    model_config = ConfigDict(extra="forbid")

    session: str | None = Field(None, max_length=64)
    """One of kind `recording` that was created before; then nothing else is given but `name`."""
    name: str | None = Field(None, max_length=200)
    """What the recording is called: the file's name, say."""
    participants: list[Name] = Field([], max_length=MOST_CHANNELS)
    purpose: str | None = Field(None, max_length=100)
    consent: str | None = Field(None, max_length=500)
    informed: bool = False
    retention_days: float | None = None
    keep_sound: bool = False

    @property
    def about(self) -> dict[str, object]:
        """The session that it describes."""
        return self.model_dump(exclude={"session", "name"}, exclude_defaults=True)


def recording_routes(recordings: Recordings, sessions: Sessions, access: Access) -> APIRouter:
    """The route."""
    router = APIRouter()
    limits = sessions.limits
    admit = sessions.pools.admission.run

    async def who(request: Request) -> Principal:
        return access.principal(request)

    By = Annotated[Principal, Depends(who)]  # noqa: N806 - a type

    @router.post(
        PATH, status_code=202, openapi_extra=_BODY, responses=answers(404, 408, 409, 503, 507)
    )
    async def upload(
        request: Request, query: Annotated[UploadQuery, Query()], by: By
    ) -> SessionRecord:
        """Take a finished recording; its session is read as soon as there is time for it."""
        by.require("ingest", session=query.session)
        _check_body(request, limits)
        recordings.check_room(by.id)
        opened = await admit(_session, sessions, by, query)
        name = shown_name(query.name)
        try:
            async with recordings.place(opened):
                await _store(request, sessions, opened, limits)
                found = await recordings.probe(opened.record.id, name)
                _check(opened.record, found.channels)
                recordings.read(opened, name, found.channels)
        except Refused:
            if query.session is None:
                await admit(sessions.withdraw, opened.record.id, by)
            raise
        return opened.record

    return router


def shown_name(name: str | None) -> str:
    """What a recording is called: without folders and signs that no name has."""
    last = re.split(r"[/\\]", name or "")[-1]
    return "".join(c for c in last if c.isprintable()).strip() or WITHOUT_NAME


def _session(sessions: Sessions, by: Principal, query: UploadQuery) -> OpenSession:
    if query.session is None:
        try:
            spec = SessionSpec.model_validate({"kind": "recording", **query.about})
        except ValidationError as error:
            raise bad_request(error.errors()) from None
        session = sessions.create(spec, by).id
    else:
        session = query.session
        record = sessions.record(session)
        by.require_own(session, record.created_by)
        if record.kind != "recording":
            raise Refused("wrong_kind", f"the session is one of kind {record.kind}", 409)
        if query.about:
            raise Refused(
                "bad_request", "what the session is for was said when it was created", 422
            )
        sessions.adopt(session)
    opened = sessions.open(session)
    if opened is None:
        sessions.record(session)  # which says so if there is none
        raise Refused("already_started", "the session has ended", 409)
    return opened


def _check(record: SessionRecord, channels: int) -> None:
    if channels > MOST_CHANNELS:
        raise Refused("bad_channels", f"there may be from 1 to {MOST_CHANNELS} channels", 422)
    if record.participants and len(record.participants) != channels:
        raise Refused(
            "bad_participants",
            f"{len(record.participants)} participants were named for {channels} channels",
            422,
        )


def _check_body(request: Request, limits: Limits) -> None:
    """Raise `Refused` for a body that says itself that it is too large, or a form."""
    if request.headers.get("content-type", "").startswith("multipart/"):
        why = "a form was sent: send the file as it is, as curl -X POST -T FILE does"
        raise Refused("bad_recording", why, 422)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.recording_bytes:
        raise _too_big(limits)


def _too_big(limits: Limits) -> Refused:
    return Refused("recording_too_big", f"a recording may have {limits.recording_bytes} bytes", 413)


async def _store(request: Request, sessions: Sessions, opened: OpenSession, limits: Limits) -> None:
    """The request's body, in the session's file. Raises `Refused` if it does not come whole."""
    run, uploads = sessions.pools.uploads.run, sessions.storage.uploads
    try:
        file: BinaryIO = await run(uploads.open, opened.record.id)
        try:
            async with asyncio.timeout(limits.recording_upload_s):
                size = 0
                async for piece in _pieces(request, limits):
                    size += len(piece)
                    if size > limits.recording_bytes:
                        raise _too_big(limits)
                    if opened.record.state != "waiting":
                        raise not_found()
                    if uploads.free_bytes < LEFT_FREE + len(piece):
                        raise Refused("disk_full", "there is no room for the recording", 507)
                    await run(file.write, piece)
        finally:
            await run(file.close)
    except TimeoutError:
        raise Refused("too_slow", "the recording did not come to its end in time", 408) from None
    except ClientDisconnect:
        raise Refused("bad_request", "the recording did not come to its end", 400) from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Refused("storage_failed", f"the recording cannot be kept: {why}", 503, 30) from None
    if not size:
        raise Refused("bad_recording", "the request has no body: send the file as it is", 422)


async def _pieces(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The body in pieces of some `PIECE` bytes. Raises `TimeoutError` if nothing comes."""
    piece = bytearray()
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(limits.request_s):
                piece += await anext(stream)
        except StopAsyncIteration:
            break
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece = bytearray()
    if piece:
        yield bytes(piece)
