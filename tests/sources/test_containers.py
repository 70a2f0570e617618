"""Files of every kind, whole and cut anywhere, against what ffmpeg decodes of them."""

import functools
import shutil

import numpy as np
import pytest
import soundfile as sf
from containers import KINDS, amr, by_ffmpeg, ffmpeg, make
from hypothesis import example, given, settings
from hypothesis import strategies as st

from livemood.errors import SourceError, UsageError
from livemood.sources import FileSource

pytestmark = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg")

SECONDS = 6
PROMISING = [
    kind
    for kind in KINDS
    # An elementary stream says nothing of its length; nor does MP3 without its header, or FLV
    # and WavPack where they end between two blocks.
    if kind not in ("no-xing.mp3", "mp2", "aac", "ts", "ac3", "flv", "wv", "tta")
]
"""Kinds that say how long they are, or mark their end."""
COMMON = ("wav", "w64", "caf", "flac", "mp3", "ogg", "m4a", "webm", "ts", "amr")
"""What the fast tests decode. The others differ from one of these by codec or container alone."""


def fast(kinds):
    """As parameters: what is not common is slow."""
    return [k if k in COMMON else pytest.param(k, marks=pytest.mark.slow) for k in kinds]


@pytest.fixture(scope="module")
def wav(demo_file, tmp_path_factory):
    sound, rate = sf.read(demo_file, dtype="float32", frames=SECONDS * 48000)
    path = tmp_path_factory.mktemp("kinds") / "x.wav"
    sf.write(path, sound[:: rate // 16000].mean(axis=1), 16000)
    return path


@pytest.fixture(scope="module")
def files(wav):
    """A file of each kind, made when it is first asked for."""
    made = {}

    def file(kind, *, pipe=False):
        if (kind, pipe) not in made:
            target = wav.with_name(f"{'pipe' if pipe else 'file'}.{kind}")
            if kind == "amr":
                made[kind, pipe] = amr(target, 50 * SECONDS)
            else:
                made[kind, pipe] = make(wav, target, KINDS[kind], pipe=pipe)
        return made[kind, pipe]

    return file


@pytest.fixture(scope="module")
def frames(files):
    """How many frames of sound the whole file of a kind has, as livemood reads it."""
    return functools.cache(lambda kind: len(heard(files(kind))[1]))


def heard(path, **options):
    """Rate, sound with silence where some is missing, and what was wrong, if anything."""
    source, blocks, failure = FileSource(path, **options), [], None
    sound = source.blocks()
    while True:
        try:
            blocks.append(next(sound))
        except StopIteration:
            break
        except SourceError as error:
            failure = str(error)
            break
    sound = np.zeros((blocks[-1].end if blocks else 0, source.channels), np.float32)
    for block in blocks:
        sound[block.start : block.end] = block.samples
    return source.sample_rate, sound, failure


@pytest.mark.parametrize("kind", fast((*KINDS, "amr")))
def test_a_whole_file_sounds_as_ffmpeg_decodes_it(files, kind):
    path = files(kind)
    rate, sound, failure = heard(path)
    expected_rate, expected = by_ffmpeg(path)
    assert failure is None
    assert (rate, sound.shape[1]) == (expected_rate, expected.shape[1])
    assert abs(len(sound) - len(expected)) <= 0.05 * rate
    n = min(len(sound), len(expected))
    # Two decoders of Opus, or two versions of one, agree to a small part of the sound.
    assert np.abs(sound[:n] - expected[:n]).mean() <= 0.05 * np.abs(expected[:n]).mean() + 1e-6


@pytest.mark.parametrize(
    "kind", fast(k for k in KINDS if k not in ("m4a", "fast.m4a", "alac.m4a", "mov", "3gp", "mp2"))
)
def test_a_file_whose_writer_could_not_note_its_length_is_read_to_its_end(files, kind):
    rate, sound, failure = heard(files(kind, pipe=True))
    assert failure is None
    assert SECONDS - 0.1 <= len(sound) / rate <= SECONDS + 0.3


@settings(max_examples=4, deadline=None)
@given(kind=st.sampled_from(COMMON), keep=st.floats(0, 1, exclude_max=True))
@example(kind="wav", keep=0.6)
@example(kind="w64", keep=0.6)
@example(kind="ogg", keep=0.6)
@example(kind="mp3", keep=0.6)
@example(kind="flac", keep=0.6)
@example(kind="flac", keep=0.98)
@example(kind="caf", keep=0.6)
@example(kind="webm", keep=0.6)
def test_any_prefix_of_a_file_is_read_as_far_as_ffmpeg_reads_it_and_told(files, frames, kind, keep):
    check_prefix(files, frames, kind, keep)


@pytest.mark.slow
@pytest.mark.timeout(900)  # two hundred files, several programs each
@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from([*KINDS, "amr"]), keep=st.floats(0, 1, exclude_max=True))
@example(kind="aiff", keep=0.6)
@example(kind="opus", keep=0.6)
@example(kind="flac", keep=0.97)
@example(kind="flac", keep=0.99)
@example(kind="fast.m4a", keep=0.6)
@example(kind="fragments.mp4", keep=0.6)
@example(kind="wma", keep=0.6)
def test_more_prefixes_are_read_as_far_as_ffmpeg_reads_them(files, frames, kind, keep):
    check_prefix(files, frames, kind, keep)


def check_prefix(files, frames, kind, keep):
    whole = files(kind)
    data = whole.read_bytes()
    cut = whole.with_name(f"cut.{kind}")
    cut.write_bytes(data[: int(keep * len(data))])
    expected = by_ffmpeg(cut)
    try:
        rate, sound, failure = heard(cut)
    except SourceError:
        assert expected is None or not len(expected[1])
        return
    length = len(expected[1]) / expected[0] if expected else 0.0
    assert abs(len(sound) / rate - length) <= 0.05
    lost = frames(kind) - len(sound)
    if kind in PROMISING and lost > 0.1 * rate:
        assert failure is not None
        assert "truncated" in failure


@pytest.mark.parametrize("size", [0, 1000, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_a_wav_is_read_to_its_end_whatever_its_header_says(wav, tmp_path, size):
    data = bytearray(wav.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = size.to_bytes(4, "little")
    (tmp_path / "x.wav").write_bytes(data)
    _, sound, failure = heard(tmp_path / "x.wav")
    assert failure is None
    assert abs(len(sound) - sf.info(wav).frames) <= 4


def test_an_mp4_that_lost_its_index_at_the_end_is_called_cut_off(files, tmp_path):
    data = files("m4a").read_bytes()
    (tmp_path / "x.m4a").write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"x\.m4a is cut off: its index") as refused:
        heard(tmp_path / "x.m4a")
    assert "\n" not in str(refused.value)


def test_a_picture_of_the_same_family_is_not_called_cut_off(tmp_path):
    def box(kind, content):
        return (8 + len(content)).to_bytes(4, "big") + kind + content

    picture = box(b"ftyp", b"heic" + bytes(4) + b"mif1heic") + box(b"meta", bytes(64))
    (tmp_path / "x.heic").write_bytes(picture + box(b"mdat", bytes(1000)))
    with pytest.raises(SourceError, match=r"x\.heic is not sound that can be read"):
        heard(tmp_path / "x.heic")


@pytest.mark.parametrize("size", [0, 1000, 2**64 - 1])
def test_so_is_a_wav_of_64_bits(files, wav, tmp_path, size):
    data = bytearray(files("rf64.wav").read_bytes())
    data[28:36] = size.to_bytes(8, "little")
    (tmp_path / "x.wav").write_bytes(data)
    _, sound, failure = heard(tmp_path / "x.wav")
    assert failure is None
    assert abs(len(sound) - sf.info(wav).frames) <= 4


def test_a_wav_of_more_than_4_gigabytes_is_missed_where_it_ends(files, tmp_path):
    data = bytearray(files("rf64.wav").read_bytes())
    data[28:36] = (5 * 2**30).to_bytes(8, "little")
    (tmp_path / "x.wav").write_bytes(data)
    assert "truncated" in heard(tmp_path / "x.wav")[2]


def test_what_follows_the_sound_of_a_wav_is_not_heard(wav, tmp_path):
    notes = b"LIST" + (8).to_bytes(4, "little") + b"INFOICMT" + b"TAG" + bytes(125)
    (tmp_path / "x.wav").write_bytes(wav.read_bytes() + notes)
    _, sound, failure = heard(tmp_path / "x.wav")
    assert (len(sound), failure) == (sf.info(wav).frames, None)


@pytest.mark.parametrize("kind", ["flac", "mp3", "ogg", "opus", "mkv", "ts"])
def test_damage_in_the_middle_is_told_and_the_rest_is_heard_in_its_place(files, kind):
    data = bytearray(files(kind).read_bytes())
    middle = len(data) // 2
    for at in range(middle, middle + len(data) // 20):
        data[at] ^= 0x5A
    path = files(kind).with_name(f"damaged.{kind}")
    path.write_bytes(data)
    rate, sound, failure = heard(path)
    assert failure is not None or kind in ("mp3", "ts", "mkv")
    whole = heard(files(kind))[1]
    if kind != "mp3":  # its packets have no time
        assert abs(len(sound) - len(whole)) <= 0.1 * rate


def test_one_of_several_tracks_is_chosen(files, wav, tmp_path):
    path = tmp_path / "film.mkv"
    ffmpeg(
        "-f lavfi -i testsrc=d=2:s=64x48:r=5 -i {} -f lavfi -i sine=440:d=2:r=22050 -t 2 "
        "-map 0:v -map 1:a -map 2:a -metadata:s:a:0 language=eng -metadata:s:a:1 title=hum "
        "-c:v mpeg4 -c:a flac {}",
        wav,
        path,
    )
    assert heard(path)[0] == heard(path, track=1)[0] == 16000
    rate, sound, _ = heard(path, track=2)
    assert (rate, len(sound)) == (22050, 44100)
    with pytest.raises(
        UsageError, match=r"no audio track 3: it has 1 \(eng flac\), 2 \(hum flac\)"
    ):
        FileSource(path, track=3)


def test_sound_that_begins_late_in_a_film_stands_where_it_belongs(wav, tmp_path):
    path = tmp_path / "late.mkv"
    ffmpeg(
        "-f lavfi -i testsrc=d=5:s=64x48:r=5 -itsoffset 1.5 -i {} -t 5 -map 0:v -map 1:a "
        "-c:v mpeg4 -c:a flac {}",
        wav,
        path,
    )
    first, *_ = FileSource(path).blocks()
    assert first.start == pytest.approx(1.5 * 16000, abs=160)
    assert first.gap_cause == "missing_in_file"


def test_a_playlist_reads_no_other_file(wav, tmp_path):
    for name, text in {
        "list.m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n{wav}\n#EXT-X-ENDLIST\n",
        "list.ffconcat": f"ffconcat version 1.0\nfile '{wav}'\n",
        "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 5004 RTP/AVP 0\n",
    }.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(SourceError, match="not sound that can be read"):
            FileSource(tmp_path / name)


def test_a_film_without_sound_is_one_clear_line(tmp_path):
    path = tmp_path / "silent.mp4"
    ffmpeg("-f lavfi -i testsrc=d=1:s=64x48:r=5 -c:v mpeg4 {}", path)
    with pytest.raises(SourceError, match="holds no sound"):
        FileSource(path)
