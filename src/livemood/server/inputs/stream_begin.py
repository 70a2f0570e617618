"""The sound of a `/v1/stream` begins, or goes on here that began at another server."""

from livemood.server.access.principal import Principal
from livemood.server.inputs.stream_messages import Start, checked
from livemood.server.refused import Refused
from livemood.server.sessions.live import LiveSession, OpenSession
from livemood.server.sessions.moving.arriving import Sound, go_on
from livemood.server.sessions.sessions import Sessions
from livemood.server.spec import SessionRecord, SessionSpec


def begun(
    sessions: Sessions, by: Principal, session: str | None, start: Start, rate: int
) -> tuple[LiveSession, OpenSession, int]:
    """The session's sound begins, or goes on; and the last event that its producer has had."""
    if start.resume is None:
        record = _session(sessions, by, session, start)
        live, opened = _start(sessions, record.id, start, rate, by if session is None else None)
        return live, opened, 0
    if session is None or start.about:
        raise Refused("bad_request", "a session that goes on needs session=ID, and no more", 422)
    sound = Sound(rate, start.channels, start.at_ms)
    return go_on(sessions, session, start.resume, by, sound)


def _session(sessions: Sessions, by: Principal, session: str | None, start: Start) -> SessionRecord:
    """The session that the stream is for: one that was created before, or a new one."""
    if session is None:
        spec = checked(lambda: SessionSpec.model_validate({"kind": "stream", **start.about}))
        return sessions.create(spec, by)
    record = sessions.record(session)
    by.require_own(session, record.created_by)
    if record.kind != "stream":
        raise Refused("wrong_kind", f"the session is one of kind {record.kind}", 409)
    if start.about:
        raise Refused("bad_request", "what the session is for was said when it was created", 422)
    sessions.adopt(session)
    return record


def _start(
    sessions: Sessions, session: str, start: Start, rate: int, created_by: Principal | None
) -> tuple[LiveSession, OpenSession]:
    """The session's sound begins; `created_by` says who created it by this stream itself."""
    opened = sessions.open(session)
    try:
        live = sessions.start(
            session,
            source=f"stream {start.encoding} {start.rate} Hz",
            sample_rate=rate,
            channels=start.channels,
        )
    except Refused as refused:
        if created_by is not None:
            sessions.withdraw(session, created_by)
        elif opened is not None and refused.code != "already_started":
            sessions.finish(opened, "interrupted")
        raise
    assert opened is not None  # noqa: S101 - it was waiting, or could not have been started
    return live, opened
