"""Sound out of container files (WAV, FLAC, MP4, Matroska and so on), by FFmpeg through PyAV."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, NoReturn, cast

from livemood.audio import Samples, scale_fault
from livemood.errors import FileError, UsageError, reason
from livemood.sources.frames import samples_of

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

FORMATS: Final = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,rm,"
    "tta,voc,w64,wav,wv"
)
"""Containers that are read. Playlists and scripts, which name other files, are not among them."""

RAW: Final = {
    "s16le": "s16le",
    "s16be": "s16be",
    "s24le": "s24le",
    "s32le": "s32le",
    "f32le": "f32le",
    "u8": "u8",
    "mulaw": "mulaw",
    "alaw": "alaw",
}
"""Encodings of raw samples, and what FFmpeg calls them."""

_CLOCKED: Final = {"asf", "flac", "flv", "matroska", "mov", "mpeg", "mpegts", "ogg"}
"""Containers whose timestamps are their own, not counted from what was read."""
_FLOATS: Final = {"flt", "fltp", "dbl", "dblp"}
"""FFmpeg's names of samples whose scale nothing says."""
_WHOLE: Final = {"flac", "ogg"}
"""Those in which nothing may be missing; the others can pause."""
_DECODERS: Final = {"opus": "libopus"}
"""Decoders other than FFmpeg's choice: its own for Opus is a sample late."""


LOWEST_RATE, HIGHEST_RATE = 1000, 768_000
"""Samples a second; what says that it has others is no sound."""


@dataclass(frozen=True, slots=True)
class RawFormat:
    """What raw samples mean: nothing in them says so."""

    rate: int
    """Samples a second, 1000 to 768000."""
    encoding: str = "s16le"
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in RAW:
            known = ", ".join(RAW)
            raise UsageError(f"no raw encoding is called {self.encoding!r}: use one of {known}")
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise UsageError(
                f"the rate must be from {LOWEST_RATE} to {HIGHEST_RATE} Hz, not {self.rate}"
            )
        if not 1 <= self.channels <= 64:
            raise UsageError(f"raw sound has 1 to 64 channels, not {self.channels}")


class Piece(NamedTuple):
    """Sound that follows on what came before it."""

    samples: Samples
    """float32, shape (frames, channels)."""
    missing: int
    """Samples that the container's clock says are missing just before."""


class AudioReader:
    """Decodes one audio track of an open file from its beginning to its real end.

    Packets that cannot be decoded are passed over and counted; where the container has a clock,
    their sound counts as missing. Used once, by one thread.
    """

    TOLERANCE_S: Final = 0.1
    """Timestamps that differ from the sound by less are rounding, priming or padding."""
    LONGEST_GAP_S: Final = 3600.0
    """A timestamp further ahead is no pause but a new clock."""

    def __init__(
        self, file: BinaryIO, name: str, track: int | None = None, raw: RawFormat | None = None
    ) -> None:
        """Open `file`, called `name` in errors, at its audio track number `track` (from 1).

        Raises `FileError` if there is no sound in it that can be decoded, `UsageError` if there
        is no such track.
        """
        self._name = name
        self._container = _open(file, name, raw)
        self.kind: str = self._container.format.name.split(",")[0]
        """FFmpeg's name of the container."""
        try:
            self._stream = self._choose(track)
            self._context = _decoder(self._stream)
        except BaseException:
            self._container.close()
            raise
        self.rate: int = self._context.sample_rate
        self.channels: int = len(self._context.layout.channels)
        if not self.rate or not self.channels:
            self.close()
            raise FileError(
                f"{name} does not say its sample rate or its channels: convert it to WAV or FLAC"
            )
        if not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            self.close()
            raise FileError(
                f"{name} says that it has {self.rate} samples a second, which cannot be sound "
                f"({LOWEST_RATE} to {HIGHEST_RATE}): its header is damaged"
            )
        self.damaged = 0
        """Packets that could not be decoded."""
        self.damaged_at = 0
        """Samples before the first of them."""
        self.reason = ""
        """Why it could not be decoded."""
        self._at = 0
        self._origin: float | None = None
        self._resampler: AudioResampler | None = None

    @property
    def duration_s(self) -> float | None:
        """How long the container says the track is, or what FFmpeg estimates; none if neither."""
        for length, base in (
            (self._stream.duration, self._stream.time_base),
            (self._container.duration, Fraction(1, 1_000_000)),
        ):
            if length and base and 0 < length * base < 1e7:
                return float(length * base)
        return None

    @property
    def alone(self) -> bool:
        """Whether the track is the only one in the file."""
        return len(self._container.streams) == 1

    def pieces(self) -> Iterator[Piece]:
        """The track's sound."""
        for packet in self._packets():
            for frame in self._decode(packet):
                yield from self._placed(frame)
        for frame in self._decode(None):
            yield from self._placed(frame)

    def close(self) -> None:
        """Let go of the file."""
        self._container.close()

    def _choose(self, track: int | None) -> "AudioStream":
        tracks = self._container.streams.audio
        if not tracks:
            raise FileError(f"{self._name} holds no sound")
        number = track or 1
        if not 1 <= number <= len(tracks):
            raise UsageError(f"{self._name} has no audio track {number}: {_list(tracks)}")
        return tracks[number - 1]

    def _packets(self) -> "Iterator[Packet[Any]]":
        import av

        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    yield packet
        except (av.FFmpegError, OSError) as error:
            self._spoiled(error)

    def _decode(self, packet: "Packet[Any] | None") -> "list[AudioFrame]":
        import av

        try:
            return self._context.decode(packet)
        except av.EOFError:
            return []
        except (av.FFmpegError, ValueError) as error:
            self._spoiled(error)
            return []

    def _spoiled(self, error: Exception) -> None:
        if not self.damaged:
            self.damaged_at, self.reason = self._at, reason(error)
        self.damaged += 1

    def _spoil_if_whole(self, missing_s: float) -> None:
        """Note that sound is missing, in a container that knows no pauses."""
        if self.kind in _WHOLE and not self.damaged:
            self.damaged_at, self.damaged = self._at, 1
            self.reason = f"{missing_s:.1f} s are missing"

    def _placed(self, frame: "AudioFrame") -> Iterator[Piece]:
        missing = self._missing(frame)
        for even in self._even(frame):
            samples = samples_of(even)
            if even.format.name in _FLOATS and (fault := scale_fault(samples)):
                raise FileError(f"{self._name} cannot be read: {fault}")
            self._at += missing + len(samples)
            yield Piece(samples, missing)
            missing = 0

    def _even(self, frame: "AudioFrame") -> "list[AudioFrame]":
        """The frame at the rate and with the channels that the track began with."""
        changed = frame.sample_rate != self.rate or len(frame.layout.channels) != self.channels
        if not changed and self._resampler is None:
            return [frame]
        from av.audio.resampler import AudioResampler

        if self._resampler is None:
            self._resampler = AudioResampler("fltp", self._context.layout, self.rate)
        try:
            return self._resampler.resample(frame)
        except ValueError:  # it takes one format only: the sound changed again
            self._resampler = AudioResampler("fltp", self._context.layout, self.rate)
            return self._resampler.resample(frame)

    def _missing(self, frame: "AudioFrame") -> int:
        """Samples that the container's clock has between what came before and this frame."""
        if self.kind not in _CLOCKED or frame.pts is None or self._stream.time_base is None:
            return 0
        time = float(frame.pts * self._stream.time_base)
        if self._origin is None:
            began = self._container.start_time
            self._origin = time if began is None or self.alone else began / 1e6
        ahead = time - self._origin - self._at / self.rate
        if abs(ahead) < self.TOLERANCE_S:
            return 0
        if 0 < ahead < self.LONGEST_GAP_S:
            self._spoil_if_whole(ahead)
            return round(ahead * self.rate)
        self._origin += ahead
        return 0


def _open(file: BinaryIO, name: str, raw: RawFormat | None) -> "InputContainer":
    import av

    options = {"format_whitelist": FORMATS}
    if raw is not None:
        options = {"sample_rate": str(raw.rate), "ch_layout": f"{raw.channels}C"}
    try:
        container = av.open(
            file,
            format=RAW[raw.encoding] if raw else None,
            options=options,
            metadata_errors="replace",
            io_open=_refuse,
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        if raw is None and _lacks_index(file):
            raise FileError(
                f"{name} is cut off: its index, which lies at its end, is missing: copy it again"
            ) from None
        if file.seekable() and file.seek(0, 2) == 0:
            raise FileError(f"{name} is empty") from None
        raise FileError(
            f"{name} is not sound that can be read ({reason(error)}): "
            "give WAV, FLAC, MP3, Ogg, Opus, M4A or another common sound or video file"
        ) from None
    return cast("InputContainer", container)


def _lacks_index(file: BinaryIO) -> bool:
    """Whether it is an MP4 or QuickTime file whose boxes end before the one that is the index.

    Boxes as in ISO/IEC 14496-12, 4.2. Pictures of that family (HEIC, AVIF) have `meta` instead.
    """
    try:
        at, end = 0, file.seek(0, io.SEEK_END)
        while at < end:
            file.seek(at)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if (at == 0 and kind != b"ftyp") or kind in (b"moov", b"meta"):
                return False
            if size == 1:  # the size follows in 64 bits
                size = int.from_bytes(head[8:], "big")
            at += size if size >= 8 else end
        return at > 0
    except (OSError, ValueError):
        return False


def _refuse(*_: object) -> NoReturn:
    """A file that wants to open others does not get them."""
    raise PermissionError("a sound file must not name other files")


def _decoder(stream: "AudioStream") -> "AudioCodecContext":
    """What decodes the stream."""
    import av

    given = cast("AudioCodecContext | None", stream.codec_context)
    if given is None:
        raise FileError("the sound is in a format that cannot be decoded: convert it to FLAC")
    if given.name in _DECODERS:
        made: Any = av.CodecContext.create(_DECODERS[given.name], "r")
        made.extradata, made.sample_rate = given.extradata, given.sample_rate
        made.layout = given.layout
        made.options = {"request_sample_fmt": "flt"}
        return cast("AudioCodecContext", made)
    if given.name == "flac":
        given.options = {"err_detect": "crccheck+explode"}
    return given


def _list(tracks: "tuple[AudioStream, ...]") -> str:
    """The tracks of a file for a person to choose from."""
    several = [f"{n} ({_described(track)})" for n, track in enumerate(tracks, 1)]
    return f"it has {', '.join(several)}"


def _described(track: "AudioStream") -> str:
    words = (track.language or "", track.metadata.get("title", ""), track.codec_context.name)
    return " ".join(word for word in words if word and word != "und")
