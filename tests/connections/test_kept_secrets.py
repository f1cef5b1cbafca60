"""Stored secrets stay secret: a caller cannot redirect a connection to read them."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from airflow_platform_plugin.airflow_compat.models import Connection

URL = "/api/v1/platform/connections"
STORED: dict[str, Any] = {
    "connection_id": "svc",
    "connection_type": "http",
    "host": "https://me:userinfo@api.internal",
    "port": 443,
    "schema": "https",
    "login": "svc",
    "password": "the-password",
    "extra": {"token": "the-token", "headers": {"X-API-Key": "the-key", "Accept": "*/*"}, "timeout": 5},
}
ALL = {"/password", "/host", "/extra/token", "/extra/headers/X-API-Key"}


@pytest.fixture
def writer(tenant_caller: Any, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a caller that may write connections, and may not export their secrets."""
    caller: Callable[..., Any] = tenant_caller("a", scopes=["connections:write"])
    assert call("POST", URL, json=STORED | {"tenant_id": "a"}).status == 201
    return caller


def pointers(answer: Any) -> set[str]:
    return {error["pointer"] for error in answer.json["error"]["details"]["errors"]}


def row(session: Any) -> Connection:
    session.expire_all()
    return session.scalars(select(Connection).where(Connection.conn_id == "svc")).one()


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"host": "http://evil.internal"}, ALL - {"/host"}),
        ({"host": "https://***@evil.internal"}, None),
        ({"connection_type": "redis"}, None),
        ({"port": 8443}, ALL),
        ({"port": None}, ALL),
        ({"schema": "http"}, ALL),
        ({"login": "x"}, ALL),
        ({"extra": {"allow_redirects": True}}, ALL),
        ({"extra": {"verify": False}}, ALL),
        ({"extra": {"X-Tenant": "x"}}, ALL),
        ({"extra": {"headers": {"X-API-Key": "***", "X-Tenant": "x"}}}, ALL),
        ({"extra": {"token": "http://evil.internal/"}}, ALL - {"/extra/token"}),
        ({"port": 8443, "password": "***"}, ALL),
        ({"port": 8443, "password": "mine"}, ALL - {"/password"}),
        ({"port": 8443, "password": None}, ALL - {"/password"}),
        ({"port": 8443, "extra": {"token": "mine"}}, ALL - {"/extra/token"}),
        ({"port": 8443, "extra": {"token": None}}, ALL - {"/extra/token"}),
        ({"port": 8443, "extra": {"headers": {"X-API-Key": "mine"}}}, ALL - {"/extra/headers/X-API-Key"}),
    ],
)
def test_a_new_target_needs_the_secrets_again(
    writer: Any, call: Any, session: Any, change: dict[str, Any], missing: set[str] | None
) -> None:
    """The error names each stored secret, and nothing changes; that holds for an admin's key too."""
    for caller in (writer, call):
        refused = caller("PATCH", f"{URL}/svc", json=change)
        assert refused.status == 400
        if missing is not None:
            assert pointers(refused) == missing
        for secret in ("the-password", "the-token", "the-key", "userinfo"):
            assert secret not in refused.text
    assert (row(session).host, row(session).password) == (STORED["host"], "the-password")
    assert row(session).extra_dejson == STORED["extra"]


@pytest.mark.parametrize(
    "change",
    [
        {"description": "x"},
        {"password": "new"},
        {"password": None},
        {"extra": {"timeout": 10}},
        {"extra": {"timeout": None}},
        {"extra": {"token": "new"}},
        {"extra": {"token": None}},
        {"extra": {"headers": {"X-API-Key": "***", "Accept": "text/plain"}}},
        {"host": "https://***@api.internal", "port": 443, "password": "***"},
        {
            "host": "https://evil.internal",
            "password": "mine",
            "extra": {"token": "mine", "headers": {"X-API-Key": "mine"}},
        },
        {"port": 8443, "host": "https://api.internal", "password": None, "extra": None},
    ],
)
def test_changes_that_keep_the_target_keep_the_secrets(writer: Any, change: dict[str, Any]) -> None:
    """Such as a new password, a longer timeout, a response sent back, a new target with all secrets."""
    assert writer("PATCH", f"{URL}/svc", json=change).status == 200


def test_an_import_with_a_new_target_needs_the_secrets_again(writer: Any, call: Any, session: Any) -> None:
    """An export with another host could otherwise redirect the stored secrets."""
    document = call("GET", f"{URL}/export").json
    request = {"connections": document, "on_conflict": "overwrite"}
    assert writer("POST", f"{URL}/import", json=request).json["connections"][0]["result"] == "overwritten"
    assert row(session).password == "the-password"
    document["svc"]["host"] = "https://***@evil.internal"
    assert writer("POST", f"{URL}/import", json=request).status == 400
    document["svc"]["host"] = "https://evil.internal"
    refused = writer("POST", f"{URL}/import", json=request)
    assert refused.status == 400
    assert "/connections/svc/password" in pointers(refused)
    document["svc"] |= {"host": STORED["host"], "port": 1}
    assert writer("POST", f"{URL}/import", json=request).status == 400
    assert (row(session).host, row(session).password) == (STORED["host"], "the-password")
    document["svc"] |= {"password": "mine", "extra": {}}
    assert writer("POST", f"{URL}/import", json=request).status == 200
    assert (row(session).port, row(session).password, row(session).extra_dejson) == (1, "mine", {})


def test_a_test_of_an_unsaved_connection_uses_no_stored_secret(
    writer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a stored connection or a mask does not help."""
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    body = STORED | {"host": "http://evil.internal", "password": "***", "extra": {}}
    refused = writer("POST", f"{URL}/test", json=body)
    assert (refused.status, pointers(refused)) == (400, {"/password"})


def test_moving_a_connection_to_another_tenant_needs_the_secrets_again(
    writer: Any, call: Any, app: Any, session: Any, user_id: Callable[[str], int]
) -> None:
    """Its administrators could export them. A caller with the right to export need not send them."""
    from calls import client

    from airflow_platform_plugin.auth import service

    assert call("POST", "/api/v1/platform/tenants", json={"tenant_id": "b"}).status == 201
    _, key = service.issue(session, name="t", user_id=user_id("admin"), scopes=["connections:write"])
    everywhere = client(app, {"X-API-Key": key})
    refused = everywhere("PATCH", f"{URL}/svc", json={"tenant_id": "b"})
    assert (refused.status, pointers(refused)) == (400, ALL)
    assert everywhere("PATCH", f"{URL}/svc", json={"tenant_id": None}).status == 200
    assert everywhere("PATCH", f"{URL}/svc", json={"tenant_id": "b"}).status == 400
    assert call("PATCH", f"{URL}/svc", json={"tenant_id": "b"}).status == 200


def test_an_extra_that_cannot_be_shown_counts_as_a_secret(tenant_caller: Any, session: Any) -> None:
    """A new target needs it again as a whole."""
    mine = tenant_caller("a", scopes=["connections:write"])
    mine("POST", URL, json={"connection_id": "svc", "connection_type": "http", "host": "a.internal"})
    row(session)._extra = "plain hunter2"
    session.flush()
    assert pointers(mine("PATCH", f"{URL}/svc", json={"port": 1})) == {"/extra"}
    assert mine("PATCH", f"{URL}/svc", json={"port": 1, "extra": {}}).status == 200
