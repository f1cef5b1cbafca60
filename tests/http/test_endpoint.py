"""The contract that every endpoint shares."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from options import set_options
from sqlalchemy.exc import IntegrityError, OperationalError

from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.principal import Access
from airflow_platform_plugin.http.endpoint import Endpoint

URL = "/api/v1/platform/tenants"

# Routes that answer without credentials, and are no declarations of ``@endpoint``, each for a reason.
OPEN = {
    "/oauth/authorize",  # for browsers: without a login, they are sent to Airflow's login
    "/oauth/token",  # a client authenticates itself there as RFC 6749 §2.3 says
    "/oauth/revoke",  # the same
    "/oauth/introspect",  # the same
    "/.well-known/oauth-authorization-server",  # what RFC 8414 makes public
    "/platform/api/",  # a page: without a login, browsers are sent to Airflow's login
}


def ours(app: Any) -> list[tuple[str, str, Endpoint | None]]:
    """Return every route of the plugin: its method, its path with example values, and its declaration."""
    routes = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if view.__module__.startswith("airflow_platform_plugin"):
            path = re.sub(r"<(\w+:)?\w+>", "x", str(rule))
            routes += [
                (method, path, getattr(view, "endpoint", None))
                for method in rule.methods - {"HEAD", "OPTIONS"}
            ]
    return routes


def test_every_platform_route_refuses_anonymous_requests(
    app: Any, call_anonymously: Callable[..., Any]
) -> None:
    routes = ours(app)
    assert len(routes) > 10
    for method, path, _ in routes:
        if path not in OPEN:
            answer = call_anonymously(method, path, json={})
            assert (answer.status, answer.json["error"]["code"]) == (401, "AUTHENTICATION_FAILED"), path


def test_every_platform_route_is_declared_with_endpoint(app: Any) -> None:
    """A route without ``@endpoint`` would have no authentication."""
    assert {path for _, path, declaration in ours(app) if declaration is None} == OPEN


def test_a_user_without_the_permission_is_refused_by_every_route(
    app: Any, make_key: Callable[[str], str]
) -> None:
    """The error names the missing scope, and comes before the body is checked."""
    key = make_key("viewer")
    for method, path, declaration in ours(app):
        if path in OPEN or (declaration and (declaration.access is Access.OWN or declaration.scope is None)):
            continue
        answer = app.test_client().open(path, method=method, headers={"X-API-Key": key}, json={})
        error = answer.get_json()["error"]
        assert (answer.status_code, error["code"]) == (403, "PERMISSION_DENIED"), path
        assert declaration is not None
        assert error["details"] == {"scope": declaration.scope}


def test_errors_have_the_envelope_of_the_reference(call: Callable[..., Any]) -> None:
    answer = call("GET", f"{URL}/nobody")
    assert set(answer.json) == {"error"}
    assert set(answer.json["error"]) == {"code", "message", "details", "request_id", "timestamp"}
    assert answer.json["error"]["timestamp"].endswith("Z")


def test_stock_errors_keep_their_keys_and_get_the_error_object(call: Callable[..., Any]) -> None:
    answer = call("GET", "/api/v1/variables/nope")
    assert answer.status == 404
    assert {"type", "title", "status", "detail", "error"} == set(answer.json)
    assert answer.json["error"]["code"] == "RESOURCE_NOT_FOUND"
    assert answer.json["error"]["message"] == answer.json["detail"]


def test_an_error_of_the_database_says_when_to_retry(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr("airflow_platform_plugin.tenants.service.get", fail)
    assert call("GET", f"{URL}/x").headers["Retry-After"] == "5"


@pytest.mark.parametrize("path", [URL, "/api/v1/dags/nope", "/api/v1/dags", "/api/v1/no/such/thing"])
def test_a_plain_request_id_is_echoed(call: Callable[..., Any], path: str) -> None:
    """It is in each response of the platform and of stock endpoints, and in the body of errors."""
    answer = call("GET", path, headers={"X-Request-ID": "abc-1"})
    assert answer.headers["X-Request-ID"] == "abc-1"
    assert answer.status == 200 or answer.json["error"]["request_id"] == "abc-1"


@pytest.mark.parametrize("given", ["", "a b", "<script>", "x" * 129])
def test_any_other_request_id_is_replaced(call: Callable[..., Any], given: str) -> None:
    """Callers cannot write other text into logs and bodies."""
    answer = call("GET", f"{URL}/nobody", headers={"X-Request-ID": given})
    assert answer.headers["X-Request-ID"].startswith("req_")
    assert answer.headers["X-Request-ID"] == answer.json["error"]["request_id"]


@pytest.mark.parametrize(
    ("data", "content_type", "status", "code"),
    [
        ("{", "application/json", 400, "VALIDATION_ERROR"),
        ("", "application/json", 400, "VALIDATION_ERROR"),
        ("[]", "application/json", 400, "VALIDATION_ERROR"),
        ('{"a": 1}', "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("a=1", "application/x-www-form-urlencoded", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(
    call: Callable[..., Any], data: str, content_type: str, status: int, code: str
) -> None:
    answer = call("POST", URL, data=data, content_type=content_type)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)


@pytest.mark.parametrize("limit", [1_048_576, 40])
def test_a_body_that_is_too_long_is_refused(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """The limit of `[platform] max_body_bytes` is exact, also if the announced length is wrong."""
    set_options(monkeypatch, max_body_bytes=limit)

    def send(length: int, **how: Any) -> Any:
        body = b'{"tenant_id": "a", "x": 1}'
        return call("POST", URL, data=body.ljust(length), content_type="application/json", **how)

    assert send(limit).status == 400  # read, and found to have an unknown field
    # As gunicorn passes on a body that comes in chunks.
    chunks = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    for refused in (send(limit + 1), send(limit + 1, environ_overrides=chunks)):
        assert (refused.status, refused.json["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_text_that_some_database_cannot_store_is_refused(call: Callable[..., Any]) -> None:
    """In a path, a query string and a body, before any query."""
    for answer, pointer in (
        (call("GET", f"{URL}/a%00b"), "/tenant_id"),
        (call("GET", "/api/v1/datakits?search=a%00b"), "/search"),
        (call("POST", URL, data=b'{"tenant_id": "\\u0000"}', content_type="application/json"), "/tenant_id"),
    ):
        assert answer.status == 400
        assert answer.json["error"]["details"]["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("path", [URL, "/api/v1/dags"])
def test_a_405_response_lists_the_allowed_methods(call: Callable[..., Any], path: str) -> None:
    """RFC 9110 requires this; it holds for stock endpoints too."""
    answer = call("DELETE", path)
    assert (answer.status, answer.json["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert {"GET", "HEAD", "OPTIONS"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=-1", "colour=red"])
def test_an_invalid_query_parameter_is_named_in_the_error(call: Callable[..., Any], query: str) -> None:
    answer = call("GET", f"{URL}?{query}")
    assert answer.status == 400
    assert answer.json["error"]["details"]["errors"][0]["pointer"] == f"/{query.split('=', maxsplit=1)[0]}"


def test_an_unexpected_exception_is_hidden_from_the_caller(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The body has the request id; the log has the same id and the traceback."""

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("airflow_platform_plugin.tenants.service.get", fail)
    answer = call("GET", f"{URL}/x")
    assert (answer.status, answer.json["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    (record,) = [record for record in caplog.records if record.exc_info]
    assert answer.json["error"]["request_id"] in record.getMessage()
    assert "hunter2" in str(record.exc_info[1])


def test_a_violated_constraint_is_a_conflict(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests may pass the checks at the same moment. The database's message is not in the response."""

    def fail(*_: Any, **__: Any) -> None:
        raise IntegrityError("INSERT", {"secret": 1}, Exception("UNIQUE"))

    monkeypatch.setattr("airflow_platform_plugin.tenants.service.create", fail)
    answer = call("POST", URL, json={"tenant_id": "a"})
    assert (answer.status, answer.json["error"]["code"]) == (409, "CONFLICT")
    assert "UNIQUE" not in answer.text


@pytest.mark.parametrize(
    ("tables_are_current", "word"), [(False, "airflow-platform db upgrade"), (True, "does not answer")]
)
def test_missing_tables_and_a_failing_database_have_different_errors(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, *, tables_are_current: bool, word: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("at db.example.com"))

    monkeypatch.setattr("airflow_platform_plugin.tenants.service.get", fail)
    monkeypatch.setattr(db, "is_current", lambda: tables_are_current)
    answer = call("GET", f"{URL}/x")
    assert (answer.status, answer.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert word in answer.json["error"]["message"]
    assert "example.com" not in answer.text
