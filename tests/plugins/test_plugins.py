"""Detectors, sources, sinks and models of another installed package, found by name."""

import json

import pytest

import livemood

DEMO_OUT = ("--json", "--no-serve")


def events_of(done):
    assert done.returncode == 0, done.stderr
    return [livemood.parse_event(line) for line in done.stdout.splitlines()]


def spoken(events):
    return [(e.start_ms, e.end_ms) for e in events if e.type == "speech.ended"]


@pytest.mark.slow
def test_the_command_finds_a_detector_by_its_name(livemood_command, demo_file):
    done = livemood_command(
        "listen", "--file", demo_file, "--speed", "max", "--vad", "mine", *DEMO_OUT
    )
    events = events_of(done)
    assert events[0].settings.vad == "mine"
    assert any(e.type == "emotion" for e in events)
    usual = events_of(livemood_command("demo", "--speed", "max", *DEMO_OUT))
    spans = [
        [(e.start_ms, e.end_ms) for e in x if e.type == "speech.ended"] for x in (events, usual)
    ]
    assert spans[0] != spans[1], "another detector hears otherwise"


def test_a_source_a_sink_and_a_model_work_together(livemood_command, tmp_path):
    path = tmp_path / "labels.txt"
    done = livemood_command(
        *("listen", "--source", "tone:3", "--vad", "mine", "--model", "loudness"),
        *("--sink", f"labels:{path}", *DEMO_OUT),
    )
    events = events_of(done)
    assert events[0].source == "tone of 3 s"
    assert (events[0].model.name, events[0].model.version) == ("loudness", "3")
    assert events[0].model.labels == ("calm", "excited")
    readings = [e for e in events if e.type == "emotion"]
    assert readings
    assert all(set(e.probabilities) == {"calm", "excited"} for e in readings)
    assert path.read_text().split() == [*(e.type for e in events), "closed"]


def test_analyze_takes_a_plugin_as_well(livemood_command, short_file):
    done = livemood_command(
        "analyze", short_file, "--vad", "mine", "--model", "ramp", "--format", "json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model"]["name"] == "Ramp"


def test_what_cannot_be_used_is_one_clear_line(livemood_command):
    done = livemood_command("listen", "--source", "tone", "--vad", "too-many", *DEMO_OUT)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "too-many must give" in line
    last = livemood.parse_event(done.stdout.splitlines()[-1])
    assert (last.type, last.reason) == ("session.ended", "error")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"vad": "ears"}, "use one of webrtc, silero, broken, mine"),
        ({"vad": "broken"}, "cannot be loaded"),
        ({"vad": "no-class"}, "no function"),
        ({"model": "nonsense"}, "summing to 1"),
        ({"model": "ghost"}, "no model"),
        ({"source": "ghost"}, "there are: tone"),
        ({"source": "tone:much"}, "tone:much"),
        ({"sinks": ["labels"]}, "labels"),
        ({"sinks": ["labels:/nowhere/at/all"]}, "nowhere"),
    ],
)
def test_what_cannot_be_used_is_a_livemood_error(with_plugins, given, message):
    with pytest.raises(livemood.LivemoodError, match=message) as failed:
        list(livemood.listen(**{"source": "tone", "vad": "mine"} | given))
    assert "\n" not in str(failed.value)


def test_python_finds_them_as_well(with_plugins, short_file):
    events = list(livemood.listen(source="tone:2", vad="mine", model="ramp"))
    readings = [e for e in events if e.type == "emotion"]
    confident = [e.raw_probabilities["excited"] for e in readings]
    assert confident == sorted(confident)
    assert confident[0] > 0
    timeline = livemood.analyze(short_file, vad="mine", model="loudness")
    assert timeline.labels == ("calm", "excited")


def test_a_detector_is_made_once_for_each_channel(with_plugins, short_file):
    import livemood_test_plugins as plugins

    before = plugins.Loud.made
    timeline = livemood.analyze(short_file, vad=plugins.Loud)
    assert plugins.Loud.made - before == len(timeline.channels) == 2
    assert timeline.started.settings.vad == "Loud"
