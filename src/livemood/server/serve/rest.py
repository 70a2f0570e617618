"""REST under `/v1`: sessions, their timelines, markers, deletion, the audit log."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import FileResponse

from livemood.server.access.access import Access
from livemood.server.access.principal import Principal
from livemood.server.access.replies import SessionId, answers
from livemood.server.inputs.call import RtpPlace, RtpWish
from livemood.server.inputs.rtp import RtpInput
from livemood.server.refused import Refused
from livemood.server.serve.exports import MEDIA, Exports
from livemood.server.serve.stored import stored_routes
from livemood.server.sessions.sessions import Sessions
from livemood.server.spec import MOST_CHANNELS, SessionRecord, SessionSpec, State
from livemood.timeline.events import Marker
from livemood.version import __version__

Form = Literal["json", "jsonl", "csv", "vtt", "emotionml"]
LONGEST_MS = 10**12


class Page(BaseModel):
    """Some sessions, newest first."""

    sessions: list[SessionRecord]
    next: str | None
    """Give it as `before` to get the next ones; none if there are no more."""


class Note(BaseModel):
    """What to note on a timeline."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(min_length=1, max_length=1000)
    at_ms: int | None = Field(None, ge=0, le=LONGEST_MS)
    """Where, in ms since the stream began; by default where the sound is now."""


class Transcript(BaseModel):
    """What was said, and when; see the guide on words."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=2000)
    start_ms: int = Field(ge=0, le=LONGEST_MS)
    end_ms: int = Field(gt=0, le=LONGEST_MS)
    """In ms since the stream began; at most 10 s ahead of the sound."""
    channel: int = Field(0, ge=0, le=MOST_CHANNELS - 1)


class Features(BaseModel):
    """What a server can do."""

    sessions: bool
    stream: bool
    whip: bool
    tokens: bool
    markers: bool
    report: bool
    recordings: bool
    alerts: bool
    receivers: bool
    """Whether its settings name anybody whom alerts go to."""


class AboutServer(BaseModel):
    """What a server is."""

    version: str
    mode: Literal["service"]
    session: None
    features: Features
    auth_required: bool
    purposes: list[str]
    recording_bytes: int
    """The most that an uploaded recording may have."""


class NewSession(SessionSpec):
    """A session, and how it takes its sound."""

    rtp: RtpWish | None = None
    """Of kind `rtp` alone."""


class CreatedSession(SessionRecord):
    """A session, and where to send its sound."""

    rtp: RtpPlace | None = None
    """Of kind `rtp` alone."""


def rest_routes(sessions: Sessions, access: Access, features: Features, rtp: RtpInput) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1")
    storage = sessions.storage
    exports = Exports(sessions, storage.folder)
    admit = sessions.pools.admission.run

    async def who(request: Request) -> Principal:
        return access.principal(request)

    def up_to_date(session: str) -> SessionRecord:
        """The record of a session whose events are on disk."""
        record = sessions.record(session)
        if record.state == "live":
            storage.writer.flush()
        return record

    def own(session: str, by: Principal) -> None:
        """Raise `Refused` unless `by` manages the session, or created it."""
        by.require("manage", "ingest", session=session)
        by.require_own(session, sessions.record(session).created_by)

    By = Annotated[Principal, Depends(who)]  # noqa: N806 - a type

    @router.get("/about", responses=answers())
    def about() -> AboutServer:
        """What this server is; asks for no token."""
        return AboutServer(
            version=__version__,
            mode="service",
            session=None,
            features=features,
            auth_required=access.required,
            purposes=sessions.policy.allowed,
            recording_bytes=sessions.limits.recording_bytes,
        )

    @router.post(
        "/sessions", status_code=201, response_model=CreatedSession, responses=answers(503)
    )
    async def create(new: NewSession, request: Request, by: By) -> CreatedSession | Response:
        """Create a session that waits for its sound; one of kind `rtp` is given ports."""
        by.require("ingest", "manage")
        shared = new.kind == "rtp" and new.rtp is not None and bool(new.rtp.ssrcs)
        answer = await sessions.peers.create_elsewhere(request, new.kind, shared)
        if answer is not None:
            return answer
        return await admit(created, new, by)

    def created(new: NewSession, by: Principal) -> CreatedSession:
        if new.rtp is not None and new.kind != "rtp":
            raise Refused("bad_request", f"rtp: the session is one of kind {new.kind}", 422)
        spec = SessionSpec(**new.model_dump(exclude={"rtp"}))
        record = sessions.create(spec, by, new.rtp.parties if new.rtp else None)
        if new.kind != "rtp":
            return CreatedSession(**record.model_dump())
        try:
            place = rtp.place(record, new.rtp or RtpWish())
        except Refused:
            sessions.withdraw(record.id, by)
            raise
        return CreatedSession(**record.model_dump(), rtp=place)

    @router.get("/sessions", responses=answers())
    def find(
        by: By,
        state: State | None = None,
        purpose: Annotated[str | None, Query(max_length=100)] = None,
        q: Annotated[
            str | None,
            Query(max_length=200, description="In id, source, participants or consent."),
        ] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        before: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    ) -> Page:
        """Sessions, newest first."""
        by.require("watch", "manage", session=by.session)
        found = storage.sessions.find(
            state=state, purpose=purpose, text=q, session=by.session, before=before, limit=limit
        )
        elsewhere = sessions.peers.listed(
            [r.id for _, r in found if r.state != "ended" and sessions.open(r.id) is None]
        )
        records = [
            opened.listed if (opened := sessions.open(r.id)) else elsewhere.get(r.id, r)
            for _, r in found
        ]
        return Page(sessions=records, next=str(found[-1][0]) if len(found) == limit else None)

    @router.get("/sessions/{session}", responses=answers(404))
    def read(session: SessionId, by: By) -> SessionRecord:
        """One session."""
        by.require("watch", "manage", session=session)
        record = sessions.record(session)
        storage.audit.note(by.name, "read", session)
        return record

    @router.get(
        "/sessions/{session}/timeline",
        responses=answers(404, 503)
        | {200: {"content": {media.partition(";")[0]: {} for media in MEDIA.values()}}},
        response_class=Response,
    )
    async def export(session: SessionId, by: By, format: Form = "json") -> Response:  # noqa: A002
        """The timeline as it is by now, in one of five formats."""
        by.require("watch", "manage", session=session)
        record = await admit(up_to_date, session)
        headers = {
            "Content-Disposition": f'attachment; filename="{record.id}.{format}"',
            "Content-Type": MEDIA[format],
        }
        note = partial(storage.audit.note, by.name, "export", session, format=format)
        return await exports.timeline(session, format, by.id, headers, note)

    @router.get(
        "/sessions/{session}/report",
        responses=answers(404, 409, 503) | {200: {"content": {"text/html": {}}}},
        response_class=Response,
    )
    async def report(session: SessionId, by: By, language: Literal["en", "zh"] = "en") -> Response:
        """The session on paper: one HTML file that holds everything it needs."""
        by.require("watch", "manage", session=session)
        record = await admit(up_to_date, session)
        note = partial(storage.audit.note, by.name, "export", session, format="report")
        return await exports.report(session, language, by.id, record.retention_days, note)

    @router.get(
        "/sessions/{session}/sound",
        responses=answers(404) | {200: {"content": {"audio/ogg": {}}}},
        response_class=FileResponse,
    )
    def sound(session: SessionId, by: By) -> FileResponse:
        """The sound of a session that asked for it to be kept, once it has ended."""
        by.require("manage", session=session)
        record = sessions.record(session)
        path = storage.sound.path(record.id)
        being_written = sessions.open(record.id) is not None
        if record.state != "ended" or being_written or not path.is_file():
            raise Refused("no_sound", "no sound is kept of this session", 404)
        storage.audit.note(by.name, "export", session, format="sound")
        return FileResponse(path, media_type="audio/ogg")

    @router.post("/sessions/{session}/markers", status_code=201, responses=answers(404, 409))
    def mark(session: SessionId, note: Note, by: By) -> Marker:
        """Note something on the timeline of a live session."""
        own(session, by)
        return sessions.mark(session, note.note, note.at_ms, by)

    @router.post("/sessions/{session}/transcript", status_code=202, responses=answers(404, 409))
    def push_transcript(session: SessionId, spoken: Transcript, by: By) -> Response:
        """Read what was said in a live session; `words` and `fused` events say what it gave.

        Needs a server that reads words. Nothing of the text is kept unless the session keeps words.
        """
        own(session, by)
        live = sessions.opened(session).running
        live.push_transcript(spoken.text, spoken.channel, spoken.start_ms, spoken.end_ms)
        return Response(status_code=202)

    @router.post("/sessions/{session}/end", responses=answers(404, 409))
    def end(session: SessionId, by: By) -> SessionRecord:
        """End a session in order."""
        own(session, by)
        return sessions.end(session, by)

    @router.delete("/sessions/{session}", status_code=204, responses=answers(404, 503))
    def delete(session: SessionId, by: By) -> Response:
        """Delete a session; nothing of it stays in the data folder but its id in the audit log."""
        by.require("manage", session=session)
        sessions.delete(session, by)
        return Response(status_code=204)

    router.include_router(stored_routes(sessions, access))
    return router
