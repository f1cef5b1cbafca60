"""Secrets stay where they are: whoever may write connections does not learn them by leading one elsewhere."""

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
    """A caller with the right to write connections, and not to export their secrets."""
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
    """Each that would be kept is named, and nothing changes; an administrator's key is held to it too."""
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
def test_what_leads_nowhere_else_keeps_them(writer: Any, change: dict[str, Any]) -> None:
    """A new password, a longer timeout, what was read and is sent back, and a new target with its secrets."""
    assert writer("PATCH", f"{URL}/svc", json=change).status == 200


def test_an_import_needs_them_again_too(writer: Any, call: Any, session: Any) -> None:
    """What an export shows of a connection, with another host, would take the stored secrets along."""
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


def test_a_body_to_be_tested_takes_no_stored_secret(writer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the name of a stored connection, nor by a mask."""
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    body = STORED | {"host": "http://evil.internal", "password": "***", "extra": {}}
    refused = writer("POST", f"{URL}/test", json=body)
    assert (refused.status, pointers(refused)) == (400, {"/password"})


def test_a_connection_is_not_given_with_its_secrets_to_who_could_export_them(
    writer: Any, call: Any, app: Any, session: Any, user_id: Callable[[str], int]
) -> None:
    """A right to write everywhere, without that to export, carries no secrets from tenant to tenant."""
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


def test_extra_that_cannot_be_shown_is_a_secret_too(tenant_caller: Any, session: Any) -> None:
    mine = tenant_caller("a", scopes=["connections:write"])
    mine("POST", URL, json={"connection_id": "svc", "connection_type": "http", "host": "a.internal"})
    row(session)._extra = "plain hunter2"
    session.flush()
    assert pointers(mine("PATCH", f"{URL}/svc", json={"port": 1})) == {"/extra"}
    assert mine("PATCH", f"{URL}/svc", json={"port": 1, "extra": {}}).status == 200
