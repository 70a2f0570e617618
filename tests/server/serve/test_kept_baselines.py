"""Participants' baselines on a server: kept with consent, used again, listed, deleted."""

import asyncio
import json

import pytest
from talking import START, client, code, stream

from livemood.engine import MonitorSettings
from livemood.model import load_model
from livemood.server.serve import Service
from livemood.server.serve.settings import ServeSettings
from livemood.server.storage.baselines import DAY_S

pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("onnx", reason="needs the extra train")

NAME = "Zaphod B."
KEEP = START | {"participants": [NAME], "consent": "form 7", "keep_baselines": True}


@pytest.fixture(scope="module")
def encoder(small_encoder_folder):
    return load_model(small_encoder_folder, "cpu")


@pytest.fixture
def running(encoder, tmp_path):
    """A function that runs a server with the small encoder."""

    def run(**monitor):
        settings = ServeSettings(port=0, data=tmp_path / "data")
        return Service(settings, encoder, MonitorSettings(budget_s=60.0, **monitor))

    return run


async def spoken(service, speech, start):
    """The events of a session of which everything is on disk."""
    events = await stream(service, speech, start)
    opened = service.sessions.open(events[0].session)
    if opened is not None:
        assert await asyncio.to_thread(opened.settled.wait, 20)
    return events


def first(events):
    return next(e for e in events if e.type == "emotion")


async def test_a_baseline_is_kept_and_used_for_the_same_purpose_alone(running, speech):
    with running() as service, client(service) as http:
        assert first(await spoken(service, speech, KEEP)).baseline_s == 0
        (kept,) = http.get("/v1/baselines").json()["baselines"]
        assert (kept["name"], kept["consent"], kept["created_by"]) == (NAME, "form 7", "local")
        again = first(await spoken(service, speech, KEEP))
        assert again.baseline_s > 0
        other = KEEP | {"purpose": "medical"}
        assert first(await spoken(service, speech, other)).baseline_s == 0
        plain = START | {"participants": [NAME], "consent": "form 7"}
        assert first(await spoken(service, speech, plain)).baseline_s == 0
        assert len(http.get("/v1/baselines").json()["baselines"]) == 2
    with running() as service:  # it outlasts the server
        assert first(await spoken(service, speech, KEEP)).baseline_s > again.baseline_s


async def test_nothing_is_left_of_a_baseline_that_is_deleted(running, speech, tmp_path):
    with running() as service, client(service) as http:
        session = (await spoken(service, speech, KEEP))[0].session
        (kept,) = http.get("/v1/baselines").json()["baselines"]
        assert http.delete(f"/v1/sessions/{session}").status_code == 204
        assert http.delete(f"/v1/baselines/{kept['n']}").status_code == 204
        assert code(http.delete(f"/v1/baselines/{kept['n']}")) == (404, "not_found")
        assert http.get("/v1/baselines").json()["baselines"] == []
        actions = [line["action"] for line in http.get("/v1/audit").json()["lines"]]
        assert {"baseline.keep", "baseline.list", "baseline.delete"} <= set(actions)
    files = [p for p in (tmp_path / "data").rglob("*") if p.is_file()]
    assert files
    assert all(b"Zaphod" not in p.read_bytes() for p in files)


async def test_a_baseline_expires_as_its_session_does(running, speech):
    with running() as service:
        await spoken(service, speech, KEEP | {"retention_days": 2})
        kept = service.storage.baselines
        (one,) = service.storage.database.rows("SELECT expires FROM baselines")
        assert kept.expire(one[0] - 1, "livemood") == 0
        assert kept.expire(one[0], "livemood") == 1
        assert kept.find() == []
        assert one[0] == pytest.approx(service.storage._wall() + 2 * DAY_S, abs=600)


async def test_a_kept_baseline_that_does_not_fit_is_begun_anew(running, speech):
    with running() as service:
        await spoken(service, speech, KEEP)
        (content,) = service.storage.database.rows("SELECT content FROM baselines")[0]
        other = json.dumps(json.loads(content) | {"sha256": "0" * 64})
        with service.storage.database.transaction() as db:
            db.execute("UPDATE baselines SET content = ?", (other,))
        assert first(await spoken(service, speech, KEEP)).baseline_s == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"consent": None, "informed": True}, "no_consent"),
        ({"participants": None}, "bad_participants"),
        ({"participants": ["A", "A"]}, "bad_participants"),
    ],
)
async def test_what_cannot_be_kept_is_refused(running, changes, reason):
    spec = {n: v for n, v in (KEEP | changes).items() if v is not None}
    told = {n: spec[n] for n in spec if n not in ("type", "rate", "encoding", "channels")}
    with running() as service, client(service) as http:
        answer = http.post("/v1/sessions", json=told | {"kind": "stream"})
        assert answer.json()["error"]["code"] == reason


async def test_a_server_without_baselines_says_so(running):
    told = {"kind": "stream", "purpose": "personal", "consent": "form 7", "keep_baselines": True}
    with running(baseline=False) as service, client(service) as http:
        answer = http.post("/v1/sessions", json=told | {"participants": ["A"]})
        assert code(answer) == (422, "no_baselines")


async def test_only_who_manages_sees_or_deletes_baselines(running, speech):
    with running() as service:
        await spoken(service, speech, KEEP)
        token = service.storage.tokens.create(("watch", "ingest"))
        with client(service, token) as http:
            assert code(http.get("/v1/baselines"))[0] == 403
            assert code(http.delete("/v1/baselines/1"))[0] == 403
