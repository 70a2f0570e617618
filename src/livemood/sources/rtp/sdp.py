"""Session descriptions (RFC 8866): what the payload types of a call mean."""

from pathlib import Path
from typing import Any

from livemood.errors import UsageError
from livemood.sources.rtp.payload import STATIC, RtpFormat

LONGEST = 65_536
"""Bytes; a description is a few lines."""


def read_sdp(path: Path) -> dict[int, RtpFormat]:
    """Formats by payload type, of the audio that the file describes, as far as they are known.

    Raises `UsageError` if it cannot be read, or if it describes no audio that can be decoded.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(text) > LONGEST:
        raise UsageError(f"{path} is too long for a session description")
    formats = parse_sdp(text.decode("utf-8", "replace"))
    if not formats:
        raise UsageError(
            f"{path} describes no sound that can be decoded: it needs a line m=audio with PCMU, "
            "PCMA, G722, L16 or opus"
        )
    return formats


def parse_sdp(text: str) -> dict[int, RtpFormat]:
    """The same of the text itself; empty if it describes no audio known here.

    Raises `UsageError` if what parses descriptions is not installed.
    """
    try:
        import sdp_transform
    except ImportError:
        raise UsageError(
            "session descriptions need a parser that is not installed: pip install 'livemood[rtp]'"
        ) from None
    formats: dict[int, RtpFormat] = {}
    for media in sdp_transform.parse(text).get("media", []):
        if media.get("type") != "audio":
            continue
        listed = [int(p) for p in str(media.get("payloads", "")).split() if p.isdecimal()]
        formats |= {number: STATIC[number] for number in listed if number in STATIC}
        stereo = {f["payload"] for f in media.get("fmtp", []) if "sprop-stereo=1" in f["config"]}
        for line in media.get("rtp", []):
            form = _format(line, line["payload"] in stereo)
            if line["payload"] in listed and form:
                formats[line["payload"]] = form
    return formats


def _format(line: dict[str, Any], stereo: bool) -> RtpFormat | None:
    """What a line `a=rtpmap` means; none if nothing that can be decoded."""
    name = str(line.get("codec", "")).upper()
    try:
        rate, channels = int(line.get("rate") or 0), int(line.get("encoding") or 1)
        if name == "OPUS":  # always declared as stereo (RFC 7587)
            return RtpFormat("OPUS", 48000, 2 if stereo else 1)
        if name == "G722":  # its clock runs at half its rate (RFC 3551, 4.5.2)
            return RtpFormat("G722", 16000)
        if name in ("PCMU", "PCMA", "L16"):
            return RtpFormat(name, rate, channels)  # type: ignore[arg-type]  # one of the three
    except (UsageError, ValueError):
        return None
    return None
