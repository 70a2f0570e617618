"""A timeline in a program of one's own: tables, summaries, notebooks, files of a newer livemood."""

import json
import sys
from html.parser import HTMLParser

import pytest

import livemood
from livemood.timeline.export import to_json, to_jsonl
from livemood.timeline.parse import read_timeline


def test_readings_as_a_table(timeline):
    pandas = pytest.importorskip("pandas")
    table = timeline.to_dataframe()
    readings = [e for e in timeline.events if e.type == "emotion"]
    assert isinstance(table, pandas.DataFrame)
    assert list(table["end_ms"]) == [e.end_ms for e in readings]
    assert list(table["label"]) == [e.label for e in readings]
    shares = table[[f"p_{label}" for label in timeline.labels]]
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-3)
    assert set(table["participant"]) == {"channel 1", "channel 2"}
    assert livemood.Timeline().to_dataframe().empty


def test_without_pandas_it_is_said_what_to_install(timeline, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(livemood.UsageError, match="pip install pandas"):
        timeline.to_dataframe()


def test_the_summary_is_that_of_a_channel(timeline):
    assert timeline.summary() == timeline.summary(0) == timeline.ended.summary[0]
    assert timeline.summary(1).channel == 1
    assert timeline.summary(7) is None
    assert livemood.Timeline().summary() is None


class Texts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.texts, self.open, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_a_notebook_shows_who_sounded_how(timeline):
    events = [
        e.model_copy(update={"participants": ("<b>Ann</b>", "Bob"), "source": "<script>x</script>"})
        if e.type == "session.started"
        else e
        for e in timeline.events
    ]
    page = Texts()
    page.feed(livemood.Timeline(events)._repr_html_())
    assert not page.open, "every element is closed"
    assert "script" not in page.tags
    assert {"<b>Ann</b>", "Bob", "<script>x</script>"} <= set(page.texts)
    assert set(timeline.summary(0).session.shares) <= set(page.texts)
    assert "no speech" in livemood.Timeline(events[:1])._repr_html_()


def test_a_file_of_a_newer_livemood_is_read_as_far_as_it_is_known(timeline):
    lines = to_jsonl(timeline).splitlines()
    newer = [json.dumps(json.loads(line) | {"halo": 1}) for line in lines]
    strange = json.loads(lines[-2]) | {"type": "hologram"}
    read = read_timeline("\n".join([*newer[:-1], json.dumps(strange), newer[-1]]))
    assert read.events == timeline.events

    whole = json.loads(to_json(timeline))
    whole["events"].append(strange)
    whole["channels"][0]["events"][0]["halo"] = {"deep": 1}
    assert read_timeline(json.dumps(whole)).events == timeline.events


def test_emitting_stays_strict(timeline):
    text = timeline.events[0].model_dump_json()
    with pytest.raises(ValueError, match="halo"):
        livemood.parse_event(json.dumps(json.loads(text) | {"halo": 1}))
