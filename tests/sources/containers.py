"""Sound files of every kind, made by ffmpeg, and what ffmpeg itself makes of a file."""

import subprocess
from pathlib import Path

import numpy as np

KINDS = {
    "wav": ["-c:a", "pcm_s16le"],
    "24.wav": ["-c:a", "pcm_s24le"],
    "u8.wav": ["-c:a", "pcm_u8"],
    "float.wav": ["-c:a", "pcm_f32le"],
    "mulaw.wav": ["-c:a", "pcm_mulaw", "-ar", "8000"],
    "alaw.wav": ["-c:a", "pcm_alaw", "-ar", "8000"],
    "rf64.wav": ["-rf64", "always"],
    "adpcm.wav": ["-c:a", "adpcm_ima_wav"],
    "w64": [],
    "aiff": [],
    "au": ["-c:a", "pcm_s16be"],
    "caf": [],
    "flac": [],
    "mp3": ["-c:a", "libmp3lame", "-q:a", "5"],
    "no-xing.mp3": ["-c:a", "libmp3lame", "-q:a", "5", "-write_xing", "0"],
    "mp2": [],
    "ogg": ["-c:a", "libvorbis"],
    "opus": ["-c:a", "libopus"],
    "m4a": ["-c:a", "aac"],
    "fast.m4a": ["-c:a", "aac", "-movflags", "+faststart"],
    "fragments.mp4": ["-c:a", "aac", "-movflags", "frag_every_frame+empty_moov"],
    "alac.m4a": ["-c:a", "alac", "-movflags", "+faststart"],
    "mov": ["-c:a", "pcm_s16le", "-movflags", "+faststart"],
    "aac": ["-c:a", "aac"],
    "3gp": ["-c:a", "aac"],
    "mka": ["-c:a", "aac"],
    "mkv": ["-c:a", "libvorbis"],
    "webm": ["-c:a", "libopus", "-ar", "48000"],
    "wma": ["-c:a", "wmav2"],
    "avi": ["-c:a", "libmp3lame"],
    "ts": ["-c:a", "aac"],
    "flv": ["-c:a", "aac", "-ar", "44100"],
    "ac3": ["-ar", "48000"],
    "wv": [],
    "tta": [],
}
"""Endings of files, and what ffmpeg needs to know to write one."""


def make(wav: Path, target: Path, options: list[str], *, pipe: bool = False) -> Path:
    """`wav` as another kind of file; through a pipe its writer cannot go back to note lengths."""
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(wav), *options]
    if not pipe:
        subprocess.run([*command, str(target)], check=True)
        return target
    form = {
        "ts": "mpegts",
        "mkv": "matroska",
        "mka": "matroska",
        "m4a": "mp4",
        "wma": "asf",
        "aac": "adts",
    }
    ending = target.name.rsplit(".", 1)[1]
    with target.open("wb") as out:
        subprocess.run([*command, "-f", form.get(ending, ending), "pipe:1"], stdout=out, check=True)
    return target


def amr(target: Path, frames: int) -> Path:
    """AMR of silence, 20 ms a frame, by hand: ffmpeg here has no encoder (RFC 4867, section 5)."""
    silent = bytes([0x3C]) + bytes(31)  # a frame of 12.2 kbit/s
    target.write_bytes(b"#!AMR\n" + frames * silent)
    return target


def ffmpeg(command: str, *paths: Path) -> None:
    """Run ffmpeg; each `{}` of the command is a path."""
    names = iter(map(str, paths))
    words = [next(names) if word == "{}" else word for word in command.split()]
    subprocess.run(["ffmpeg", "-v", "error", *words], check=True)


def by_ffmpeg(path: Path) -> tuple[int, np.ndarray] | None:
    """Rate and sound of a file, shape (frames, channels), or none if ffmpeg finds nothing."""
    fields = ("-show_entries", "stream=sample_rate,channels", "-of", "csv=p=0")
    probe = subprocess.run(
        ["ffprobe", "-v", "quiet", "-select_streams", "a:0", *fields, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = probe.stdout.split()[0].strip(",").split(",") if probe.stdout.split() else []
    if len(found) < 2 or not int(found[0]):
        return None
    rate, channels = int(found[0]), int(found[1])
    # FFmpeg's own decoder of Opus is a sample late.
    codec = ["-c:a", "libopus"] if path.suffix in (".opus", ".webm") else []
    form = ("-ar", str(rate), "-ac", str(channels), "-f", "f32le", "-")
    done = subprocess.run(
        ["ffmpeg", "-v", "quiet", *codec, "-i", str(path), "-map", "0:a:0", *form],
        capture_output=True,
        check=False,
    )
    return rate, np.frombuffer(done.stdout, "<f4").reshape(-1, channels)
