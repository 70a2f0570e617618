"""Alert rules by REST, and those of one session."""

import json

import pytest
from talking import START, client, code, socket, stream

from livemood.server.serve.settings import ServeSettings
from livemood.server.storage.tokens import Tokens

TENSE = {"name": "any voice", "labels": ["angry", "fear", "disgust", "surprise", "sad", "happy"]}
TENSE["labels"] += ["neutral", "uncertain"]
CARE = {"kind": "stream", "purpose": "customer-care", "informed": True}


def alerts(events):
    return [event for event in events if event.type == "alert"]


async def test_a_rule_holds_from_the_next_session_on_and_survives_a_restart(serving, speech):
    with serving() as service, client(service) as http:
        assert alerts(await stream(service, speech)) == []
        made = http.post("/v1/alerts", json=TENSE)
        assert made.status_code == 201
        assert made.json()["rule"]["name"] == "any voice"
        assert code(http.post("/v1/alerts", json=TENSE)) == (409, "rule_exists")
        assert alerts(await stream(service, speech))[0].rule == "any voice"
    with serving() as service, client(service) as http:
        (kept,) = http.get("/v1/alerts").json()["rules"]
        assert kept == made.json()
        assert alerts(await stream(service, speech))
        assert http.delete("/v1/alerts/any voice").status_code == 204
        assert code(http.delete("/v1/alerts/any voice")) == (404, "not_found")
        assert alerts(await stream(service, speech)) == []
        actions = [line["action"] for line in http.get("/v1/audit").json()["lines"]]
    assert actions.count("alert.add") == actions.count("alert.delete") == 1


async def test_a_rule_of_one_purpose_holds_there_alone(serving, speech):
    with serving() as service, client(service) as http:
        only = TENSE | {"purposes": ["personal"]}
        assert http.post("/v1/alerts", json=only).status_code == 201
        assert alerts(await stream(service, speech))
        other = START | {"purpose": "demonstration"}
        assert alerts(await stream(service, speech, other)) == []


async def test_a_session_has_rules_of_its_own(serving, speech):
    with serving() as service, client(service) as http:
        own = {"kind": "stream", "purpose": "personal", "informed": True, "alerts": [TENSE]}
        made = http.post("/v1/sessions", json=own).json()
        assert made["alerts"][0]["name"] == "any voice"
        bare = {"type": "start", "rate": 16000, "encoding": "s16le"}
        path = f"/v1/stream?session={made['id']}"
        assert alerts(await stream(service, speech, bare, path=path))
        assert alerts(await stream(service, speech, START | {"alerts": [TENSE]}))
        assert alerts(await stream(service, speech)) == []
        assert http.get("/v1/alerts").json() == {"rules": [], "settings": []}


async def test_nobody_is_watched_at_work(serving, speech):
    with serving() as service, client(service) as http:
        at_work = http.post("/v1/alerts", json=TENSE | {"purposes": ["work"]})
        assert code(at_work) == (403, "purpose_refused")
        unknown = http.post("/v1/alerts", json=TENSE | {"purposes": ["nosiness"]})
        assert code(unknown) == (403, "unknown_purpose")
        agents_too = http.post("/v1/alerts", json=TENSE | {"purposes": ["customer-care"]})
        assert code(agents_too) == (403, "rule_needs_channel")
        own = http.post("/v1/sessions", json=CARE | {"alerts": [TENSE]})
        assert code(own) == (403, "rule_needs_channel")
        assert http.get("/v1/alerts").json()["rules"] == []
        # A rule of every session is left out where it would look at everybody.
        assert http.post("/v1/alerts", json=TENSE).status_code == 201
        start = START | {"purpose": "customer-care"}
        assert alerts(await stream(service, speech, start)) == []
        customers = TENSE | {"name": "customers", "channel": 0, "purposes": ["customer-care"]}
        assert http.post("/v1/alerts", json=customers).status_code == 201
        assert {a.rule for a in alerts(await stream(service, speech, start))} == {"customers"}


@pytest.mark.parametrize(
    ("rule", "status", "expected"),
    [
        ({"name": "x", "labels": ["bored"]}, 422, "bad_rule"),
        ({"name": "x"}, 422, "bad_request"),
        ({"name": "x", "silent": True}, 422, "bad_request"),
        ({"name": "", "overtalk": True}, 422, "bad_request"),
        ({"name": "x", "overtalk": True, "nonsense": 1}, 422, "bad_request"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(serving, rule, status, expected):
    with serving() as service, client(service) as http:
        assert code(http.post("/v1/alerts", json=rule)) == (status, expected)
        own = {"kind": "stream", "purpose": "personal", "informed": True, "alerts": [rule]}
        assert code(http.post("/v1/sessions", json=own)) == (status, expected)
        twice = own | {"alerts": [TENSE, TENSE]}
        assert code(http.post("/v1/sessions", json=twice)) == (409, "rule_exists")


async def test_a_wrong_rule_of_a_stream_is_one_error(serving):
    with serving() as service:
        async with socket(service, "/v1/stream") as ws:
            wrong = START | {"alerts": [{"name": "x", "labels": ["bored"]}]}
            await ws.send(json.dumps(wrong))
            said = json.loads(await ws.recv())
    assert (said["type"], said["code"]) == ("error", "bad_rule")


def test_rules_are_managed_with_a_token_for_that(serving):
    with serving() as service:
        tokens = Tokens(service.storage.database)
        with client(service, tokens.create(("watch",))) as http:
            assert code(http.post("/v1/alerts", json=TENSE)) == (403, "missing_scope")
            assert code(http.delete("/v1/alerts/x")) == (403, "missing_scope")
            assert code(http.post("/v1/alerts/test")) == (403, "missing_scope")
            assert http.get("/v1/alerts").status_code == 200
        with client(service, tokens.create(("ingest",))) as http:
            assert code(http.get("/v1/alerts")) == (403, "missing_scope")


async def test_rules_of_the_settings_are_listed_and_keep_their_names(serving, speech, tmp_path):
    (tmp_path / "alerts.toml").write_text(
        '[[alerts]]\nname = "any voice"\nlabels = ["neutral"]\n', "utf-8"
    )
    settings = {"alerts": tmp_path / "alerts.toml"}
    assert ServeSettings(**settings).alerts == settings["alerts"]
    with serving(**settings) as service, client(service) as http:
        page = http.get("/v1/alerts").json()
        assert [rule["name"] for rule in page["settings"]] == ["any voice"]
        assert code(http.post("/v1/alerts", json=TENSE)) == (409, "rule_exists")
        assert code(http.delete("/v1/alerts/any voice")) == (409, "rule_of_file")
        assert http.get("/v1/alerts").json() == page


def test_a_server_without_receivers_has_nobody_to_try(shared):
    with shared() as service, client(service) as http:
        assert code(http.post("/v1/alerts/test")) == (409, "no_receivers")
        assert http.get("/v1/about").json()["features"]["receivers"] is False
