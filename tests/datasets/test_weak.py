"""`livemood data weak`: labels from words, on real speech under sentences of GoEmotions."""

import csv

import numpy as np
import pytest
import soundfile as sf
from data_command import data

from livemood.datasets.manifest import read_items
from livemood.datasets.weak.alignment import common_shift, voice_mask
from livemood.datasets.weak.cues import Cue, read_cues
from livemood.errors import LivemoodError
from livemood.speech.bounds import speech_bounds
from livemood.speech.vad import WebRtcVad

pytest.importorskip("webvtt", reason="needs the extra data")
pytest.importorskip("tokenizers", reason="needs the extra words")

RATE = 16000
SAID = (
    "I am so happy for you, this is wonderful!",
    "This makes me so angry, how dare they!",
    "I am really sad, I miss her so much.",
    "I'm terrified, please, I am so scared.",
    "That is disgusting, it makes me sick.",
    "Wow, I did not expect that at all!",
)
MEANT = ("happy", "angry", "sad", "fear", "disgust", "surprise")


@pytest.fixture(scope="module")
def recording(corpora, tmp_path_factory):
    """A folder with six clips of RAVDESS in one file, and where speech is in it, in seconds.

    What is said there is neutral: the subtitles that tests write are made up.
    """
    folder = tmp_path_factory.mktemp("weak")
    with (corpora / "ravdess" / "metadata.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["speaker"] == "ravdess-01"]
    rng, parts, spans, at = np.random.default_rng(1), [], [], 0
    for row in rows[5 :: len(rows) // 6][:6]:
        sound = sf.read(corpora / "ravdess" / row["path"], dtype="float32")[0]
        bounds = speech_bounds(sound, WebRtcVad())
        pause = np.zeros(int(RATE * rng.uniform(0.8, 2.5)), np.float32)
        spans.append(((at + bounds.start) / RATE, (at + bounds.end) / RATE))
        parts += [sound, pause]
        at += len(sound) + len(pause)
    sf.write(folder / "talk.flac", np.concatenate(parts), RATE)
    return folder, spans


def clock(seconds, comma=","):
    whole = round(seconds * 1000)
    text = f"{whole // 3600000:02}:{whole // 60000 % 60:02}:{whole // 1000 % 60:02}"
    return f"{text}{comma}{whole % 1000:03}"


def subtitles(spans, shift, comma=",", voice=""):
    """Cues with `SAID`, `shift` seconds late, that stand a little longer than the speech."""
    return "\n".join(
        f"{n}\n{clock(max(0, a + shift - 0.1), comma)} --> {clock(b + shift + 0.4, comma)}\n"
        f"{voice}{text}\n"
        for n, ((a, b), text) in enumerate(zip(spans, SAID, strict=True), 1)
    )


def labelled(folder, source, *arguments):
    """The items that come of `source`, and what the command said."""
    out = folder / "weak.csv"
    said = data("weak", source, "--out", out, "--sounds", folder, *arguments)
    return read_items(out), said


def in_common(item, span):
    """Shared time over all time of an item and a span."""
    shared = min(item.end, span[1]) - max(item.start, span[0])
    return max(0.0, shared) / (max(item.end, span[1]) - min(item.start, span[0]))


@pytest.mark.corpora
@pytest.mark.parametrize("shift", [0.0, 1.74, -0.9])
def test_subtitles_label_the_speech_that_they_belong_to(shift, recording, tmp_path):
    folder, spans = recording
    (tmp_path / "talk.srt").write_text(subtitles(spans, shift), "utf-8")
    items, said = labelled(
        folder, tmp_path / "talk.srt", "--speaker-from", "talk", "--least", "0.3"
    )
    assert [item.label for item in items] == list(MEANT)
    assert all(in_common(item, span) > 0.8 for item, span in zip(items, spans, strict=True))
    for item in items:
        shares = {k: float(v) for k, v in item.columns.items() if k.startswith("p_")}
        assert float(item.columns["weight"]) == max(shares.values()) >= 0.3
        assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
    assert ("than they say" in said) == (shift != 0)
    assert "6 rows" in said


@pytest.mark.corpora
def test_voices_of_webvtt_speak(recording, tmp_path):
    folder, spans = recording
    text = subtitles(spans, 0, ".", "<v Ann>")
    (tmp_path / "talk.vtt").write_text(f"WEBVTT\n\n{text}", "utf-8")
    items, _ = labelled(folder, tmp_path / "talk.vtt", "--least", "0.3")
    assert {item.speaker for item in items} == {"Ann"}
    assert [item.columns["text"] for item in items] == list(SAID)


@pytest.mark.corpora
def test_lyrics_last_until_the_next_line(recording, tmp_path):
    folder, spans = recording
    lines = [
        f"[{int(a) // 60:02}:{a % 60:05.2f}]<00:01.00>{text}\n[{int(b) // 60:02}:{b % 60:05.2f}]\n"
        for (a, b), text in zip(spans, SAID, strict=True)
    ]
    (tmp_path / "talk.lrc").write_text("[ar:nobody]\n[offset:0]\n" + "".join(lines), "utf-8")
    items, _ = labelled(folder, tmp_path / "talk.lrc", "--speaker-from", "talk", "--least", "0.3")
    assert [item.label for item in items] == list(MEANT)
    assert all(in_common(item, span) > 0.8 for item, span in zip(items, spans, strict=True))


@pytest.mark.corpora
def test_a_transcript_labels_the_whole_and_unsure_ones_are_left_out(recording, tmp_path):
    folder, _ = recording
    (tmp_path / "talk.txt").write_text(SAID[0] + "\n")
    items, _ = labelled(folder, tmp_path, "--speaker-from", "talk")
    assert [(i.label, i.whole) for i in items] == [("happy", True)]
    with pytest.raises(LivemoodError, match=r"no label is left .not sure: 1.: lower --least"):
        labelled(folder, tmp_path, "--speaker-from", "talk", "--least", "1")


@pytest.mark.corpora
def test_what_is_said_in_a_corpus_tells_nothing_of_how_it_was_acted(corpora, tmp_path):
    table = tmp_path / "table.csv"
    with (corpora / "ravdess" / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::40]
    with table.open("w", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    items, said = labelled(corpora / "ravdess", table, "--map", "neutral=calm")
    assert {item.label for item in items} == {"calm"}  # they are two neutral sentences
    assert {item.columns["corpus"] for item in items} == {"ravdess"}
    right = sum(row["emotion"] == "neutral" for row in rows) / len(rows)
    assert f"label_was says in {right:.1%}" in said


@pytest.mark.corpora
def test_a_cue_without_speech_is_left_out(recording, tmp_path):
    folder, spans = recording
    more = f"7\n{clock(spans[5][1] + 1.2)} --> {clock(spans[5][1] + 1.6)}\nThat is so sad.\n"
    (tmp_path / "talk.srt").write_text(subtitles(spans, 0) + "\n" + more)
    items, said = labelled(
        folder, tmp_path / "talk.srt", "--speaker-from", "talk", "--least", "0.3"
    )
    assert len(items) == 6
    assert "left out, no speech: 1" in said


def test_the_shift_of_cues_is_found_and_none_where_there_is_none():
    rng = np.random.default_rng(2)
    bounds = np.cumsum(rng.uniform(0.8, 3.0, 40))
    voice = np.zeros(round(bounds[-1] / 0.02) + 50, bool)
    spans = list(zip(bounds[::2], bounds[1::2], strict=True))
    for start, end in spans:
        voice[round(start / 0.02) : round(end / 0.02)] = True
    for shift in (0.0, 2.5, -1.3):
        cues = [Cue(a + shift, b + shift, "x", "") for a, b in spans if a + shift > 0]
        assert common_shift(voice, cues) == pytest.approx(-shift, abs=0.03)
    assert common_shift(np.zeros(100, bool), [Cue(0.1, 0.5, "x", "")]) == 0
    assert not voice_mask(np.zeros(RATE, np.float32)).any()


def test_asides_and_markup_are_not_said(tmp_path):
    file = tmp_path / "a.srt"
    file.write_text(
        "1\n00:00:01,000 --> 00:00:02,000\n<i>- Hello</i>\n- you (laughs)\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\n[music]\n"
    )
    assert [cue.text for cue in read_cues(file)] == ["Hello you"]


WRONG = {
    "bad.srt": ("no times here", "is not SRT"),
    "damaged.srt": (
        "1\n00:00:00,000 --> 00:00:01,000\nyes\n\n2\n00:00:x --> 00:00:02,000\nno\n",
        "line 6: these times cannot be read",
    ),
    "back.srt": ("1\n00:00:02,000 --> 00:00:01,000\nyes\n", "ends at 1 s, before it begins"),
    "late.srt": ("1\n01:00:02,000 --> 01:00:04,000\nyes\n", "the words of another recording"),
    "bare.vtt": ("00:00.000 --> 00:01.000\nyes\n", "is not VTT"),
    "bad.lrc": ("la la la\n", "a line of lyrics begins with its time"),
    "offset.lrc": ("[offset:soon]\n[00:01.00]la\n", "whole number of milliseconds"),
    "empty.txt": ("\n", "holds no words"),
    "alone.txt": ("I am happy.\n", "no sound file of that name"),
    "bad.csv": ("path,words\none.wav,hello\n", "no column text"),
    "none.csv": ("path,speaker,text\none.wav,ann,\n", "no row with text"),
    "time.csv": ("path,speaker,text,start\none.wav,ann,yes,soon\n", "a number of seconds"),
    "words.doc": ("yes", "is no file of words"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_input_is_one_line(name, sounds, tmp_path):
    text, reason = WRONG[name]
    (tmp_path / name).write_text(text)
    stem = name.partition(".")[0]
    if stem not in ("alone",):
        sf.write(tmp_path / f"{stem}.wav", np.zeros(RATE, np.float32), RATE)
    with pytest.raises(LivemoodError, match=reason) as caught:
        data(
            "weak", tmp_path / name, "--sounds", sounds if name.endswith("csv") else tmp_path,
            "--out", tmp_path / "out.csv", "--speaker-from", ".+",
        )  # fmt: skip
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--model", "nothing"), "no text model is called"),
        (("--speaker-from", "nobody"), "matches nothing"),
        (("--speaker-from", "("), "no regular expression"),
        (("--speaker-from", "a", "--map", "bored=-"), "no item has that label"),
        ((), "nothing says who speaks"),
    ],
)
def test_wrong_options_are_one_line(arguments, reason, tmp_path):
    sf.write(tmp_path / "a.wav", np.zeros(RATE, np.float32), RATE)
    (tmp_path / "a.txt").write_text("I am so happy!")
    with pytest.raises(LivemoodError, match=reason) as caught:
        data("weak", tmp_path / "a.txt", "--out", tmp_path / "out.csv", *arguments)
    assert "\n" not in str(caught.value)


def test_words_that_are_not_utf8_or_not_there_are_said(tmp_path):
    (tmp_path / "a.srt").write_bytes(b"1\n00:00:00,000 --> 00:00:01,000\n\xff\xfe\n")
    with pytest.raises(LivemoodError, match="not UTF-8"):
        data("weak", tmp_path / "a.srt", "--out", tmp_path / "out.csv")
    with pytest.raises(LivemoodError, match="there is no"):
        data("weak", tmp_path / "none.srt", "--out", tmp_path / "out.csv")
    (tmp_path / "bare").mkdir()
    with pytest.raises(LivemoodError, match="holds no file of words"):
        data("weak", tmp_path / "bare", "--out", tmp_path / "out.csv")
