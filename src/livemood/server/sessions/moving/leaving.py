"""The server is being stopped: what live sessions may do elsewhere goes on there, the rest ends."""

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final

from livemood.server.sessions.live import LiveSession, OpenSession
from livemood.server.sessions.sessions import Sessions
from livemood.server.storage.interface import StorageError

log = logging.getLogger(__name__)

AT_ONCE: Final = 16
END_S: Final = 10.0
"""How long a session may take to end."""


def hand_on_all(sessions: Sessions, hurry: threading.Event) -> list[str]:
    """Leave live streams to other nodes, where their producers go on; those that were left.

    Each stands still for as short as can be, so only a few do at a time. Those that cannot go on
    are left as they are: of them `end_all` thinks.
    """
    if not sessions.peers.can_move:
        return []

    def hand_on(opened: OpenSession) -> bool:
        live = opened.live
        return not hurry.is_set() and live is not None and _hand_on(sessions, opened, live)

    moving = [opened for opened in sessions.all_open() if _can_move(opened)]
    with ThreadPoolExecutor(AT_ONCE, "livemood-moving") as pool:
        moved = pool.map(hand_on, moving)
        return [opened.record.id for opened, done in zip(moving, moved, strict=True) if done]


def _can_move(opened: OpenSession) -> bool:
    """Whether a session can go on at another node.

    Its producer must be able to turn there, and its sound must not be kept: that is one file.
    """
    return (
        opened.live is not None
        and opened.record.kind == "stream"
        and not (opened.live.closing or opened.published or opened.record.keep_sound)
    )


def _hand_on(sessions: Sessions, opened: OpenSession, live: LiveSession) -> bool:
    session = opened.record.id
    opened.leaving = Future()
    live.finish("interrupted")
    try:
        end = opened.leaving.result(END_S)
    except TimeoutError:
        if opened.leaving.cancel():  # its end is told once it comes
            return False
        end = opened.leaving.result()
    if end.reason == "interrupted":
        sessions.flow.voices.keep(opened.record, opened.baselines)
        opened.left_ms = end.end_ms
        token = sessions.peers.hand_on(opened.record, (end.seq or 1) - 1, end.end_ms)
        if token is not None:
            sessions.left(opened, token)
            sessions.storage.audit.note("system", "move", session)
            return True
    opened.cut = True
    sessions.take(opened, end, end.model_dump_json())
    return False


def end_all(sessions: Sessions) -> None:
    """End every session in order; new ones are refused. Waits until all is written."""
    sessions.refuse_new()
    opened = sessions.all_open()
    for session in opened:
        session.cut = session.cut or (session.live is not None and not session.live.closing)
        try:
            sessions.finish(session, "interrupted")
        except StorageError:
            log.exception("the end of a session cannot be kept")
            session.settled.set()
    deadline = time.monotonic() + END_S
    for session in opened:
        session.settled.wait(max(0.0, deadline - time.monotonic()))


def forget_left(sessions: Sessions, left: list[str]) -> None:
    """Nobody reads them here any more: leave nothing of sessions that went on elsewhere."""
    for session in left:
        sessions.storage.writer.then(partial(sessions.storage.events.forget, session))
