"""What every answer under ``/api/v1`` has in common."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from calls import client
from sqlalchemy import delete

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.http import stock_errors


@pytest.fixture
def dags(app: Any) -> Iterator[list[str]]:
    """Some DAGs that are there."""
    from airflow.utils.session import create_session

    model = airflow_compat.models.DagModel
    names = ["bronze_to_silver", "silver_to_gold", "reports"]
    with create_session() as session:
        session.add_all([model(dag_id=name, is_active=True, fileloc="x.py") for name in names])
    yield names
    with create_session() as session:
        session.execute(delete(model))


@pytest.mark.parametrize("path", ["", "/dagRuns/run", "/tasks"])
def test_the_404_of_a_dag_names_those_that_may_be_meant(
    dags: list[str], call: Callable[..., Any], path: str
) -> None:
    """As in the API reference, the closest first."""
    answer = call("GET", f"/api/v1/dags/bronze_to_silvr{path}")
    assert answer.status == 404
    error = answer.json["error"]
    assert error["code"] == "RESOURCE_NOT_FOUND"
    assert error["message"] == "DAG 'bronze_to_silvr' not found"
    assert error["details"]["dag_id"] == "bronze_to_silvr"
    assert error["details"]["available_dags"][0] == "bronze_to_silver"
    assert sorted(error["details"]["available_dags"]) == sorted(dags)


def test_the_404_of_a_run_is_not_about_its_dag(dags: list[str], call: Callable[..., Any]) -> None:
    answer = call("GET", f"/api/v1/dags/{dags[0]}/dagRuns/none")
    assert (answer.status, answer.json["error"]["details"]) == (404, {})


def test_among_thousands_at_most_ten_are_named() -> None:
    readable = {f"team_{number}_load" for number in range(5000)} | {"bronze_to_silver"}
    matches = stock_errors._close_matches("bronze_to_silvr", readable)
    assert matches[0] == "bronze_to_silver"
    assert len(stock_errors._close_matches("team_1_laod", readable)) == 10
    assert stock_errors._close_matches("?", readable) == sorted(readable)[:10]


def test_a_look_up_that_fails_leaves_the_stock_answer(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(airflow_compat.authorization, "readable_dag_ids", fail)
    answer = call("GET", "/api/v1/dags/none")
    assert (answer.status, answer.json["error"]["details"]) == (404, {})
    assert answer.json["error"]["message"] == answer.json["detail"]


# --- nobody is recognised ---

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
def test_whoever_is_not_recognised_is_asked_to_authenticate(
    call_anonymously: Callable[..., Any], path: str, headers: dict[str, str], challenge: str
) -> None:
    """401 with a challenge and the envelope, on stock endpoints and ours."""
    answer = call_anonymously("GET", path, headers=headers)
    assert (answer.status, answer.json["error"]["code"]) == (401, "AUTHENTICATION_FAILED")
    assert answer.headers["WWW-Authenticate"] == challenge
    assert answer.headers["X-Request-ID"] == answer.json["error"]["request_id"]
    assert "X-RateLimit-Limit" in answer.headers
    if path in STOCK:
        assert answer.json["status"] == 401
        assert {"type", "title", "detail"} <= set(answer.json)


def test_whoever_lacks_a_right_is_refused(app: Any, committed_key: Callable[[str], str]) -> None:
    """Who is known need not authenticate again."""
    answer = client(app, {"X-API-Key": committed_key("viewer")})("GET", "/api/v1/connections")
    assert (answer.status, answer.json["error"]["code"]) == (403, "PERMISSION_DENIED")
    assert "WWW-Authenticate" not in answer.headers


def test_a_public_role_with_rights_is_airflows_business(
    app: Any, call_anonymously: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the operator lets the public in, it is refused what it may not do."""
    monkeypatch.setitem(app.config, "AUTH_ROLE_PUBLIC", "Viewer")
    assert call_anonymously("GET", "/api/v1/dags").status == 200
    refused = call_anonymously("GET", "/api/v1/connections")
    assert (refused.status, refused.json["error"]["code"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize("path", ["/api/v1/health", "/api/v1/version"])
def test_what_is_open_stays_open(call_anonymously: Callable[..., Any], path: str) -> None:
    assert call_anonymously("GET", path).status == 200


def test_pages_are_no_api(app: Any) -> None:
    """Not even where they fail."""
    answer = app.test_client().get("/connection/list/")
    assert (answer.status_code, "X-Request-ID" in answer.headers) == (302, False)
    assert app.test_client().get("/nothing").content_type.startswith("text/html")


# --- no HTML ---


@pytest.fixture
def as_in_production(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exceptions are answered, as outside of tests."""
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", value=False)


@pytest.fixture
def writing(app: Any, committed_key: Callable[[str], str]) -> Callable[..., Any]:
    """Make requests with an administrator's key, also such as write to Airflow's own tables."""
    return client(app, {"X-API-Key": committed_key("admin")})


def assert_enveloped(answer: Any, status: int) -> None:
    """That it is an answer of an API: a problem with the keys of stock ones, the envelope, the headers."""
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
def test_a_number_that_only_some_databases_take_is_an_answer(writing: Callable[..., Any]) -> None:
    """SQLite's driver refuses an integer of this size; the other databases find no row."""
    answer = writing("GET", f"/api/v1/importErrors/{10**30}")
    assert_enveloped(answer, 404 if answer.status == 404 else 500)


@pytest.mark.usefixtures("as_in_production", "dags")
@pytest.mark.parametrize(("method", "path", "body"), FAULTS)
def test_a_fault_of_a_stock_endpoint_is_an_answer(
    writing: Callable[..., Any], caplog: pytest.LogCaptureFixture, method: str, path: str, body: Any
) -> None:
    """Also where Airflow's own page for it fails; the log has the traceback by the request's id, once."""
    answer = writing(method, path, json=body)
    assert_enveloped(answer, 500)
    assert answer.json["error"]["code"] == "INTERNAL_ERROR"
    logged = [record for record in caplog.records if record.exc_info]
    assert [answer.headers["X-Request-ID"] in record.getMessage() for record in logged] == [True]


@pytest.mark.usefixtures("as_in_production")
def test_a_fault_before_any_view_is_an_answer(
    app: Any, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does anything else leave Flask."""
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
def test_an_unknown_state_is_the_callers_fault(writing: Callable[..., Any], path: str) -> None:
    answer = writing("GET", path, query_string={"state": "AAA"})
    assert_enveloped(answer, 400)
    assert answer.json["error"]["details"]["errors"][0]["pointer"] == "/state"


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8"])
def test_no_body_need_not_be_json(writing: Callable[..., Any], method: str, kind: str) -> None:
    """As the API reference's own headers have it, on stock endpoints."""
    for path in ("dags/none/dagRuns/none", "dags/none", "pools/none", "connections/none", "variables/none"):
        answer = writing(method, f"/api/v1/{path}", headers={"Content-Type": kind})
        assert answer.status in ({404, 405} if method == "HEAD" else {404}), path


def test_a_stock_deletion_with_the_references_headers(writing: Callable[..., Any]) -> None:
    headers = {"Content-Type": "application/json"}
    assert writing("POST", "/api/v1/pools", json={"name": "gone-soon", "slots": 1}).status == 200
    assert writing("GET", "/api/v1/pools/gone-soon", headers=headers).status == 200
    assert writing("DELETE", "/api/v1/pools/gone-soon", headers=headers).status == 204


def test_what_is_announced_as_json_and_is_none(writing: Callable[..., Any]) -> None:
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
def test_what_is_not_there_is_no_page(
    call: Callable[..., Any], method: str, path: str, status: int, accept: str
) -> None:
    assert_enveloped(call(method, path, headers={"Accept": accept}), status)


def test_other_types_and_too_much_are_no_pages(writing: Callable[..., Any]) -> None:
    text = {"Content-Type": "text/plain"}
    assert_enveloped(writing("POST", "/api/v1/pools", data=b"x", headers=text), 415)
    long = b'"' + b"x" * (1 << 20) + b'"'
    json = {"Content-Type": "application/json"}
    for path in ("/api/v1/pools", "/api/v1/dags/~/dagRuns/list"):
        assert_enveloped(writing("POST", path, data=long, headers=json), 413)


def test_a_sentence_stays_one(call: Callable[..., Any]) -> None:
    """What Airflow says in plain text is the message."""
    answer = call("POST", "/api/v1/connections/test", json={"connection_id": "c", "conn_type": "http"})
    assert_enveloped(answer, 403)
    assert answer.json["error"]["code"] == "PERMISSION_DENIED"
    assert answer.json["error"]["message"].startswith("Testing connections is disabled")


def test_the_longest_body_is_a_whole_number_of_bytes(app: Any) -> None:
    """Of gunicorn no half of one can be read."""
    assert app.config["MAX_CONTENT_LENGTH"] == 1 << 20
    assert isinstance(app.config["MAX_CONTENT_LENGTH"], int)
