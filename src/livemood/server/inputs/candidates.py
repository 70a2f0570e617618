"""Which addresses of an offer are written to (ICE candidates, RFC 8839, section 5.1)."""

import ipaddress
from collections.abc import Iterable
from typing import Final

from livemood.server.refused import Refused

MOST: Final = 16
"""Candidates that are kept; a browser names a handful."""


def plain(offer: str) -> str:
    """The offer, if it has no control characters and no line breaks but CR LF and LF.

    Libraries split lines in other places as well, at U+2028 say: what is hidden behind them would
    pass whoever looks line by line. Raises `Refused`.
    """
    if not offer.replace("\r\n", "").replace("\n", "").replace("\t", "").isprintable():
        raise Refused("bad_sdp", "the offer has control characters or odd line breaks", 400)
    return offer


def check_candidates(parsed: Iterable[str], host: str) -> None:
    """Raise `Refused` unless all addresses that a parser found are `host`'s, and few.

    It is the parser's word that counts: to these addresses packets are sent.
    """
    named = list(parsed)
    if len(named) > MOST or not (_loopback(host) or all(_same(one, host) for one in named)):
        raise Refused("bad_sdp", "the offer hides candidates", 400)


def own_candidates(offer: str, host: str) -> str:
    """The offer, with no other candidates than those of `host`, who sent it.

    To every candidate packets would be sent, and an offer may name anybody's address. Whoever is
    behind a translation of addresses is found all the same, by the packets that it sends. A sender
    on this machine may name any address: it could send there itself.
    """
    local = _loopback(host)
    kept, lines = 0, list[str]()
    for line in offer.replace("\r\n", "\n").rstrip("\n").split("\n"):
        if line.startswith("a=candidate:"):
            fields = line.split()
            if kept >= MOST or not (local or (len(fields) > 4 and _same(fields[4], host))):
                continue
            kept += 1
        lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _same(named: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(named) == ipaddress.ip_address(host)
    except ValueError:  # a name, such as those that browsers hide their addresses behind
        return False
