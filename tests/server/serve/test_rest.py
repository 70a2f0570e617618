"""REST on a running server."""

import asyncio
import csv
import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree as ET

import pytest
import soundfile as sf
from talking import START, client, received, send_all, socket, stream, until

from livemood.server.refused import Refused
from livemood.server.serve.settings import ServeSettings
from livemood.server.storage.database import StorageError
from livemood.timeline.events import parse_event

SPEC = {"kind": "rtp", "purpose": "research", "consent": "form 12", "participants": ["Ada", "Bob"]}


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_a_session_is_created_listed_and_read(serving):
    with serving() as service, client(service) as http:
        made = http.post("/v1/sessions", json=SPEC)
        assert made.status_code == 201
        record = made.json()
        assert record.pop("rtp")["ports"]
        assert record["state"] == "waiting"
        assert record["retention_days"] == 30
        assert http.get(f"/v1/sessions/{record['id']}").json() == record
        others = [http.post("/v1/sessions", json=SPEC | {"consent": f"c{n}"}) for n in range(5)]
        ids = [record["id"], *(o.json()["id"] for o in others)]
        first = http.get("/v1/sessions?limit=4").json()
        rest = http.get(f"/v1/sessions?limit=4&before={first['next']}").json()
        assert [s["id"] for s in first["sessions"] + rest["sessions"]] == ids[::-1]
        assert rest["next"] is None
        found = http.get("/v1/sessions", params={"q": "FORM 12"}).json()["sessions"]
        assert [s["id"] for s in found] == [record["id"]]
        assert http.get("/v1/sessions?state=live").json()["sessions"] == []
        assert http.get("/v1/sessions?purpose=research&state=waiting&q=ada").json()["sessions"]
        assert code(http.post(f"/v1/sessions/{ids[0]}/markers", json={"note": "x"})) == (
            409,
            "not_live",
        )
        assert http.post(f"/v1/sessions/{ids[0]}/end").json()["reason"] == "unused"
        about = http.get("/v1/about").json()
    assert about["mode"] == "service"
    assert about["auth_required"] is False
    assert "research" in about["purposes"]
    assert "work" not in about["purposes"]


@pytest.mark.parametrize(
    ("change", "status", "expected"),
    [
        ({"purpose": "work"}, 403, "purpose_refused"),
        ({"purpose": "nosiness"}, 403, "unknown_purpose"),
        ({"consent": None}, 403, "not_informed"),
        ({"purpose": None}, 422, "bad_request"),
        ({"kind": "telepathy"}, 422, "bad_request"),
        ({"retention_days": -1}, 422, "bad_request"),
        ({"participants": ["x" * 201]}, 422, "bad_request"),
        ({"rtp": {"parties": 3}}, 422, "bad_participants"),
        ({"participants": ["A", "B", "C"], "rtp": {"parties": 2}}, 422, "bad_participants"),
        ({"extra": 1}, 422, "bad_request"),
    ],
    ids=repr,
)
def test_what_is_wrong_is_said(shared, change, status, expected):
    with shared() as service, client(service) as http:
        answer = http.post("/v1/sessions", json=SPEC | change)
        assert code(answer) == (status, expected)
        assert answer.json()["error"]["message"]
        assert http.get("/v1/sessions").json()["sessions"] == []
        bare = {k: v for k, v in SPEC.items() if k != "purpose"}
        assert code(http.post("/v1/sessions", json=bare)) == (422, "bad_request")
        assert code(http.post("/v1/sessions", content=b"{")) == (422, "bad_request")
        assert code(http.get("/v1/sessions/none")) == (404, "not_found")
        assert code(http.delete("/v1/sessions/none")) == (404, "not_found")
        assert code(http.get("/nowhere")) == (404, "not_found")
        assert code(http.put("/v1/sessions")) == (405, "wrong_method")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "message: this is no JSON"),
        (None, "give a JSON object, and the header Content-Type"),
        ({"extra": 1}, "extra: there is no such name"),
        ({"alerts": [{"name": "x"}]}, "alerts.0: give conditions on how a voice sounds"),
        ({"retention_days": -1}, "retention_days: input should be greater than 0"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(shared, body, said):
    kind = {"Content-Type": "application/json" if body else "application/x-www-form-urlencoded"}
    content = body if isinstance(body, bytes) else json.dumps(SPEC | (body or {}))
    with shared() as service, client(service) as http:
        answer = http.post("/v1/sessions", content=content, headers=kind)
    assert answer.json()["error"]["message"].startswith(said)


async def test_a_timeline_is_exported_in_every_format(shared, speech):
    with shared() as service, client(service) as http:
        events = await stream(service, speech)
        url = f"/v1/sessions/{events[0].session}/timeline"

        def get(form):
            answer = http.get(url, params={"format": form})
            assert answer.status_code == 200
            return answer

        service.sessions.storage.writer.flush()
        assert [parse_event(line) for line in get("jsonl").text.splitlines()] == events
        whole = get("json").json()
        assert whole["channels"][0]["summary"]["shares"]
        rows = list(csv.DictReader(io.StringIO(get("csv").text)))
        assert len(rows) == sum(e.type == "emotion" for e in events)
        assert get("vtt").text.startswith("WEBVTT")
        assert ET.fromstring(get("emotionml").text).tag.endswith("emotionml")
        assert get("csv").headers["content-type"].startswith("text/csv")
        assert code(http.get(url, params={"format": "xls"})) == (422, "bad_request")


async def test_a_live_session_can_be_read_marked_ended_and_deleted(serving, speech):
    with serving() as service, client(service) as http:

        async def do(method, path, **options):
            return await asyncio.to_thread(http.request, method, path, **options)

        async with socket(service, "/v1/stream") as ws:
            await send_all(ws, speech, end=False)
            session = parse_event(await ws.recv()).session
            path = f"/v1/sessions/{session}"
            assert (await do("GET", path)).json()["state"] == "live"
            for asked in (path, "/v1/sessions"):  # how long it is so far
                async with asyncio.timeout(20):
                    while True:
                        answer = (await do("GET", asked)).json()
                        heard = answer.get("sessions", [answer])[0]["duration_ms"]
                        if heard == len(speech) // 16:
                            break
            made = await do("POST", f"{path}/markers", json={"note": "here", "at_ms": 1234})
            assert made.status_code == 201
            assert (made.json()["start_ms"], made.json()["type"]) == (1234, "marker")
            partial = (await do("GET", f"{path}/timeline")).json()
            assert partial["markers"] == [{"at_ms": 1234, "note": "here"}]
            ended = (await do("POST", f"{path}/end")).json()
            assert (ended["state"], ended["reason"]) == ("ended", "end")
            events = await received(ws)
            assert [e.note for e in events if e.type == "marker"] == ["here"]
            assert events[-1].type == "session.ended"
        assert code(await do("POST", f"{path}/end")) == (409, "not_live")
        assert (await do("DELETE", path)).status_code == 204
        assert code(await do("GET", path)) == (404, "not_found")
        assert code(await do("GET", f"{path}/timeline")) == (404, "not_found")
        lines = (await do("GET", "/v1/audit")).json()["lines"]
    done = [line["action"] for line in lines if line["session"] == session][::-1]
    done = list(dict.fromkeys(done))
    assert done == ["create", "read", "mark", "export", "end", "delete"]
    assert all(line["policy"].startswith("EU AI Act [") for line in lines)
    assert all(line["who"] == "local" for line in lines)
    assert "here" not in json.dumps(lines)


async def test_deleting_a_live_session_ends_it_and_leaves_nothing(serving, speech, tmp_path):
    start = START | {"participants": ["Zaphod-7Q"], "consent": "signed by Zaphod-7Q"}
    with serving() as service, client(service) as http:
        async with socket(service, "/v1/stream") as ws:
            await send_all(ws, speech, start, end=False)
            await ws.send('{"type": "marker", "note": "Zaphod-7Q coughs"}')
            session = parse_event(await ws.recv()).session
            gone = await asyncio.to_thread(http.delete, f"/v1/sessions/{session}")
            assert gone.status_code == 204
            assert (await received(ws))[-1].type == "session.ended"
        files = [p for p in (tmp_path / "data").rglob("*") if p.is_file()]
        assert all(b"Zaphod" not in p.read_bytes() for p in files)
        assert not any(session in p.name for p in files)


async def test_sound_is_kept_only_if_asked_for(serving, speech, tmp_path):
    with serving() as service, client(service) as http:
        plain = (await stream(service, speech))[0].session
        start = START | {"consent": "yes", "keep_sound": True}
        kept = (await stream(service, speech, start))[0].session
        assert code(http.get(f"/v1/sessions/{plain}/sound")) == (404, "no_sound")
    with serving() as service, client(service) as http:
        answer = http.get(f"/v1/sessions/{kept}/sound")
        assert answer.headers["content-type"] == "audio/ogg"
        samples, rate = sf.read(io.BytesIO(answer.content))
        assert len(samples) / rate == pytest.approx(len(speech) / 16000, abs=0.1)
        assert http.delete(f"/v1/sessions/{kept}").status_code == 204
    assert list((tmp_path / "data" / "sound").iterdir()) == []


@pytest.mark.slow
async def test_sound_that_is_deleted_at_once_stays_away(serving, speech, tmp_path):
    start = START | {"consent": "yes", "keep_sound": True}
    with serving() as service, client(service) as http:
        for _ in range(2):
            session = (await stream(service, speech, start))[0].session
            assert http.delete(f"/v1/sessions/{session}").status_code == 204
        assert service.sessions.storage.sound.recordings == 0
    assert list((tmp_path / "data" / "sound").iterdir()) == []


async def test_a_session_gets_no_more_channels_than_there_is_room_for(serving):
    with serving() as service, client(service) as http:
        spec = {"kind": "stream", "purpose": "personal", "informed": True}
        session = http.post("/v1/sessions", json=spec).json()["id"]
        cost, busiest = service.sessions.admission.cost, ServeSettings().busiest
        service.sessions.load = lambda: busiest - 2.5 * cost
        sound = {"source": "test", "sample_rate": 16000}
        for channels in (8, 3):  # there is room for the one that was promised and one more
            with pytest.raises(Refused, match="try again") as refused:
                service.sessions.start(session, channels=channels, **sound)
            assert refused.value.code == "busy"
        service.sessions.start(session, channels=1, **sound)


async def test_metrics_count_all_sessions_and_name_none(serving, speech):
    with serving() as service, client(service) as http:
        heard = await asyncio.gather(*(stream(service, speech) for _ in range(3)))
        assert http.get("/healthz").json()["status"] == "ok"
        text = http.get("/metrics").text
    windows = sum(e.type == "emotion" for events in heard for e in events)
    assert f"livemood_windows_total {windows:.1f}" in text
    assert f'livemood_latency_seconds_count{{stage="total"}} {windows:.1f}' in text
    assert "livemood_windows_superseded_total 0.0" in text
    assert 'livemood_sessions_started_total{kind="stream"} 3.0' in text
    assert 'livemood_sessions_ended_total{reason="end"} 3.0' in text
    assert 'livemood_packets_total{kind="stream"}' in text
    assert "livemood_streams 0.0" in text
    assert 'provider="' in text
    for events in heard:
        assert events[0].session not in text


def test_a_server_that_can_do_no_more_refuses_with_a_time_to_come_back(serving, monkeypatch):
    with serving() as service, client(service) as http:
        service.sessions.load = lambda: 0.95
        answer = http.post("/v1/sessions", json=SPEC)
        assert code(answer) == (503, "busy")
        assert int(answer.headers["retry-after"]) >= 1
        service.sessions.load = lambda: 0.1
        assert http.post("/v1/sessions", json=SPEC).status_code == 201

        def full(_session, _rows):
            raise StorageError("database or disk is full")

        monkeypatch.setattr(service.storage.events, "append", full)
        service.storage.writer.put("none", 1, "text")
        assert service.storage.writer.flush()
        assert http.get("/healthz").status_code == 503
        assert code(http.post("/v1/sessions", json=SPEC)) == (503, "storage_failed")


def test_the_most_sessions_are_counted_however_fast_they_are_asked_for(serving):
    few = {"sessions": 10}
    with serving(limits=few) as service, client(service) as http, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: http.post("/v1/sessions", json=SPEC), range(40)))
    codes = [a.status_code for a in answers]
    assert codes.count(201) == 10
    assert {a.json()["error"]["code"] for a in answers if a.status_code != 201} == {
        "too_many_sessions"
    }


def test_a_session_whose_sound_never_comes_is_ended(serving):
    with serving(limits={"waiting_s": 0.01}) as service, client(service) as http:
        session = http.post("/v1/sessions", json=SPEC).json()["id"]
        opened = service.sessions.open(session)
        service._keeper.tick(time.monotonic() + 1)
        assert opened is None or opened.settled.wait(10)
        assert http.get(f"/v1/sessions/{session}").json()["reason"] == "unused"


async def test_a_stream_that_falls_silent_is_ended(serving, speech):
    with serving(limits={"idle_s": 0.3}) as service:
        async with socket(service, "/v1/stream") as ws:
            await send_all(ws, speech[:3200], end=False)
            events = await received(ws)
    assert [e.type for e in events] == ["session.started", "error", "session.ended"]
    assert events[1].code == "idle"
    assert (ws.close_code, ws.close_reason) == (1008, "idle")


def test_the_description_says_what_is_there(shared):
    with shared() as service, client(service) as http:
        description = http.get("/openapi.json").json()
    assert "/v1/sessions/{session}/timeline" in description["paths"]


async def test_what_expired_is_deleted_while_running_and_at_start(serving, speech, monkeypatch):
    brief = START | {"retention_days": 1e-6}
    with serving() as service, client(service) as http:
        kept = (await stream(service, speech[:1600]))[0].session
        first = (await stream(service, speech[:1600], brief))[0].session
        opened = service.sessions.open(first)
        assert opened is None or await asyncio.to_thread(opened.settled.wait, 10)
        monkeypatch.setattr(service._keeper, "RETENTION_EVERY_S", 0.0)

        def gone():
            service._keeper.tick(time.monotonic())
            return http.get(f"/v1/sessions/{first}").status_code == 404

        await until(gone)
        service._keeper.stop()
        second = (await stream(service, speech[:1600], brief))[0].session
    time.sleep(0.1)  # what its retention amounts to
    with serving() as service, client(service) as http:
        assert http.get(f"/v1/sessions/{second}").status_code == 404
        assert http.get(f"/v1/sessions/{kept}").status_code == 200
        lines = http.get("/v1/audit").json()["lines"]
        gone = {line["session"] for line in lines if line["action"] == "expire"}
    assert gone == {first, second}
