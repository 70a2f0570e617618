"""Senders of RTP, for calls to a running server."""

import json
import socket
import struct

import numpy as np
from talking import client

from livemood.sources.rtp import STATIC

PCMU = STATIC.sound[0]
CALL = {"kind": "rtp", "purpose": "personal", "informed": True}


def mu_law(samples):
    """int16 or float32 samples at 8 kHz as G.711 mu-law."""
    levels = PCMU.new_decoder()(bytes(range(256)))[:, 0]
    order = np.argsort(levels, kind="stable")
    middles = (levels[order][1:] + levels[order][:-1]) / 2
    sound = samples / 32768 if samples.dtype == np.int16 else samples
    return order[np.searchsorted(middles, sound)].astype(np.uint8).tobytes()


def packets(coded, ssrc=7, first=100, kind=0):
    """The datagrams of `coded` sound, 20 ms each."""
    for n in range(len(coded) // 160):
        head = struct.pack("!BBHII", 0x80, kind, (first + n) & 0xFFFF, n * 160, ssrc)
        yield head + coded[n * 160 : (n + 1) * 160]


def goodbye(ssrc=7):
    return struct.pack("!BBHI", 0x81, 203, 1, ssrc)


class Caller:
    """Somebody's socket."""

    def __init__(self, *to):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(to)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, datagram):
        """One packet."""
        self._socket.send(datagram)

    def say(self, coded, ssrc=7, end=True, **options):
        """All of it at once: a call may be a few seconds ahead of real time."""
        for datagram in packets(coded, ssrc, **options):
            self._socket.send(datagram)
        if end:
            self._socket.send(goodbye(ssrc))


def create(service, **fields):
    """A session of kind rtp: its record, with where to send."""
    with client(service) as http:
        answer = http.post("/v1/sessions", json=CALL | fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


def settled(service, created):
    """Wait until the session is on disk; its record and its events."""
    opened = service.sessions.open(created["id"])
    if opened is not None:
        assert opened.settled.wait(60)
    with client(service) as http:
        record = http.get(f"/v1/sessions/{created['id']}").json()
        timeline = http.get(f"/v1/sessions/{created['id']}/timeline?format=jsonl").text
    return record, [json.loads(line) for line in timeline.splitlines()]
