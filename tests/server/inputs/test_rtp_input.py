"""Calls to a running server, over real sockets."""

import socket

import numpy as np
import pytest
import soundfile as sf
from calling import CALL, PCMU, Caller, create, mu_law, settled
from talking import client, wait_for

from livemood.audio import AudioBlock, resample
from livemood.engine import SessionCore


@pytest.fixture(scope="module")
def coded(clip):
    """Two recordings of about 4 s as mu-law."""
    names = ("03-01-05-02-01-01-20", "03-01-04-02-01-01-02")
    sounds = (sf.read(clip(name), dtype="float32") for name in names)
    return [mu_law(resample(sound, rate, 8000)) for sound, rate in sounds]


def of(events, kind, channel=None):
    return [e for e in events if e["type"] == kind and channel in (None, e["channel"])]


def test_a_call_reads_as_its_sound(shared, model, coded):
    with shared() as service:
        created = create(service)
        assert created["state"] == "waiting"
        (port,) = created["rtp"]["ports"]
        with Caller(created["rtp"]["host"], port) as caller:
            caller.say(coded[0])
        record, events = settled(service, created)
    assert (record["state"], record["reason"], record["channels"]) == ("ended", "end", 1)
    assert record["source"] == "rtp PCMU 8000 Hz"
    expected = []
    monitor = SessionCore(
        model,
        service.sessions.flow._settings,
        source="",
        sample_rate=8000,
        channels=1,
        live=False,
        sinks=[expected.append],
    )
    sound = decoded(coded[0])
    for at in range(0, len(sound), 160):
        monitor.push(AudioBlock(at, sound[at : at + 160], 0.0))
        monitor.process()
    monitor.finish()
    segments = [(e.label, e.start_ms, e.end_ms) for e in expected if e.type == "segment"]
    assert [(e["label"], e["start_ms"], e["end_ms"]) for e in of(events, "segment")] == segments
    assert record["labels"] == [expected[-1].summary[0].session.dominant]


def decoded(coded):
    return PCMU.new_decoder()(coded[: len(coded) // 160 * 160])


@pytest.mark.parametrize("pairing", ["ports", "ssrcs"])
def test_two_parties_are_two_channels(shared, coded, pairing):
    with shared() as service:
        created = create(service, participants=["A", "B"], rtp={"pairing": pairing})
        ports = created["rtp"]["ports"]
        assert len(ports) == (2 if pairing == "ports" else 1)
        with Caller("127.0.0.1", ports[0]) as a, Caller("127.0.0.1", ports[-1]) as b:
            a.say(coded[0], ssrc=1, end=False)
            wait_for(lambda: service.sessions.open(created["id"]).live)
            b.say(coded[1], ssrc=2)
            a.say(b"", ssrc=1)
        record, events = settled(service, created)
    assert (record["channels"], record["participants"]) == (2, ["A", "B"])
    ended = events[-1]
    for channel in (0, 1):
        duration = ended["summary"][channel]["duration_ms"]
        assert duration >= len(coded[channel]) // 160 * 20
        assert of(events, "emotion", channel)
    # The second party came later than the first, which may have waited a while for its goodbye.
    spoken = len(coded[0]) // 160 * 20
    waited = {(e["cause"], e["start_ms"] >= spoken) for e in of(events, "gap", 0)}
    assert waited <= {("no_packets", True)}
    assert {e["cause"] for e in of(events, "gap", 1)} <= {"absent"}


@pytest.mark.parametrize("first", ["PCMU", "G722"])
def test_a_second_party_of_another_rate_is_heard(shared, coded, first):
    """8 and 16 kHz in one call: the clock has the rate of whoever came first."""
    import av

    sound = decoded(coded[0])[:, 0]
    encoder = av.CodecContext.create("adpcm_g722", "w")
    encoder.sample_rate, encoder.format, encoder.layout = 16000, "s16", "mono"
    wide = (resample(sound, 8000, 16000) * 32767).astype(np.int16)[None]
    frame = av.AudioFrame.from_ndarray(wide, "s16", "mono")
    frame.sample_rate = 16000
    g722 = b"".join(bytes(p) for p in [*encoder.encode(frame), *encoder.encode(None)])
    ways = {"PCMU": (coded[0], 0), "G722": (g722, 9)}
    other = next(name for name in ways if name != first)
    with shared() as service:
        created = create(service, participants=["A", "B"])
        ports = created["rtp"]["ports"]
        with Caller("127.0.0.1", ports[0]) as a, Caller("127.0.0.1", ports[1]) as b:
            a.say(ways[first][0], ssrc=1, kind=ways[first][1], end=False)
            wait_for(lambda: service.sessions.open(created["id"]).live)
            b.say(ways[other][0], ssrc=2, kind=ways[other][1])
            a.say(b"", ssrc=1)
        _, events = settled(service, created)
    spoken = len(coded[0]) // 160 * 20
    for channel in (0, 1):
        summary = events[-1]["summary"][channel]
        absent = sum(e["end_ms"] - e["start_ms"] for e in of(events, "gap", channel))
        assert summary["duration_ms"] - absent >= spoken - 20
        assert of(events, "emotion", channel)
    assert {e["cause"] for e in of(events, "gap", 1)} <= {"absent"}


@pytest.mark.slow
def test_calls_that_share_a_port_are_told_apart_by_ssrc(serving, coded):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        shared = free.getsockname()[1]
    with serving(rtp={"shared_port": shared}) as service:
        made = [create(service, rtp={"ssrcs": [n]}) for n in (11, 12)]
        assert [m["rtp"]["ports"] for m in made] == [[shared], [shared]]
        with client(service) as http:
            again = http.post("/v1/sessions", json=CALL | {"rtp": {"ssrcs": [11]}})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "ssrc_taken")
        with Caller("127.0.0.1", shared) as caller:
            caller.say(coded[0][:1600], ssrc=99)  # nobody's
            for n in (0, 1):
                caller.say(coded[n], ssrc=11 + n)
        records = [settled(service, m)[0] for m in made]
        nobodys = 'livemood_rtp_packets_total{outcome="unknown_ssrc"} 10.0'
        with client(service) as http:  # packets are counted once a second
            wait_for(lambda: nobodys in http.get("/metrics").text)
    assert [r["duration_ms"] for r in records] == [len(c) // 160 * 20 for c in coded]


def test_what_cannot_be_is_refused(serving):
    with serving(rtp={"first_port": 31000, "last_port": 31001}) as service, client(service) as http:

        def refusal(**fields):
            answer = http.post("/v1/sessions", json=CALL | fields)
            return answer.status_code, answer.json()["error"]["code"]

        assert refusal(rtp={"sdp": "v=0"}) == (422, "bad_sdp")
        assert refusal(rtp={"ssrcs": [1]}) == (409, "no_shared_port")
        assert refusal(rtp={"sender": "nobody"}) == (422, "bad_request")
        assert refusal(rtp={"parties": 9}) == (422, "bad_request")
        assert refusal(kind="stream", rtp={}) == (422, "bad_request")
        assert refusal(rtp={"parties": 2}) == (503, "no_port")
        two = http.post("/v1/sessions", json=CALL | {"rtp": {"parties": 2}})
        assert "fewer than 2 ports" in two.json()["error"]["message"]  # one is free
        assert service.sessions.all_open() == []
        assert http.get("/v1/sessions").json()["sessions"] == []
        first = create(service)
        assert first["rtp"]["ports"] == [31000]
        assert refusal() == (503, "no_port")
        # A session that ends without having been used gives its port back.
        assert http.post(f"/v1/sessions/{first['id']}/end").status_code == 200
        wait_for(lambda: http.post("/v1/sessions", json=CALL).status_code == 201)


def test_nobody_else_is_heard_where_the_sender_is_named(serving, coded):
    with serving() as service:
        created = create(service, rtp={"sender": "127.0.0.2"})
        (port,) = created["rtp"]["ports"]
        with Caller("127.0.0.1", port) as caller:
            caller.say(coded[0])
        wait_for(lambda: 'outcome="other_address"' in client(service).get("/metrics").text)
        assert service.sessions.open(created["id"]).live is None


def test_a_party_that_leaves_and_returns_is_one_session(shared, coded):
    with shared() as service:
        created = create(service, participants=["A", "B"])
        one, two = created["rtp"]["ports"]
        with Caller("127.0.0.1", one) as a, Caller("127.0.0.1", two) as b:
            a.say(coded[0][:8000], ssrc=1, end=False)
            b.say(coded[1][:8000], ssrc=2)
            opened = service.sessions.open(created["id"])
            (call,) = service.rtp._calls
            wait_for(lambda: 1 in call._ends and call._there == {0})
            b.say(coded[1], ssrc=3)
            a.say(b"", ssrc=1)
        record, events = settled(service, created)
    assert opened.record.id == record["id"]
    assert len(of(events, "session.started")) == 1
    absent = [e for e in of(events, "gap", 1) if e["cause"] == "absent"]
    assert absent[-1]["start_ms"] >= 1000
