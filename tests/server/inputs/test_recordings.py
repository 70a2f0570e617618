"""Uploaded recordings on a running server."""

import json
import socket as sockets
import threading
from contextlib import closing

import numpy as np
import psutil
import pytest
import soundfile as sf
from calling import settled
from talking import client, code, stream

from livemood.engine import analyze_file
from livemood.server.storage.tokens import Tokens
from livemood.timeline.events import parse_event

ABOUT = {"purpose": "personal", "informed": "true"}
CONSENT = {"purpose": "research", "consent": "form 12"}


@pytest.fixture
def recording(clip):
    return clip("03-01-05-02-01-01-20")


def upload(http, path, **query):
    with path.open("rb") as file:
        return http.post("/v1/recordings", params=ABOUT | query, content=file)


def said(events):
    """What the events of a timeline say, less what differs from one run to the next."""
    return [
        event.model_dump(exclude={"session", "time", "latency_ms", "purpose"}) for event in events
    ]


def uploads(service):
    return list((service.settings.data / "uploads").iterdir())


def test_its_timeline_is_the_one_that_analyze_gives(serving, model, recording):
    with serving() as service, client(service) as http:
        answer = upload(http, recording, name=recording.name)
        assert answer.status_code == 202, answer.text
        record, events = settled(service, answer.json())
        assert http.get("/v1/about").json()["features"]["recordings"] is True
        assert uploads(service) == []
        assert code(http.get(f"/v1/sessions/{record['id']}/sound"))[0] == 404
    assert record["kind"] == "recording"
    assert record["state"] == "ended"
    assert record["reason"] == "end"
    assert record["source"] == recording.name
    assert record["labels"][0]
    timeline, failure = analyze_file(recording, model)
    assert failure is None
    assert said(map(parse_event, map(json.dumps, events))) == said(timeline.events)


@pytest.mark.slow
def test_a_session_that_was_created_before_takes_one(shared, recording):
    with shared() as service, client(service) as http:
        spec = {"kind": "recording", "participants": ["Ada"], **CONSENT}
        made = http.post("/v1/sessions", json=spec).json()
        with recording.open("rb") as file:
            answer = http.post(f"/v1/recordings?session={made['id']}", content=file)
        assert answer.status_code == 202
        record, events = settled(service, made)
        assert record["reason"] == "end"
        assert events[0]["participants"] == ["Ada"]
        again = http.post(f"/v1/recordings?session={made['id']}", content=b"RIFF")
        assert code(again) == (409, "already_started")
        other = http.post("/v1/sessions", json={"kind": "stream", **CONSENT}).json()
        wrong = http.post(f"/v1/recordings?session={other['id']}", content=b"RIFF")
        assert code(wrong) == (409, "wrong_kind")
        none = http.post("/v1/recordings?session=nobody", content=b"RIFF")
        assert code(none) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "status", "expected"),
    [
        ({"purpose": "work"}, 403, "purpose_refused"),
        ({"informed": "false"}, 403, "not_informed"),
        ({"keep_sound": "true"}, 403, "no_consent"),
        ({"participants": ["A", "B"]}, 422, "bad_participants"),
        ({"purpose": ""}, 422, "bad_request"),
        ({"nonsense": "1"}, 422, "bad_request"),
    ],
    ids=str,
)
def test_the_policy_holds(shared, recording, query, status, expected):
    with shared() as service, client(service) as http:
        assert code(upload(http, recording, **query)) == (status, expected)
        assert uploads(service) == []
        open_now = http.get("/v1/sessions?state=live").json()["sessions"]
        assert open_now == http.get("/v1/sessions?state=waiting").json()["sessions"] == []


def test_what_is_no_sound_is_one_clear_error(serving, tmp_path):
    (tmp_path / "notes.wav").write_text("these are no samples\n" * 100)
    with serving() as service, client(service) as http:
        answer = upload(http, tmp_path / "notes.wav", name="notes.wav")
        assert code(answer) == (422, "bad_recording")
        message = answer.json()["error"]["message"]
        assert message.startswith("notes.wav ")
        assert "\n" not in message
        assert str(tmp_path) not in message
        empty = http.post("/v1/recordings", params=ABOUT, content=b"")
        assert code(empty) == (422, "bad_recording")
        form = http.post("/v1/recordings", params=ABOUT, files={"file": b"sound"})
        assert "a form was sent" in form.json()["error"]["message"]
        assert uploads(service) == []
        assert http.get("/v1/sessions").json()["sessions"] == []


@pytest.mark.slow
def test_a_cut_file_ends_with_an_error(serving, recording, tmp_path):
    cut = tmp_path / "cut.wav"
    whole = recording.read_bytes()
    cut.write_bytes(whole[: len(whole) * 3 // 4])
    with serving() as service, client(service) as http:
        record, events = settled(service, upload(http, cut, name="cut.wav").json())
        assert uploads(service) == []
    assert record["reason"] == "error"
    (error,) = [event for event in events if event["type"] == "error"]
    assert error["message"].startswith("cut.wav is truncated")
    assert any(event["type"] == "emotion" for event in events)
    assert events[-1]["type"] == "session.ended"


@pytest.mark.slow
def test_its_sound_is_kept_where_that_was_asked_for_with_consent(serving, recording, tmp_path):
    with serving() as service, client(service) as http:
        made = upload(http, recording, keep_sound="true", **CONSENT).json()
        record, _ = settled(service, made)
        kept = http.get(f"/v1/sessions/{record['id']}/sound")
        assert kept.status_code == 200
        (tmp_path / "kept.opus").write_bytes(kept.content)
        assert uploads(service) == []
    whole, rate = sf.read(recording)
    again, kept_rate = sf.read(tmp_path / "kept.opus")
    assert len(again) / kept_rate == pytest.approx(len(whole) / rate, abs=0.1)
    assert np.sqrt(np.mean(again**2)) == pytest.approx(np.sqrt(np.mean(whole**2)), rel=0.2)


def test_too_much_is_refused(serving, recording):
    with serving(limits={"recording_bytes": 20_000}) as service, client(service) as http:
        said_at_once = upload(http, recording)
        assert code(said_at_once) == (413, "recording_too_big")
        pieces = iter([bytes(10_000)] * 5)  # of no length that is said before
        answer = http.post("/v1/recordings", params=ABOUT, content=pieces)
        assert code(answer) == (413, "recording_too_big")
        assert uploads(service) == []


@pytest.mark.slow
def test_more_recordings_than_are_allowed_wait_outside(serving, recording):
    limits = {"recordings": 2, "recordings_per_token": 1}
    with serving(limits=limits) as service:
        tokens = Tokens(service.storage.database)
        ada, bob, eve = (tokens.create(("ingest", "watch"), name) for name in "abe")
        with (
            client(service, ada) as first,
            client(service, bob) as second,
            client(service, eve) as third,
        ):
            # Sessions that have their place and whose sound does not come to its end.
            hanging = [_hanging(service, ada), _hanging(service, bob)]
            with closing(hanging[0]), closing(hanging[1]):
                assert code(upload(third, recording)) == (503, "busy")
            made = _until_taken(first, recording)
            assert code(first.get("/v1/audit")) == (403, "missing_scope")
            settled_record = _wait(service, made)
            assert settled_record["reason"] == "end"
            assert second.get("/v1/sessions").status_code == 200


def _wait(service, made):
    opened = service.sessions.open(made["id"])
    if opened is not None:
        assert opened.settled.wait(60)
    return service.sessions.record(made["id"]).model_dump()


def _until_taken(http, recording):
    """Upload as soon as there is a place: that senders have gone is noticed a moment later."""
    while True:
        answer = upload(http, recording)
        if answer.status_code == 202:
            return answer.json()
        assert answer.status_code in (429, 503), answer.text


def _hanging(service, token):
    """An upload that has begun and stands still."""
    place = sockets.create_connection(("127.0.0.1", service.port))
    head = (
        "POST /v1/recordings?purpose=personal&informed=true HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: 10000\r\nExpect: 100-continue\r\n\r\n"
    )
    place.sendall(head.encode())
    assert place.recv(100).startswith(b"HTTP/1.1 100")  # it waits for the body: it has its place
    return place


def test_an_upload_needs_a_token_for_ingest(serving, recording):
    with serving() as service:
        tokens = Tokens(service.storage.database)
        watch = tokens.create(("watch",))
        with client(service, watch) as http:
            assert code(upload(http, recording)) == (403, "missing_scope")
        with client(service) as http:
            assert code(upload(http, recording)) == (401, "no_token")


def _long(path, recording, times):
    samples, rate = sf.read(recording, dtype="int16")
    sf.write(path, np.tile(samples, times), rate)
    return path


@pytest.mark.slow
def test_one_that_is_read_can_be_ended_and_deleted(serving, recording, tmp_path):
    long = _long(tmp_path / "long.wav", recording, 200)
    with serving() as service, client(service) as http:
        first, waiting = upload(http, long).json(), upload(http, recording).json()
        opened = service.sessions.open(first["id"])
        reading = threading.Event()
        service.sessions.delivery.call(opened.log.add_listener, reading.set)
        assert opened.log.last_seq or reading.wait(60)
        assert http.delete(f"/v1/sessions/{waiting['id']}").status_code == 204
        ended = http.post(f"/v1/sessions/{first['id']}/end").json()
        assert ended["reason"] == "interrupted"
        assert ended["state"] == "ended"
        _, events = settled(service, first)
        assert events[-1]["reason"] == "interrupted"
        assert events[-1]["end_ms"] < 200 * 4000
        assert http.get(f"/v1/sessions/{waiting['id']}").status_code == 404
    assert uploads(service) == []


@pytest.mark.slow
def test_a_server_that_stops_leaves_no_sound(serving, recording, tmp_path):
    long = _long(tmp_path / "long.wav", recording, 200)
    with serving() as service, client(service) as http:
        made, waiting = upload(http, long).json(), upload(http, recording).json()
    assert uploads(service) == []
    with serving() as again, client(again) as http:
        ended = [http.get(f"/v1/sessions/{one['id']}").json() for one in (made, waiting)]
    assert {one["state"] for one in ended} == {"ended"}
    assert {one["reason"] for one in ended} <= {"interrupted", "unused"}


def test_what_a_killed_server_left_is_erased(serving):
    with serving() as service:
        folder = service.settings.data
    (folder / "uploads" / "0123456789abcdef").write_bytes(b"sound")
    with serving() as service:
        assert uploads(service) == []


@pytest.mark.slow
def test_a_reader_that_is_killed_is_said(serving, recording, tmp_path):
    long = _long(tmp_path / "long.wav", recording, 200)
    with serving() as service, client(service) as http:
        made = upload(http, long).json()
        opened = service.sessions.open(made["id"])
        reading = threading.Event()
        service.sessions.delivery.call(opened.log.add_listener, reading.set)
        assert opened.log.last_seq or reading.wait(60)
        for child in psutil.Process().children():
            if "livemood.server.recording_process" in child.cmdline():
                child.kill()
        record, events = settled(service, made)
    assert record["reason"] == "error"
    assert events[-1]["type"] == "session.ended"
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert any(event["type"] == "error" for event in events)
    assert uploads(service) == []


@pytest.mark.slow
async def test_live_sound_is_heard_while_a_recording_is_read(serving, recording, speech, tmp_path):
    long = _long(tmp_path / "long.wav", recording, 50)
    with serving() as service, client(service) as http:
        made = upload(http, long).json()
        events = await stream(service, speech)
        assert events[-1].reason == "end"
        assert service.sessions.admission.late == 0
        http.delete(f"/v1/sessions/{made['id']}")


@pytest.mark.slow
def test_the_place_is_given_back(serving, recording):
    with serving(limits={"recordings": 1}) as service, client(service) as http:
        for _ in range(2):
            assert _wait(service, _until_taken(http, recording))["reason"] == "end"
