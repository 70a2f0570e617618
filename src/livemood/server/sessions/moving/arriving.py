"""A live session that another node has left goes on here."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Final

from livemood.errors import UsageError
from livemood.server.access.principal import Principal
from livemood.server.monitor.log import Entry
from livemood.server.peers.interface import Left
from livemood.server.refused import Refused, already_started, not_found, token_gone
from livemood.server.sessions.limits import check_form
from livemood.server.sessions.live import LiveSession, OpenSession
from livemood.server.sessions.moving.continuation import Continuation
from livemood.server.sessions.sessions import Sessions
from livemood.timeline.events import AnyEvent, Emotion, parse_event

LONGEST_GAP_S: Final = 60.0
"""A token does not hold so long; a clock that goes wrong must not make a gap of a year."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What a producer says of the sound that it goes on with."""

    rate: int
    channels: int
    at_ms: int | None
    """Where it goes on, in ms of the session; by the clock unless it says."""


def go_on(
    sessions: Sessions, session: str, token: str, by: Principal, sound: Sound
) -> tuple[LiveSession, OpenSession, int]:
    """The session goes on; also the number of the last event that its producer has had.

    Blocks. Raises `Refused`; until it has gone on, it may be tried at another node.
    """
    check_form(sound.rate, sound.channels)
    record = sessions.storage.sessions.get(session)
    if record is None:
        raise not_found()
    by.require_own(session, record.created_by)
    if record.state == "ended" or sessions.open(session) is not None:
        raise already_started()
    if not sessions.holds(record.created_by):
        raise token_gone()
    left = sessions.peers.left(record, token)
    if sound.channels != record.channels:
        raise Refused("bad_channels", f"the session has {record.channels} channels", 422)
    before = [parse_event(text) for _, text in left.rows]
    opened = OpenSession(record, record.channels)
    try:
        opened.going_on = Continuation(before)
    except UsageError as error:
        raise Refused("not_live", str(error), 409) from None
    had = opened.going_on.seq
    claim = partial(_claim, sessions, opened, opened.going_on, before, left, sound)
    live = sessions.go_on(opened, sound.rate, claim)
    sessions.storage.audit.note(by.name, "go on", session)
    return live, opened, had


def _claim(
    sessions: Sessions,
    opened: OpenSession,
    going_on: Continuation,
    before: list[AnyEvent],
    left: Left,
    sound: Sound,
) -> None:
    assert opened.live is not None  # noqa: S101 - the engine listens before this is called
    passed_s = min(max(0.0, time.time() - left.heard), LONGEST_GAP_S)
    longest_ms = left.end_ms + round(1000 * LONGEST_GAP_S)
    at_ms = left.end_ms + round(1000 * passed_s) if sound.at_ms is None else sound.at_ms
    first = going_on.begin(left.end_ms, min(at_ms, longest_ms))
    rows = [(event.seq or 0, event.model_dump_json()) for event in first]
    try:
        left.begin(rows)
    except BaseException:
        opened.void = True
        opened.live.finish("interrupted")
        raise
    for seq, text in (*left.rows, *rows):
        sessions.storage.writer.put(opened.record.id, seq, text)
    opened.log.first = Entry(*left.rows[0], droppable=False)
    recent = [*zip(before, left.rows, strict=True), *zip(first, rows, strict=True)]
    for event, (seq, text) in recent[-OpenSession.HISTORY :]:
        opened.note(event)
        opened.log.append(Entry(seq, text, isinstance(event, Emotion)))
    for event in first:
        if sessions.flow.notifier:
            sessions.flow.notifier(event)
