"""Words of others do nothing to the terminal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livemood.cli.main import main
from livemood.cli.terminal.output import Printer
from livemood.cli.terminal.plain import plain, plain_json, plain_lines
from livemood.errors import LivemoodError
from livemood.server.storage.database import Database
from livemood.server.storage.tokens import Tokens
from livemood.timeline.events import client_notice

EVIL = "\x1b]0;title\x07\x9b31m\u202eevil\u2066\x7f"


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_what_is_printed_is_printable_and_json_means_the_same(text):
    assert plain(text).isprintable()
    assert len(plain(text)) == len(text)
    assert plain_lines(text).count("\n") == text.count("\n")
    escaped = plain_json(json.dumps(text, ensure_ascii=False))
    assert escaped.isprintable()
    assert json.loads(escaped) == text


def test_the_list_of_tokens_prints_no_escape_sequence(tmp_path, monkeypatch, capsys):
    Tokens(Database(tmp_path)).create(("watch",), f"name {EVIL}\n999  valid  manage")
    monkeypatch.setattr("sys.argv", ["livemood", "token", "list", "--data", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.rstrip("\n").isprintable()


def test_a_servers_words_print_no_escape_sequence(monkeypatch, capsys):
    def refuse(**_):
        raise LivemoodError(f"refused: {EVIL}")

    monkeypatch.setattr("livemood.cli.main.app", refuse)
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.rstrip("\n").isprintable()
    with Printer() as printer:
        printer.show(client_notice("code", EVIL))
    out = capsys.readouterr().out.rstrip("\n")
    assert out.isprintable()
    assert json.loads(out)["message"] == EVIL
