"""What a sound file promises of its own length, so that one cut off is not taken for whole.

Each check reads the few header fields that state a length: RIFF/WAVE and RF64 (EBU Tech 3306),
Sony Wave64, AIFF, AU, CAF, ISO base media (ISO/IEC 14496-12), Matroska (RFC 9559), ASF, Ogg
(RFC 3533), FLAC (RFC 9639) and the Xing header of MP3. A length that a streaming writer left as a
placeholder promises nothing.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final


@dataclass(frozen=True, slots=True)
class Promise:
    """The length that a file states, if it states one."""

    end: int | None = None
    """Bytes that it must at least have."""
    seconds: float | None = None
    """How long its sound is."""
    unfinished: bool = False
    """It stops where its format says that more must follow."""
    corrections: tuple[tuple[int, bytes], ...] = ()
    """Where a length in it is wrong, and what it should be: (offset, bytes)."""


NOTHING: Final = Promise()


def promise(file: BinaryIO) -> Promise:
    """What `file` promises; nothing if its format is not known here. Leaves it at its beginning."""
    size = file.seek(0, os.SEEK_END)
    head = _at(file, 0, 64)
    check = next((check for magic, check in _CHECKS if head.startswith(magic)), None)
    if check is None and head[4:8] in (b"ftyp", b"moov", b"styp", b"mdat", b"wide", b"free"):
        check = _iso
    found = check(file, size) if check else _mp3(file, size)
    file.seek(0)
    return found


def _riff(file: BinaryIO, size: int) -> Promise:
    """WAVE and AVI, 32-bit and 64-bit."""
    head = _at(file, 0, 48)
    if head[8:12] != b"WAVE":
        whole = _little(head[4:8])
        return NOTHING if _placeholder(whole) else Promise(end=8 + whole)
    long = head[:4] in (b"RF64", b"BW64") and head[12:16] == b"ds64"
    byte_rate = 0
    for at, kind, length in _chunks(file, 12, size, 4, 4, "little"):
        if kind == b"fmt ":
            byte_rate = _little(_at(file, at + 8, 4))
        if kind == b"data":
            if length == 0xFFFFFFFF and long:  # 64 bits, elsewhere; 0 or -1 of a streaming writer
                stated, right = _little(head[28:36]), (28, (size - at).to_bytes(8, "little"))
                unknown = stated == 0 or stated >= 2**63
                return _pcm(file, size, at, 0 if unknown else stated, byte_rate, right)
            if _placeholder(length):
                return NOTHING
            return _pcm(file, size, at, length, byte_rate, (at - 4, b"\xff\xff\xff\xff"))
    return NOTHING


def _pcm(
    file: BinaryIO, size: int, at: int, length: int, byte_rate: int, right: tuple[int, bytes]
) -> Promise:
    """Samples from `at`, `length` bytes of them by the header; `right` corrects that."""
    if at + length < size and not _all_chunks(file, at + length + length % 2, size):
        # Its writer died before it could note how much it had written.
        return Promise(corrections=(right,))
    return Promise(end=at + length, seconds=length / byte_rate if byte_rate else None)


def _all_chunks(file: BinaryIO, at: int, size: int) -> bool:
    """Whether whole chunks follow from `at`, or at most a few bytes of no meaning."""
    while size - at >= 8:
        head = _at(file, at, 8)
        end = at + 8 + _little(head[4:8])
        if not all(0x20 <= byte < 0x7F for byte in head[:4]) or end > size:
            # An ID3v1 tag of 128 bytes is put behind any file.
            return head[:3] == b"TAG" and size - at == 128
        at = end + (end - at) % 2
    return True


def _w64(file: BinaryIO, size: int) -> Promise:
    head = _at(file, 0, 40)
    byte_rate, at = 0, 40
    while at + 24 <= size:
        chunk = _at(file, at, 40)
        length = _little(chunk[16:24])
        if chunk[:4] == b"fmt ":
            byte_rate = _little(chunk[32:36])
        if chunk[:4] == b"data":
            if not 24 <= length < 1 << 62:
                whole, rest = size.to_bytes(8, "little"), (size - at).to_bytes(8, "little")
                return Promise(corrections=((16, whole), (at + 16, rest)))
            seconds = (length - 24) / byte_rate if byte_rate else None
            return Promise(end=at + length, seconds=seconds)
        if length < 24:
            break
        at += (length + 7) & ~7
    return NOTHING if _little(head[16:24]) >= 1 << 62 else Promise(end=_little(head[16:24]))


def _aiff(file: BinaryIO, size: int) -> Promise:
    for at, kind, length in _chunks(file, 12, size, 4, 4, "big"):
        if kind != b"SSND":
            continue
        if _placeholder(length) or length <= 8:
            whole, rest = (size - 8).to_bytes(4, "big"), (size - at).to_bytes(4, "big")
            return Promise(corrections=((4, whole), (at - 4, rest)))
        return Promise(end=at + length)
    return NOTHING


def _au(file: BinaryIO, _size: int) -> Promise:
    head = _at(file, 0, 24)
    start, length = _big(head[4:8]), _big(head[8:12])
    return NOTHING if _placeholder(length) else Promise(end=start + length)


def _caf(file: BinaryIO, size: int) -> Promise:
    for at, kind, length in _chunks(file, 8, size, 4, 8, "big"):
        if kind == b"data":
            return NOTHING if length >= 1 << 62 else Promise(end=at + length)
    return NOTHING


def _iso(file: BinaryIO, size: int) -> Promise:
    """MP4, M4A, MOV, 3GP: boxes one after the other."""
    at = 0
    while at < size:
        head = _at(file, at, 16)
        length = _big(head[:4])
        if length == 1 and len(head) == 16:
            length = _big(head[8:16])
        if length == 0:  # to the end of the file, whatever that is
            return NOTHING
        if length < 8:
            return Promise(unfinished=True)
        at += length
    return Promise(end=at)


def _matroska(file: BinaryIO, _size: int) -> Promise:
    at = 0
    for wanted in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"):
        head = _at(file, at, 12)
        if head[:4] != wanted or len(head) < 5 or not head[4]:
            return NOTHING
        width = 9 - head[4].bit_length()
        length = _big(head[4 : 4 + width]) & ((1 << 7 * width) - 1)
        if length == (1 << 7 * width) - 1:  # not known
            return NOTHING
        at += 4 + width + length
    return Promise(end=at)


def _asf(file: BinaryIO, size: int) -> Promise:
    at, end = 30, _little(_at(file, 16, 8))
    while at + 24 <= min(end, size):
        head = _at(file, at, 96)
        if head[:16] == bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"):
            whole, broadcast = _little(head[40:48]), head[88] & 1 if len(head) > 88 else 1
            return NOTHING if broadcast or whole < 30 else Promise(end=whole)
        if _little(head[16:24]) < 24:
            break
        at += _little(head[16:24])
    return NOTHING


def _ogg(file: BinaryIO, size: int) -> Promise:
    """A physical stream ends with a whole page that is marked as the last of its stream."""
    tail_at = max(0, size - 2 * 65_307)  # the longest page is 65 307 bytes
    tail = _at(file, tail_at, size - tail_at)
    place = tail.rfind(b"OggS\0")
    while place >= 0:
        segments = tail[place + 26] if place + 26 < len(tail) else 0
        table = tail[place + 27 : place + 27 + segments]
        end = place + 27 + segments + sum(table)
        if len(table) == segments and place + 27 <= len(tail) and end <= len(tail):
            return Promise(unfinished=not tail[place + 5] & 4)
        if end > len(tail) or place + 27 > len(tail):
            return Promise(unfinished=True)
        place = tail.rfind(b"OggS\0", 0, place)
    return Promise(unfinished=True)


def _flac(file: BinaryIO, _size: int) -> Promise:
    info = _at(file, 8, 34)
    word = _big(info[10:18])
    rate, total = word >> 44, word & ((1 << 36) - 1)
    # Written to a pipe the total is unknown: 0 by the standard, all ones by some.
    if not rate or not total or total == (1 << 36) - 1:
        return NOTHING
    return Promise(seconds=total / rate)


def _mp3(file: BinaryIO, _size: int) -> Promise:
    """The header that Xing and LAME put into the first frame, if there is one."""
    at, head = 0, _at(file, 0, 10)
    if head[:3] == b"ID3" and len(head) == 10:
        at = 10 + sum((byte & 0x7F) << 7 * (3 - n) for n, byte in enumerate(head[6:10]))
    frame = _at(file, at, 256)
    if len(frame) < 64 or frame[0] != 0xFF or frame[1] & 0xE0 != 0xE0:
        return NOTHING
    place = max(frame.find(b"Xing", 4, 40), frame.find(b"Info", 4, 40))
    if place < 0:
        return NOTHING
    flags, at_field = _big(frame[place + 4 : place + 8]), place + 8 + 4 * (frame[place + 7] & 1)
    if not flags & 2:
        return NOTHING
    length = _big(frame[at_field : at_field + 4])
    return NOTHING if _placeholder(length) else Promise(end=at + length)


def _placeholder(length: int) -> bool:
    """Whether a 32-bit length is what streaming writers leave there."""
    return length == 0 or 0x7F000000 <= length <= 0x80000100 or length >= 0xFFFF0000


def _chunks(
    file: BinaryIO, at: int, size: int, name: int, width: int, order: str
) -> Iterator[tuple[int, bytes, int]]:
    """Chunks from `at`: where each one's content begins, its name, and its length as stated."""
    while at + name + width <= size:
        head = _at(file, at, name + width)
        length = int.from_bytes(head[name:], "little" if order == "little" else "big")
        at += name + width
        yield at, head[:name], length
        at += length + (length % 2 if width == 4 else 0)


def _at(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


_CHECKS: Final[tuple[tuple[bytes, Callable[[BinaryIO, int], Promise]], ...]] = (
    (b"RIFF", _riff),
    (b"RF64", _riff),
    (b"BW64", _riff),
    (b"riff\x2e\x91\xcf\x11", _w64),
    (b"FORM", _aiff),
    (b".snd", _au),
    (b"caff", _caf),
    (b"\x1a\x45\xdf\xa3", _matroska),
    (bytes.fromhex("3026b2758e66cf11"), _asf),
    (b"OggS", _ogg),
    (b"fLaC", _flac),
)
