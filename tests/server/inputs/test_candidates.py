"""Which addresses of a WebRTC offer are written to."""

import subprocess
import sys

import pytest

from livemood.server.inputs.candidates import MOST, check_candidates, own_candidates, plain
from livemood.server.refused import Refused


def offer(*addresses):
    lines = [f"a=candidate:{n} 1 udp 99 {a} 4000 typ host" for n, a in enumerate(addresses)]
    return "\r\n".join(["v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111", *lines, "a=mid:0"]) + "\r\n"


OTHERS = ("127.0.0.1", "192.0.2.8", "169.254.1.1", "::1", "secret.local", "nonsense")


def test_nobody_elses_address_is_written_to():
    assert own_candidates(offer("192.0.2.7", *OTHERS), "192.0.2.7") == offer("192.0.2.7")
    assert own_candidates(offer("2001:db8::1"), "2001:db8:0::1") == offer("2001:db8::1")
    assert own_candidates(offer(*OTHERS), "") == offer()


def test_a_sender_on_this_machine_may_name_any_but_not_any_number():
    assert own_candidates(offer(*OTHERS), "127.0.0.1") == offer(*OTHERS)
    kept = own_candidates(offer(*["192.0.2.7"] * 100), "127.0.0.1")
    assert kept.count("a=candidate:") == MOST


def test_lines_may_end_either_way_and_none_is_lost():
    text = offer("192.0.2.7", *OTHERS)
    assert own_candidates(text.replace("\r\n", "\n"), "192.0.2.7") == offer("192.0.2.7")


@pytest.mark.parametrize(
    "odd", ["\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
)
def test_candidates_hidden_behind_odd_line_breaks_are_refused(odd):
    """aiortc splits lines wherever Python does."""
    hidden = f"a=x{odd}a=candidate:1 1 udp 99 192.0.2.8 4000 typ host"
    text = offer("192.0.2.7").replace("a=mid:0", hidden)
    assert text.splitlines() != text.replace("\r\n", "\n").split("\n")[:-1], "it is split there"
    with pytest.raises(Refused, match="odd line breaks"):
        plain(text)
    assert plain(offer("192.0.2.7")) == offer("192.0.2.7")


def test_what_was_parsed_is_checked():
    check_candidates(["192.0.2.7"] * MOST, "192.0.2.7")
    check_candidates(OTHERS, "127.0.0.1")
    for named, host in (
        (["192.0.2.7", "192.0.2.8"], "192.0.2.7"),
        (["192.0.2.7"] * (MOST + 1), "192.0.2.7"),
        (["192.0.2.7"] * (MOST + 1), "127.0.0.1"),
        (["name.local"], "192.0.2.7"),
    ):
        with pytest.raises(Refused, match="hides candidates"):
            check_candidates(named, host)


@pytest.mark.parametrize(
    "module", ["whip", *(pytest.param(m, marks=pytest.mark.slow) for m in ("twilio", "stream"))]
)
def test_inputs_can_be_imported_first(module):
    subprocess.run([sys.executable, "-c", f"import livemood.server.inputs.{module}"], check=True)
