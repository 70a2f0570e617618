"""The terminal view, in a real terminal: a pseudo-terminal whose output an emulator reads."""

import io
import os
import re
import select
import signal
import struct
import subprocess
import sys
import threading
import urllib.request

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from livemood.cli.terminal.repaint import Repainter
from livemood.cli.terminal.state import ViewState
from livemood.cli.terminal.view import LiveView, PlainView
from livemood.timeline.events import Level
from livemood.timeline.voice import Voice

pyte = pytest.importorskip("pyte", reason="pyte is not installed")
pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
DEMO = [sys.executable, "-m", "livemood", "demo", "--speed", "20", "--port", "0", "--no-stay"]


class Terminal:
    """A program in a terminal of `columns` by `lines`."""

    def __init__(self, command, columns=80, lines=24, **environment):
        import fcntl
        import termios

        self.screen = pyte.HistoryScreen(columns, lines, history=1000)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self._fd, inner = pty.openpty()
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(inner, termios.TIOCSWINSZ, size)
        kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        kept |= {"TERM": "xterm-256color"} | environment
        self.process = subprocess.Popen(
            command, stdin=inner, stdout=inner, stderr=inner, env=kept, start_new_session=True
        )
        os.close(inner)

    def read(self, until=None, seconds=60):
        """Read until the screen satisfies `until`, or to the end of the program."""
        while select.select([self._fd], [], [], seconds)[0]:
            try:
                data = os.read(self._fd, 65536)
            except OSError:  # the program has ended
                break
            self.raw += data
            self._stream.feed(data)
            if until and until(self.text):
                return
        assert until is None, f"never on the screen:\n{self.text}"

    def resize(self, columns, lines):
        import fcntl
        import termios

        self.screen.resize(lines, columns)
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, size)

    @property
    def text(self):
        return "\n".join(self.screen.display)

    @property
    def whole(self):
        """What has scrolled away and what is on the screen."""
        gone = ["".join(row[x].data for x in sorted(row)) for row in self.screen.history.top]
        return "\n".join([*gone, self.text])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self._fd)


@pytest.mark.slow
def test_the_demo_in_a_terminal_of_80_columns():
    with Terminal(DEMO) as terminal:
        wanted = ("Caller", "valence", "http://127.0.0.1:", "not what a person feels")
        terminal.read(lambda text: all(part in text for part in wanted))
        assert not [part for part in wanted if part not in terminal.text]
        top = terminal.screen.display[0]
        terminal.read()
        assert terminal.process.wait(20) == 0
    assert "Clinic: 44.4 s" in terminal.whole
    assert top.strip()
    # Calm: nothing is erased before it is painted, and the cursor is back in the end.
    painted = terminal.raw.decode()
    assert "\x1b[2J" not in painted
    assert "\x1b[2K" not in painted
    assert painted.rindex("\x1b[?25h") > painted.rindex("\x1b[?25l")
    # Every panel is painted in its place: no second copy of it scrolled away.
    assert terminal.whole.count("╭─ demo.opus · Clinic") == 1


@pytest.mark.slow
def test_on_a_terminal_the_demo_stays_until_ctrl_c():
    with Terminal([*DEMO[:-1], "--speed", "max"]) as terminal:
        terminal.read(lambda text: "The page stays at http://127.0.0.1:" in text)
        assert "Clinic: 44.4 s" in terminal.whole
        page = re.search(r"stays at (http://\S+)", terminal.text)[1]
        with urllib.request.urlopen(f"{page}v1/report", timeout=20) as report:
            assert "How it sounded" in report.read().decode()
        os.killpg(terminal.process.pid, signal.SIGINT)
        terminal.read()
        assert terminal.process.wait(20) == 0


@pytest.mark.slow
def test_no_color_is_respected():
    with Terminal(DEMO, NO_COLOR="1") as terminal:
        terminal.read()
    colours = re.findall(r"\x1b\[[\d;]*m", terminal.raw.decode())
    assert not [c for c in colours if re.search(r"[\[;](3[0-8]|4[0-8]|9\d|10\d)", c)]
    assert "NEUTRAL" in terminal.raw.decode()


@pytest.mark.slow
def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines():
    with Terminal(DEMO, TERM="dumb") as terminal:
        terminal.read()
        assert terminal.process.wait(20) == 0
    assert "\x1b" not in terminal.raw.decode()
    assert "Clinic: 44.4 s" in terminal.whole


def test_ctrl_c_gives_the_cursor_back_and_the_summary():
    with Terminal([*DEMO, "--speed", "1"], columns=60, lines=12) as terminal:
        terminal.read(lambda text: "valence" in text)
        os.killpg(terminal.process.pid, signal.SIGINT)
        terminal.read()
        assert terminal.process.wait(20) == 0
    assert terminal.raw.decode().rindex("\x1b[?25h") > terminal.raw.decode().rindex("\x1b[?25l")
    assert "of speech" in terminal.whole


@pytest.mark.slow
def test_what_stood_above_stays_when_the_terminal_changes_its_size():
    command = ["sh", "-c", 'echo mine; exec "$@"', "sh", *DEMO, "--speed", "2"]
    with Terminal(command, columns=80, lines=30) as terminal:
        terminal.read(lambda text: len(re.findall("valence|last heard", text)) == 2)
        terminal.resize(100, 32)
        # What is read may end within a repaint: a whole one has both panels and the last line.
        terminal.read(
            lambda text: (
                len(re.findall(r"^╭─ demo.opus.{87}╮", text, re.MULTILINE)) == 2
                and text.count("not what a person feels") == 1
            )
        )
        assert terminal.text.startswith("mine")
        assert terminal.text.count("╭─ demo.opus") == 2
        assert terminal.text.count("not what a person feels") == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["xterm-256color", "dumb"])
def test_a_locale_without_the_letters_ends_nothing(kind):
    with Terminal(DEMO, TERM=kind, PYTHONIOENCODING="ascii") as terminal:
        terminal.read()
        assert terminal.process.wait(20) == 0
    assert "Clinic: 44.4 s" in terminal.whole
    assert "Traceback" not in terminal.whole


def test_a_view_that_cannot_be_painted_says_so_once_and_goes_on(synthetic, capsys, monkeypatch):
    view = LiveView(None)
    render, tries, twice = view._state.render, [], threading.Event()

    def seldom(width):
        tries.append(width)
        if len(tries) == 2:
            twice.set()
        if len(tries) <= 2:
            raise ValueError("no such\ncolour")
        return render(width)

    monkeypatch.setattr(view._state, "render", seldom)
    with view:
        for event in synthetic(4):
            view.show(event)
            twice.wait(0.3)
    assert twice.is_set()
    said = capsys.readouterr()
    assert said.err.splitlines() == ["the view cannot be painted: ValueError: no such\ufffdcolour"]
    assert "line 2 · Ada" in said.out


LINES = st.lists(st.text("ab ", max_size=12), max_size=8)


@given(st.lists(LINES, min_size=1, max_size=6))
def test_whatever_is_painted_stands_there(pages):
    screen = pyte.Screen(20, 12)
    stream = pyte.Stream(screen)
    repainter = Repainter()
    for lines in pages:
        stream.feed(repainter.paint(lines))
        shown = [row.rstrip() for row in screen.display]
        assert shown[: len(lines)] == [line.rstrip() for line in lines]
        assert not any(shown[len(lines) :])
        assert (screen.cursor.x, screen.cursor.y) == (0, len(lines))
    assert repainter.paint(lines) == ""


def said_of(*events, now_ms=None):
    """The view of one channel as text, and its first line with its styles."""
    state = ViewState(None)
    for event in events:
        state.take(event)
    if now_ms is not None:
        state.tick(now_ms)
    console = Console(width=80, record=True, file=io.StringIO(), force_terminal=True)
    console.print(state.render(80))
    return console.export_text(styles=False, clear=False), console.export_text(styles=True)


def until(events, kind):
    """The events of channel 0 up to the first of this kind that follows a reading."""
    mine = [e for e in events if e.channel in (0, None)]
    read = next(n for n, e in enumerate(mine) if e.type == "emotion")
    end = next(n for n, e in enumerate(mine) if e.type == kind and n >= read)
    return mine[: end + 1]


@pytest.fixture(scope="module")
def events(demo_timeline):
    return [
        e.model_copy(update={"channels": 1}) if e.type == "session.started" else e
        for e in demo_timeline.events
    ]


def test_a_label_is_current_only_while_somebody_speaks(events):
    speaking = until(events, "emotion")
    text, styled = said_of(*speaking)
    assert speaking[-1].label.upper() in text
    assert "last heard" not in text

    silent = until(events, "speech.ended")
    end = silent[-1].end_ms
    text, styled = said_of(*silent, now_ms=end + 12_400)
    label = next(e.label for e in reversed(silent) if e.type == "emotion")
    assert "last heard 12 s ago" in text
    assert label.upper() not in text
    headline = next(line for line in styled.splitlines() if "last heard" in line)
    assert "\x1b[2m" in headline, "it is dim"
    assert "\x1b[1m" not in headline, "and not bold"


def test_the_ribbon_goes_on_while_nobody_speaks(events):
    silent = until(events, "speech.ended")
    end = silent[-1].end_ms
    ribbons = [said_of(*silent, now_ms=end + s * 1000)[0].count("·") for s in (2, 7, 12)]
    assert ribbons[1] - ribbons[0] == ribbons[2] - ribbons[1] == 10

    state = ViewState(None)
    for event in silent:
        state.take(event)
    state.tick(end + 5000)
    state.tick(end)  # a clock that is behind takes nothing back
    assert state.now_ms == end + 5000


def test_a_microphone_that_is_too_loud_is_said_until_it_is_over(events, capsys):
    speaking = until(events, "emotion")
    base = {"session": speaking[0].session, "time": speaking[0].time, "channel": 0}
    levels = {"speech_db": -6.0, "noise_db": -50.0, "peak_db": 0.0}
    loud = Level(**base, end_ms=4000, problems=("clipped",), **levels)
    well = Level(**base, end_ms=9000, problems=(), **levels)
    assert "clipped: the sound is too loud" in said_of(*speaking, loud)[0]
    assert "clipped" not in said_of(*speaking, loud, well)[0]

    lines = PlainView(None, None)
    for event in (speaking[0], loud, well):
        lines.show(event)
    first, then = capsys.readouterr().out.splitlines()
    assert "4.0 s  clipped: " in first
    assert "9.0 s  the level is good again" in then


def test_it_says_how_the_voice_differs_from_its_usual_while_it_speaks(events):
    *before, last = until(events, "emotion")
    voice = Voice(usual_s=42, words=("louder", "flatter"))
    unlike = last.model_copy(update={"voice": voice})
    assert "louder and less lively than usual" in said_of(*before, unlike)[0]
    assert "than usual" not in said_of(*before, last)[0]
    silent = until(events, "speech.ended")
    assert "than usual" not in said_of(*before, unlike, silent[-1])[0]


def test_time_stands_still_when_the_session_has_ended(events):
    text, _ = said_of(*events, now_ms=10**7)
    assert "last heard 9" not in text
    assert re.search(r"at the end|last heard \d s ago", text)


@pytest.mark.slow
def test_while_silence_lasts_the_terminal_says_so_by_itself(tmp_path, demo_file):
    samples, rate = sf.read(demo_file, dtype="float32")
    samples = np.concatenate([samples[: 4 * rate, :1], np.zeros((20 * rate, 1), np.float32)])
    sf.write(tmp_path / "quiet.wav", samples, rate)
    command = [sys.executable, "-m", "livemood", "listen", "--file", tmp_path / "quiet.wav"]
    with Terminal([*command, "--speed", "4", "--no-serve"]) as terminal:
        terminal.read(lambda text: "valence" in text)
        terminal.read(lambda text: re.search(r"last heard [5-9] s ago", text))
        assert re.search(r"read \d+ of 24 s", terminal.text)
        terminal.read(lambda text: re.search(r"last heard 1\d s ago", text))
        terminal.read()
        assert terminal.process.wait(20) == 0
