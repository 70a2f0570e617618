"""Session descriptions (RFC 8866): what the payload types of a call mean."""

from pathlib import Path
from typing import Any

from livemood.errors import UsageError
from livemood.sources.rtp.formats.payload import STATIC, PayloadTypes, RtpFormat

LONGEST = 65_536
"""Bytes; a description is a few lines."""


def read_sdp(path: Path) -> PayloadTypes:
    """The audio that the file describes.

    Raises `UsageError` if it cannot be read, or if it describes no audio that can be decoded.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    return described(text.decode("utf-8", "replace"), str(path))


def described(text: str, name: str = "the session description") -> PayloadTypes:
    """The same of the text itself, called `name` in errors."""
    if len(text) > LONGEST:
        raise UsageError(f"{name} is too long for a session description")
    types = parse_sdp(text)
    if not types.sound:
        raise UsageError(
            f"{name} describes no sound that can be decoded: it needs a line m=audio with PCMU, "
            "PCMA, G722, L16 or opus"
        )
    return types


def parse_sdp(text: str) -> PayloadTypes:
    """The same, without sound if it describes none that is known here.

    Raises `UsageError` if what parses descriptions is not installed.
    """
    try:
        import sdp_transform
    except ImportError:
        raise UsageError(
            "session descriptions need a parser that is not installed: pip install 'livemood[rtp]'"
        ) from None
    sound: dict[int, RtpFormat] = {}
    noise, events, redundant = set(STATIC.noise), set[int](), set[int]()
    for media in sdp_transform.parse(text).get("media", []):
        if media.get("type") != "audio":
            continue
        listed = [int(p) for p in str(media.get("payloads", "")).split() if _is_type(p)]
        sound |= {number: STATIC.sound[number] for number in listed if number in STATIC.sound}
        # The parser makes numbers of what looks like one, wherever that is.
        parameters = [(f["payload"], str(f["config"])) for f in media.get("fmtp", [])]
        stereo = {number for number, config in parameters if "sprop-stereo=1" in config}
        for line in media.get("rtp", []):
            number = line["payload"]
            if number not in listed:
                continue
            name = str(line.get("codec", "")).upper()
            if name == "RED":
                redundant.add(number)
            elif name in ("CN", "TELEPHONE-EVENT"):
                (noise if name == "CN" else events).add(number)
            elif form := _format(name, line, number in stereo):
                sound[number] = form
    rest = (frozenset(found - {*sound}) for found in (noise, events, redundant))
    return PayloadTypes(sound, *rest)


def _is_type(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 3


def _format(name: str, line: dict[str, Any], stereo: bool) -> RtpFormat | None:
    """What a line `a=rtpmap` means; none if nothing that can be decoded."""
    try:
        rate, channels = int(line.get("rate") or 0), int(line.get("encoding") or 1)
        if name == "OPUS":  # always declared as stereo (RFC 7587)
            return RtpFormat("OPUS", 48000, 2 if stereo else 1)
        if name == "G722":  # its clock runs at half its rate (RFC 3551, 4.5.2)
            return RtpFormat("G722", 16000)
        if name in ("PCMU", "PCMA", "L16"):
            return RtpFormat(name, rate, channels)  # type: ignore[arg-type]  # one of the three
    except (UsageError, ValueError, OverflowError):
        return None
    return None
