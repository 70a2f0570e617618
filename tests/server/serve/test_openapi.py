"""The OpenAPI document, held against a running server by schemathesis."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from talking import client

from livemood.server.sessions.admission import Admission

POSITIVE, NEGATIVE = "positive", "negative"


@pytest.fixture(scope="module")
def library():
    """schemathesis, which takes a second to import."""
    import schemathesis

    @schemathesis.serializer("application/sdp")
    def _as_sdp(_context, value):
        return str(value).encode("utf-8", "surrogatepass")

    return schemathesis


@pytest.fixture
def described(serving, library):
    """The schema of a running server that has sessions of its own."""
    with serving(limits={"sessions": 100_000, "failed_logins": 10**6}) as service:
        service.sessions.admission = Admission(busiest=1e9, guess=0.0)
        with client(service) as http:

            def another():
                spec = {"kind": "stream", "purpose": "research", "consent": "form"}
                return http.post("/v1/sessions", json=spec).json()["id"]

            yield library.openapi.from_url(f"{service.url}/openapi.json"), another


@pytest.mark.parametrize(
    ("mode", "examples"),
    [
        (POSITIVE, 3),
        (NEGATIVE, 2),
        pytest.param(POSITIVE, 15, marks=pytest.mark.slow),
        pytest.param(NEGATIVE, 6, marks=pytest.mark.slow),
    ],
)
def test_every_answer_is_as_described(described, library, mode, examples):
    from schemathesis.specs.openapi import checks

    answers = [
        library.checks.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    negative = checks.negative_data_rejection
    schema, another = described
    tried, answered = [], set()
    for found in schema.get_all_operations():
        operation = found.ok()
        tried.append(operation.label)

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=library.GenerationMode(mode)))
        def hold(case):
            if mode == POSITIVE and "session" in case.path_parameters:
                case.path_parameters["session"] = another()
            answer = case.call(timeout=20)
            answered.add((case.operation.label, answer.status_code))
            refused = answer.status_code in (408, 413, 431)  # of which schemathesis knows nothing
            case.validate_response(answer, checks=answers if refused else [*answers, negative])

        try:
            hold()
        except Unsatisfiable:  # there is nothing wrong to say of it
            assert mode == NEGATIVE
    assert "GET /v1/sessions/{session}/timeline" in tried
    assert len(tried) >= 10
    if mode == POSITIVE:
        assert ("DELETE /v1/sessions/{session}", 204) in answered
        assert ("GET /v1/sessions/{session}/timeline", 200) in answered
