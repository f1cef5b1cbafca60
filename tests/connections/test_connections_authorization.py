"""Who sees and changes which connections."""

from collections.abc import Callable
from typing import Any

import pytest
from calls import client
from sqlalchemy import delete, select, update

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.auth import service as keys
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.transfer import encryption

URL = "/api/v1/platform/connections"
INSIDE = {"connection_id": "c", "connection_type": "postgres", "host": "db.internal"}


def test_a_tenants_caller_creates_connections_of_that_tenant(tenant_caller: Any) -> None:
    """Another tenant's id is refused."""
    mine = tenant_caller("a")
    assert mine("POST", URL, json=INSIDE).json["tenant_id"] == "a"
    refused = mine("POST", URL, json=INSIDE | {"connection_id": "d", "tenant_id": "b"})
    assert refused.status == 400
    assert refused.json["error"]["details"]["errors"][0]["pointer"] == "/tenant_id"


def test_another_tenants_connection_is_invisible(tenant_caller: Any, call: Any) -> None:
    """Every path answers 404; lists, counts, exports and usage do not show it, and nothing changes."""
    mine, others = tenant_caller("a"), tenant_caller("b")
    mine("POST", URL, json=INSIDE)
    before = call("GET", f"{URL}/c").json
    for method, path, body in (
        ("GET", "/c", None),
        ("PATCH", "/c", {"port": 1}),
        ("DELETE", "/c?force=true", None),
        ("GET", "/c/usage", None),
    ):
        answer = others(method, f"{URL}{path}", json=body)
        assert (answer.status, answer.json["error"]["details"]) == (404, {"connection_id": "c"}), path
        unknown = others(method, f"{URL}{path.replace('c', 'x', 1)}", json=body)
        assert unknown.status == 404
    assert others("GET", URL).json == {"connections": [], "total_entries": 0}
    assert others("GET", f"{URL}?tenant_id=a").json["total_entries"] == 0
    assert others("GET", f"{URL}/export").json == {}
    assert call("GET", f"{URL}/c").json == before


def test_a_name_of_another_tenant_is_taken_without_naming_the_owner(tenant_caller: Any) -> None:
    """The error says only that the name is taken."""
    tenant_caller("a")("POST", URL, json=INSIDE | {"description": "ours"})
    refused = tenant_caller("b")("POST", URL, json=INSIDE)
    assert refused.status == 409
    assert refused.json["error"]["message"] == "This connection_id is taken"
    assert refused.json["error"]["details"] == {"connection_id": "c"}


def test_tenants_read_shared_connections_and_cannot_change_them(tenant_caller: Any, call: Any) -> None:
    """A change or a deletion needs the scope for all tenants."""
    call("POST", URL, json=INSIDE)
    mine = tenant_caller("a")
    assert mine("GET", f"{URL}/c").json["tenant_id"] is None
    assert mine("GET", URL).json["total_entries"] == 1
    for method, body in (("PATCH", {"port": 1}), ("DELETE", None)):
        refused = mine(method, f"{URL}/c", json=body)
        assert (refused.status, refused.json["error"]["details"]) == (403, {"scope": "connections:write"})
    assert call("GET", f"{URL}/c").json["port"] is None


def test_a_tenant_cannot_share_or_give_away_its_connection(tenant_caller: Any, call: Any) -> None:
    """A platform admin can do both."""
    mine = tenant_caller("a")
    tenant_caller("b")
    mine("POST", URL, json=INSIDE)
    assert mine("PATCH", f"{URL}/c", json={"tenant_id": None}).status == 403
    assert mine("PATCH", f"{URL}/c", json={"tenant_id": "b"}).status == 400
    assert call("PATCH", f"{URL}/c", json={"tenant_id": "b"}).json["tenant_id"] == "b"
    assert call("PATCH", f"{URL}/c", json={"tenant_id": None}).json["tenant_id"] is None


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (["connections:read"], {"GET"}),
        (["connections:write"], {"GET", "POST", "PATCH"}),
        (["connections:export"], set()),
        (["webhooks:write"], set()),
    ],
)
def test_scopes_of_a_key_limit_what_it_may_do(
    tenant_caller: Any, scopes: list[str], allowed: set[str]
) -> None:
    """The scope to write includes reading; the scope to export secrets is separate from both."""
    tenant_caller("a")("POST", URL, json=INSIDE)
    narrowed = tenant_caller("a", scopes=scopes)
    answers = {
        "GET": narrowed("GET", f"{URL}/c"),
        "POST": narrowed("POST", URL, json=INSIDE | {"connection_id": "d"}),
        "PATCH": narrowed("PATCH", f"{URL}/c", json={"port": 1}),
    }
    assert {method for method, answer in answers.items() if answer.status < 400} == allowed
    export = narrowed("POST", f"{URL}/export", json={"passphrase": "a long passphrase"})
    assert export.status == (200 if scopes == ["connections:export"] else 403)


def test_an_external_host_needs_the_feature(tenant_caller: Any, call: Any) -> None:
    """Each field at fault is named; shared connections may have any host."""
    mine = tenant_caller("a")
    outside = INSIDE | {"host": "db.example.com", "extra": {"sslmode": "require"}}
    beyond = outside | {"extra": {"hostaddr": "203.0.113.1"}}
    refused = mine("POST", URL, json=beyond)
    assert refused.status == 400
    pointers = [error["pointer"] for error in refused.json["error"]["details"]["errors"]]
    assert pointers == ["/host", "/extra/hostaddr"]
    assert call("POST", URL, json=outside | {"tenant_id": "a"}).status == 400
    assert mine("POST", URL, json={"connection_id": "s3", "connection_type": "redis"}).status == 400
    assert mine("POST", URL, json=INSIDE).status == 201
    assert mine("PATCH", f"{URL}/c", json={"host": "db.example.com"}).status == 400
    assert mine("PATCH", f"{URL}/c", json={"extra": {"proxies": {"http": "evil.example:1"}}}).status == 400
    assert mine("GET", f"{URL}/c").json["host"] == "db.internal"
    assert (
        tenant_caller("rich", external_connections=True)(
            "POST", URL, json=outside | {"connection_id": "d"}
        ).status
        == 201
    )
    assert call("POST", URL, json=beyond | {"connection_id": "e"}).status == 201
    assert call("PATCH", f"{URL}/e", json={"tenant_id": "a"}).status == 400


def test_a_tenant_without_the_feature_can_still_change_the_password(tenant_caller: Any, call: Any) -> None:
    """A change of the target is checked again."""
    mine = tenant_caller("a", external_connections=True)
    mine("POST", URL, json=INSIDE | {"host": "db.example.com"})
    call("PATCH", "/api/v1/platform/tenants/a", json={"features": {"external_connections": False}})
    assert mine("PATCH", f"{URL}/c", json={"password": "new", "description": "d"}).status == 200
    assert mine("PATCH", f"{URL}/c", json={"schema": "x"}).status == 400


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "fs", "sqlite+pysqlite", "SQLite"])
def test_only_admins_create_connections_to_files_of_the_server(
    tenant_caller: Any, call: Any, kind: str
) -> None:
    """A tenant could read Airflow's own database if that is an SQLite file."""
    mine = tenant_caller("a", external_connections=True)
    file = {"connection_id": "f", "connection_type": kind, "host": "/srv/a.db"}
    refused = mine("POST", URL, json=file)
    assert (refused.status, refused.json["error"]["code"]) == (403, "PERMISSION_DENIED")
    mine("POST", URL, json=INSIDE)
    assert mine("PATCH", f"{URL}/c", json={"connection_type": kind}).status == 403
    assert call("POST", URL, json=file | {"tenant_id": "a"}).status == 201


def test_a_key_limited_to_dags_needs_the_scope_by_name(
    app: Any, session: Any, user_id: Callable[[str], int]
) -> None:
    """A key without scopes cannot use the endpoints of connections."""
    limits = {"allowed_dags": {"dag_ids": ["x"], "tags": []}}
    for scopes, status in ((None, 403), (["connections:read"], 200)):
        _, key = keys.issue(session, name="t", user_id=user_id("admin"), scopes=scopes, **limits)
        assert client(app, {"X-API-Key": key})("GET", URL).status == status


def test_deleting_a_tenant_deletes_its_connections_only(tenant_caller: Any, call: Any, session: Any) -> None:
    """Without cascade, the error names the connections."""
    mine = tenant_caller("a", scopes=["connections:write"])
    mine("POST", URL, json=INSIDE)
    call("POST", URL, json=INSIDE | {"connection_id": "shared"})
    tenant_caller("b")("POST", URL, json=INSIDE | {"connection_id": "theirs"})
    tenant = "/api/v1/platform/tenants/a"
    assert call("GET", f"{tenant}/usage").json["owned"]["connections"] == 1
    refused = call("DELETE", tenant)
    assert refused.status == 409
    assert refused.json["error"]["details"]["owned"]["connections"] == ["c"]
    assert call("DELETE", f"{tenant}?cascade=true").status == 204
    left = session.scalars(select(Connection.conn_id).order_by(Connection.conn_id)).all()
    assert left == ["shared", "theirs"]
    assert session.query(PlatformConnection).count() == 2


def test_a_connection_that_reuses_an_id_does_not_get_its_tenant(
    tenant_caller: Any, call: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's command line deletes a row without our hooks, and SQLite reuses its id.

    No tenant queries, changes or exports the next connection with that id, and the platform can manage
    it.
    """
    mine = tenant_caller("a")
    mine("POST", URL, json=INSIDE | {"password": "mine"})
    old = session.scalars(select(Connection).where(Connection.conn_id == "c")).one()
    freed = old.id
    session.expunge(old)

    def again(name: str) -> None:
        session.execute(delete(Connection).where(Connection.id == freed))
        session.expire_all()
        row = Connection(conn_id=name, conn_type="postgres", host="ops", password="secret")
        row.id = freed
        session.add(row)
        session.flush()

    again("ops")
    for caller in (mine, call):
        shown = caller("GET", f"{URL}/ops").json
        assert (shown["tenant_id"], shown["shared"], shown["created_at"]) == (None, False, None)
    assert mine("GET", f"{URL}?tenant_id=a").json["total_entries"] == 0
    assert mine("PATCH", f"{URL}/ops", json={"description": "x"}).status == 403
    assert mine("DELETE", f"{URL}/ops").status == 403
    query = {"database": "ops", "query": "SELECT 1"}
    assert mine("POST", "/api/v1/analytics/query", json=query).status in {403, 404}
    envelope = mine("POST", f"{URL}/export", json={"passphrase": "a long passphrase"}).json
    assert encryption.decrypt(envelope, "a long passphrase") == {}
    assert call("GET", "/api/v1/platform/tenants/a/usage").json["owned"]["connections"] == 0
    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    session.execute(update(Connection).where(Connection.id == freed).values(conn_type="generic"))
    assert call("POST", f"{URL}/ops/test").status == 200
    assert call("GET", f"{URL}/ops").json["last_test"]["status"] == "unsupported"
    assert call("PATCH", f"{URL}/ops", json={"tenant_id": None}).json["shared"] is True
    again("other")
    assert call("GET", f"{URL}/other").json["shared"] is False
    assert call("PATCH", f"{URL}/other", json={"description": "x"}).status == 200
    session.execute(delete(Connection).where(Connection.id == freed))
    session.expire_all()
    assert mine("POST", URL, json=INSIDE).status == 201
