"""What a killed server left open, ended at the next start."""

import logging
from collections.abc import Sequence

from livemood.server.spec import SessionRecord, ended_fields
from livemood.server.storage.database import StorageError
from livemood.server.storage.timelines import Timelines
from livemood.timeline.events import AnyEvent, SessionEnded, parse_event, utc_now
from livemood.timeline.recover import interrupted_end

log = logging.getLogger(__name__)


def end_interrupted(record: SessionRecord, events: Timelines) -> SessionRecord:
    """The record of a session that was interrupted, and the end of its timeline.

    A timeline that cannot be read is put aside, and said in the log.
    """
    fields: dict[str, object] = {"state": "ended", "ended": utc_now(), "reason": "interrupted"}
    try:
        return record.model_copy(update=fields | _ended(record, events))
    except (StorageError, OSError, ValueError):
        log.debug("a timeline cannot be read", exc_info=True)
        log.error("a damaged timeline was put aside: its file ends in .damaged now")
        events.put_aside(record.id)
    return record.model_copy(update=fields)


def _ended(record: SessionRecord, events: Timelines) -> dict[str, object]:
    fields, end = ended_of(record, [parse_event(text) for _, text in events.read(record.id)])
    if end is not None and end.seq is not None:
        events.append(record.id, [(end.seq, end.model_dump_json())])
    return fields


def ended_of(
    record: SessionRecord, found: Sequence[AnyEvent]
) -> tuple[dict[str, object], SessionEnded | None]:
    """What changes in the record of a session that was interrupted after these events.

    And the event that is to follow them; none if they have an end, or no beginning.
    """
    fields: dict[str, object] = {"state": "ended", "ended": utc_now(), "reason": "interrupted"}
    last = found[-1] if found else None
    end = None if isinstance(last, SessionEnded) else interrupted_end(found)
    summed = last if isinstance(last, SessionEnded) else end
    if summed is not None:
        fields |= ended_fields(summed)
        if record.state == "waiting":  # killed before its record was written
            fields |= {"source": getattr(found[0], "source", None)}
            fields |= {"channels": len(summed.summary), "started": found[0].time}
    elif not found:
        fields["reason"] = "unused"
    return fields, end
