"""The common properties of every response under ``/api/v1``."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from calls import client
from sqlalchemy import delete

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.http import stock_errors


@pytest.fixture
def dags(app: Any) -> Iterator[list[str]]:
    """Create some DAGs."""
    from airflow.utils.session import create_session

    model = airflow_compat.models.DagModel
    names = ["bronze_to_silver", "silver_to_gold", "reports"]
    with create_session() as session:
        session.add_all([model(dag_id=name, is_active=True, fileloc="x.py") for name in names])
    yield names
    with create_session() as session:
        session.execute(delete(model))


@pytest.mark.parametrize("path", ["", "/dagRuns/run", "/tasks"])
def test_the_404_of_a_dag_suggests_similar_dags(dags: list[str], call: Callable[..., Any], path: str) -> None:
    """As in the API reference, the closest first."""
    answer = call("GET", f"/api/v1/dags/bronze_to_silvr{path}")
    assert answer.status == 404
    error = answer.json["error"]
    assert error["code"] == "RESOURCE_NOT_FOUND"
    assert error["message"] == "DAG 'bronze_to_silvr' not found"
    assert error["details"]["dag_id"] == "bronze_to_silvr"
    assert error["details"]["available_dags"][0] == "bronze_to_silver"
    assert sorted(error["details"]["available_dags"]) == sorted(dags)


def test_the_404_of_a_run_suggests_no_dags(dags: list[str], call: Callable[..., Any]) -> None:
    answer = call("GET", f"/api/v1/dags/{dags[0]}/dagRuns/none")
    assert (answer.status, answer.json["error"]["details"]) == (404, {})


def test_at_most_ten_dags_are_suggested() -> None:
    readable = {f"team_{number}_load" for number in range(5000)} | {"bronze_to_silver"}
    matches = stock_errors._close_matches("bronze_to_silvr", readable)
    assert matches[0] == "bronze_to_silver"
    assert len(stock_errors._close_matches("team_1_laod", readable)) == 10
    assert stock_errors._close_matches("?", readable) == sorted(readable)[:10]


def test_a_failing_query_for_suggestions_leaves_the_stock_response(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(airflow_compat.authorization, "readable_dag_ids", fail)
    answer = call("GET", "/api/v1/dags/none")
    assert (answer.status, answer.json["error"]["details"]) == (404, {})
    assert answer.json["error"]["message"] == answer.json["detail"]


# --- unauthenticated requests ---

STOCK = [
    "/api/v1/dags",
    "/api/v1/dags/x/dagRuns",
    "/api/v1/connections",
    "/auth/fab/v1/users",
    "/api/v1/eventLogs",
]


@pytest.mark.parametrize("path", [*STOCK, "/api/v1/platform/tenants", "/api/v1/datakits"])
@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, "Bearer"),
        ({"Authorization": "Bearer nope"}, 'Bearer error="invalid_token"'),
        ({"Authorization": "Bearer afp_x_y"}, 'Bearer error="invalid_token"'),
        ({"X-API-Key": "nope"}, "Bearer"),
        ({"Authorization": "Basic YTpi"}, "Bearer"),
    ],
    ids=["none", "unknown token", "wrong token", "wrong key", "unknown user"],
)
def test_an_unauthenticated_request_is_asked_to_authenticate(
    call_anonymously: Callable[..., Any], path: str, headers: dict[str, str], challenge: str
) -> None:
    """The response is 401 with a challenge and the envelope, on stock endpoints and the platform's."""
    answer = call_anonymously("GET", path, headers=headers)
    assert (answer.status, answer.json["error"]["code"]) == (401, "AUTHENTICATION_FAILED")
    assert answer.headers["WWW-Authenticate"] == challenge
    assert answer.headers["X-Request-ID"] == answer.json["error"]["request_id"]
    assert "X-RateLimit-Limit" in answer.headers
    if path in STOCK:
        assert answer.json["status"] == 401
        assert {"type", "title", "detail"} <= set(answer.json)


def test_an_authenticated_user_without_the_right_gets_403(
    app: Any, committed_key: Callable[[str], str]
) -> None:
    """An authenticated caller is not asked to authenticate again."""
    answer = client(app, {"X-API-Key": committed_key("viewer")})("GET", "/api/v1/connections")
    assert (answer.status, answer.json["error"]["code"]) == (403, "PERMISSION_DENIED")
    assert "WWW-Authenticate" not in answer.headers


def test_a_public_role_with_rights_gets_airflows_own_403(
    app: Any, call_anonymously: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the operator grants rights to the public role, a missing right is a 403."""
    monkeypatch.setitem(app.config, "AUTH_ROLE_PUBLIC", "Viewer")
    assert call_anonymously("GET", "/api/v1/dags").status == 200
    refused = call_anonymously("GET", "/api/v1/connections")
    assert (refused.status, refused.json["error"]["code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("path", ["/api/v1/health", "/api/v1/version"])
def test_open_endpoints_stay_open(call_anonymously: Callable[..., Any], path: str) -> None:
    assert call_anonymously("GET", path).status == 200


def test_pages_keep_their_own_errors(app: Any) -> None:
    answer = app.test_client().get("/connection/list/")
    assert (answer.status_code, "X-Request-ID" in answer.headers) == (302, False)
    assert app.test_client().get("/nothing").content_type.startswith("text/html")


# --- no HTML ---


@pytest.fixture
def as_in_production(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn exceptions into responses, as in production."""
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", value=False)


@pytest.fixture
def writing(app: Any, committed_key: Callable[[str], str]) -> Callable[..., Any]:
    """Make requests with an administrator's committed key; they may write to Airflow's own tables."""
    return client(app, {"X-API-Key": committed_key("admin")})


def assert_enveloped(answer: Any, status: int) -> None:
    """Assert that a response has the keys of a stock error, the envelope and the headers."""
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["error"]["request_id"] == answer.headers["X-Request-ID"]
    assert answer.json["error"]["message"]
    assert "X-RateLimit-Limit" in answer.headers
    assert "<" not in answer.text


FAULTS = [
    ("GET", "/api/v1/dags/reports?fields=0.5", None),
    ("PATCH", "/api/v1/dags/reports", {}),
    ("PATCH", "/api/v1/dags?dag_id_pattern=x", {}),
]


@pytest.mark.usefixtures("as_in_production", "dags")
def test_a_number_that_some_database_refuses_gets_a_json_response(writing: Callable[..., Any]) -> None:
    """SQLite's driver refuses an integer of this size; other databases find no row."""
    answer = writing("GET", f"/api/v1/importErrors/{10**30}")
    assert_enveloped(answer, 404 if answer.status == 404 else 500)


@pytest.mark.usefixtures("as_in_production", "dags")
@pytest.mark.parametrize(("method", "path", "body"), FAULTS)
def test_an_exception_of_a_stock_endpoint_gets_a_json_response(
    writing: Callable[..., Any], caplog: pytest.LogCaptureFixture, method: str, path: str, body: Any
) -> None:
    """This also holds if Airflow's own error page fails. The log has the traceback and the request id."""
    answer = writing(method, path, json=body)
    assert_enveloped(answer, 500)
    assert answer.json["error"]["code"] == "INTERNAL_ERROR"
    logged = [record for record in caplog.records if record.exc_info]
    assert [answer.headers["X-Request-ID"] in record.getMessage() for record in logged] == [True]


@pytest.mark.usefixtures("as_in_production")
def test_an_exception_before_any_view_gets_a_json_response(
    app: Any, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other response leaves Flask."""
    from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager

    def fail(*_: Any) -> None:
        raise RuntimeError("nobody can tell who is logged in")

    monkeypatch.setattr(FabAuthManager, "is_logged_in", fail)
    for path in ("/api/v1/dags", "/api/v1/nothing", "/auth/fab/v1/roles"):
        answer = call("GET", path)
        assert answer.status == 500
        assert answer.json["error"]["code"] == "INTERNAL_ERROR"
        assert answer.headers["X-Request-ID"] == answer.json["error"]["request_id"]


@pytest.mark.usefixtures("as_in_production")
@pytest.mark.parametrize(
    "path",
    ["/api/v1/dags/~/dagRuns/~/taskInstances", "/api/v1/dags/x/dagRuns/y/taskInstances/z/listMapped"],
)
def test_an_unknown_state_is_a_validation_error(writing: Callable[..., Any], path: str) -> None:
    answer = writing("GET", path, query_string={"state": "AAA"})
    assert_enveloped(answer, 400)
    assert answer.json["error"]["details"]["errors"][0]["pointer"] == "/state"


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_a_json_content_type_without_a_body_is_accepted(
    writing: Callable[..., Any], method: str, kind: str
) -> None:
    """The API reference sends this header with each request to stock endpoints."""
    for path in ("dags/none/dagRuns/none", "dags/none", "pools/none", "connections/none", "variables/none"):
        answer = writing(method, f"/api/v1/{path}", headers={"Content-Type": kind})
        assert answer.status in ({404, 405} if method == "HEAD" else {404}), path


def test_a_stock_deletion_works_with_the_headers_of_the_reference(writing: Callable[..., Any]) -> None:
    headers = {"Content-Type": "application/json"}
    assert writing("POST", "/api/v1/pools", json={"name": "gone-soon", "slots": 1}).status == 200
    assert writing("GET", "/api/v1/pools/gone-soon", headers=headers).status == 200
    assert writing("DELETE", "/api/v1/pools/gone-soon", headers=headers).status == 204


def test_a_body_that_is_not_json_is_refused(writing: Callable[..., Any]) -> None:
    for method, path in (
        ("DELETE", "/api/v1/pools/x"),
        ("POST", "/api/v1/pools"),
        ("PATCH", "/api/v1/pools/x"),
    ):
        answer = writing(method, path, data=b"{", headers={"Content-Type": "application/json"})
        assert_enveloped(answer, 400)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1", 404),
        ("GET", "/api/v1/", 404),
        ("GET", "/api/v1/nothing/here", 404),
        ("GET", "/auth/fab/v1", 404),
        ("GET", "/auth/fab/v1/nothing", 404),
        ("PUT", "/api/v1/dags", 405),
        ("DELETE", "/auth/fab/v1/users", 405),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_an_unknown_path_gets_a_json_response(
    call: Callable[..., Any], method: str, path: str, status: int, accept: str
) -> None:
    assert_enveloped(call(method, path, headers={"Accept": accept}), status)


def test_wrong_types_and_long_bodies_get_json_responses(writing: Callable[..., Any]) -> None:
    text = {"Content-Type": "text/plain"}
    assert_enveloped(writing("POST", "/api/v1/pools", data=b"x", headers=text), 415)
    long = b'"' + b"x" * (1 << 20) + b'"'
    json = {"Content-Type": "application/json"}
    for path in ("/api/v1/pools", "/api/v1/dags/~/dagRuns/list"):
        assert_enveloped(writing("POST", path, data=long, headers=json), 413)


def test_a_plain_text_error_becomes_the_message(call: Callable[..., Any]) -> None:
    answer = call("POST", "/api/v1/connections/test", json={"connection_id": "c", "conn_type": "http"})
    assert_enveloped(answer, 403)
    assert answer.json["error"]["code"] == "PERMISSION_DENIED"
    assert answer.json["error"]["message"].startswith("Testing connections is disabled")


def test_the_longest_body_is_a_whole_number_of_bytes(app: Any) -> None:
    """Gunicorn accepts no fraction of a byte."""
    assert app.config["MAX_CONTENT_LENGTH"] == 1 << 20
    assert isinstance(app.config["MAX_CONTENT_LENGTH"], int)
