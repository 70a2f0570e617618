"""Events of a server that may be newer: what is not known is passed over."""

from pydantic import ValidationError

from livemood.timeline.events import EVENT, AnyEvent, Event


def parse_known_event(text: str | bytes) -> AnyEvent | None:
    """The same for a client of a server that may be newer: what it does not know is passed over.

    Fields that are not known are left out; an event of a type that is not known is None. Raises
    `pydantic.ValidationError` for what is no event.
    """
    try:
        return EVENT.validate_json(text, extra="ignore")
    except ValidationError as error:
        if not _is_unknown_type(error):
            raise
    parse_common_fields(text)
    return None


def parse_known_object(event: object) -> AnyEvent | None:
    """The same for an event that is a Python object, as `json.loads` gives it."""
    try:
        return EVENT.validate_python(event, extra="ignore")
    except ValidationError as error:
        if not _is_unknown_type(error):
            raise
    return None


def parse_common_fields(text: str | bytes) -> Event:
    """What every event carries, whatever its type. Raises `pydantic.ValidationError`."""
    return Event.model_validate_json(text, extra="ignore")


def _is_unknown_type(error: ValidationError) -> bool:
    return error.errors()[0]["type"] == "union_tag_invalid"
