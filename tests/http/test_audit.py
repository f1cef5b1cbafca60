"""Changes through the API are in Airflow's audit log."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, select

from airflow_platform_plugin.airflow_compat.models import Log
from airflow_platform_plugin.auth import key_format
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.feature import load_models

KEYS = "/api/v1/platform/api-keys"


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> None:
    """Hide rows that other tests have committed, in this test's transaction."""
    if "session" in request.fixturenames:
        request.getfixturevalue("session").execute(delete(Log))


def rows(session: Any, event: str) -> list[Any]:
    return list(session.scalars(select(Log).where(Log.event == event).order_by(Log.id)))


def test_a_creation_is_recorded_with_the_user_the_key_and_the_values(
    session: Any, call: Callable[..., Any], tenant: dict[str, Any]
) -> None:
    answer = call("POST", "/api/v1/platform/tenants", json=tenant)
    (row,) = rows(session, "platform.create_tenant")
    extra = json.loads(row.extra)
    assert row.owner == "admin"
    assert len(extra["credential"]) == 12
    assert extra["request_id"] == answer.headers["X-Request-ID"]
    (change,) = extra["changes"]
    assert (change["object"], change["id"], change["before"]) == ("tenant", "analytics-team", None)
    assert change["after"]["resource_limits"] == tenant["resource_limits"]


def test_a_change_is_recorded_with_the_values_before_and_after(
    session: Any, call: Callable[..., Any]
) -> None:
    """Only changed values are recorded."""
    made = call("POST", KEYS, json={"name": "old"}).json
    call("PATCH", f"{KEYS}/{made['id']}", json={"name": "new"})
    (row,) = rows(session, "platform.update_api_key")
    (change,) = json.loads(row.extra)["changes"]
    assert (change["before"], change["after"]) == ({"name": "old"}, {"name": "new"})


def test_a_deletion_is_recorded_with_the_deleted_values(session: Any, call: Callable[..., Any]) -> None:
    hook = {"name": "h", "url": "https://example.com/secret-path", "events": ["dag.success"]}
    made = call("POST", "/api/v1/platform/webhooks", json=hook).json
    call("DELETE", f"/api/v1/platform/webhooks/{made['webhook_id']}")
    (row,) = rows(session, "platform.delete_webhook")
    (change,) = json.loads(row.extra)["changes"]
    assert (change["before"]["name"], change["after"]) == ("h", None)


def test_no_secret_reaches_the_audit_log(session: Any, call: Callable[..., Any]) -> None:
    """The log has no keys, no hashes, and no secret, headers or URL of a webhook."""
    hook = {
        "name": "h",
        "url": "https://example.com/secret-path",
        "events": ["dag.success"],
        "headers": {"X-Token": "hunter2"},
    }
    secret = call("POST", "/api/v1/platform/webhooks", json=hook).json["secret"]
    made = call("POST", KEYS, json={"name": "k"}).json
    rotated = call("POST", f"{KEYS}/{made['id']}/rotate", json={}).json
    text = "".join(row.extra for row in session.scalars(select(Log)))
    assert '"name": "k"' in text
    for hidden in (secret, "hunter2", "secret-path", "hash", "encrypted"):
        assert hidden not in text
    for key in (made["key"], rotated["key"]):
        parsed = key_format.parse(key)
        assert parsed is not None
        assert parsed.secret not in text


def test_columns_with_secrets_are_marked() -> None:
    load_models()
    telling = ("secret", "hash", "encrypted", "password")
    for table in db.metadata.tables.values():
        for column in table.columns:
            if any(word in column.name for word in telling):
                assert column.info == db.SECRET, column


def test_a_refused_or_reading_request_leaves_no_row(session: Any, call: Callable[..., Any]) -> None:
    before = session.query(Log).count()
    call("GET", KEYS)
    call("POST", KEYS, json={"name": ""})
    call("DELETE", f"{KEYS}/unknown")
    assert session.query(Log).count() == before


def test_a_change_that_is_too_long_is_recorded_without_its_values(
    session: Any, call: Callable[..., Any], tenant: dict[str, Any]
) -> None:
    """On MySQL, the log's column is shorter than the longest request."""
    tenant["metadata"] = {f"k{i}": "v" * 500 for i in range(100)}
    assert call("POST", "/api/v1/platform/tenants", json=tenant).status == 201
    (row,) = rows(session, "platform.create_tenant")
    (change,) = json.loads(row.extra)["changes"]
    assert (change["id"], change["after"], change["too_long"]) == ("analytics-team", None, True)


def test_rows_of_stock_endpoints_name_the_key(app: Any, committed_key: Callable[[str], str]) -> None:
    """Rows that Airflow itself writes for a request name the request's key."""
    from airflow.utils.session import create_session

    key = committed_key("admin")
    client = app.test_client()
    pool = {"name": "audited", "slots": 1, "description": ""}
    assert client.post("/api/v1/pools", json=pool, headers={"X-API-Key": key}).status_code == 200
    assert client.delete("/api/v1/pools/audited", headers={"X-API-Key": key}).status_code == 204
    with create_session() as session:
        row = session.scalars(select(Log).where(Log.event == "api.post_pool")).one()
        extra = json.loads(row.extra)
        session.execute(delete(Log))
    parsed = key_format.parse(key)
    assert parsed is not None
    assert extra["credential"] == parsed.id
    assert parsed.secret not in row.extra
    assert extra["name"] == "audited"
