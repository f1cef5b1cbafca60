"""Who may query which connection: the authorized one, and no other with the same name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.models.connection import Connection

from airflow_platform_plugin.connections.models import PlatformConnection

URL = "/api/v1/analytics/query"
CONNECTIONS = "/api/v1/platform/connections"
WHO = {"query": "SELECT who FROM t"}


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str], Path]:
    """Create a DuckDB file that contains the name of its owner."""
    import duckdb

    def make(who: str) -> Path:
        file = tmp_path / f"{who}.duckdb"
        with duckdb.connect(str(file)) as own:
            own.execute(f"CREATE TABLE t AS SELECT '{who}' AS who")
        return file

    return make


@pytest.fixture
def store(session: Any, files: Callable[[str], Path]) -> Callable[..., None]:
    """Store a connection: a tenant's, a shared one, or one of Airflow's own pages."""
    from airflow_platform_plugin.core import db

    def make(name: str, who: str, *, tenant_id: str | None = None, own: bool = True, **fields: Any) -> None:
        row = Connection(conn_id=name, conn_type="duckdb", host=str(files(who)), **fields)
        session.add(row)
        session.flush()
        if own:
            session.add(
                PlatformConnection(
                    id=row.id, connection_id=name, tenant_id=tenant_id, approved=True, created_at=db.now()
                )
            )
        session.flush()

    return make


@pytest.fixture
def operators(files: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the operator's own connection ``wh`` into the environment."""
    fields = {"conn_type": "duckdb", "host": str(files("operator"))}
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps(fields))


@pytest.fixture
def member(tenant_caller: Any) -> Callable[..., Any]:
    """Return a caller of the tenant ``a`` only."""
    made: Callable[..., Any] = tenant_caller("a")
    return made


def test_a_tenant_queries_the_connection_that_it_owns(
    member: Callable[..., Any], store: Callable[..., None], operators: None
) -> None:
    """Not the operator's of the same name in the environment, which Airflow would use."""
    assert member("POST", URL, json=WHO | {"database": "wh"}).status == 404
    store("wh", "tenant", tenant_id="a")
    assert member("POST", URL, json=WHO | {"database": "wh"}).json["data"] == [{"who": "tenant"}]


def test_a_caller_for_all_tenants_queries_the_connection_that_airflow_uses(
    call: Callable[..., Any], store: Callable[..., None], operators: None, tenant_caller: Any
) -> None:
    tenant_caller("a")
    store("wh", "tenant", tenant_id="a")
    assert call("POST", URL, json=WHO | {"database": "wh"}).json["data"] == [{"who": "operator"}]


def test_a_tenant_cannot_query_another_tenants_connection(
    member: Callable[..., Any], store: Callable[..., None], tenant_caller: Any
) -> None:
    tenant_caller("b")
    store("bs", "b", tenant_id="b")
    answer = member("POST", URL, json=WHO | {"database": "bs"})
    assert (answer.status, answer.json["error"]["message"]) == (404, "Connection 'bs' not found")


def test_every_tenant_can_query_a_shared_connection(
    member: Callable[..., Any], store: Callable[..., None]
) -> None:
    store("shared", "everybody")
    assert member("POST", URL, json=WHO | {"database": "shared"}).json["data"] == [{"who": "everybody"}]


def test_the_error_of_an_unshared_connection_says_how_to_share_it(
    member: Callable[..., Any], call: Callable[..., Any], store: Callable[..., None]
) -> None:
    """A connection of Airflow's own pages is listed, and the request in the message shares it."""
    store("stock", "everybody", own=False)
    assert "stock" in [item["connection_id"] for item in member("GET", CONNECTIONS).json["connections"]]
    answer = member("POST", URL, json=WHO | {"database": "stock"})
    assert answer.status == 403
    assert (
        'PATCH /api/v1/platform/connections/stock with {"tenant_id": null}' in answer.json["error"]["message"]
    )
    assert call("PATCH", f"{CONNECTIONS}/stock", json={"tenant_id": None}).status == 200
    assert member("POST", URL, json=WHO | {"database": "stock"}).json["data"] == [{"who": "everybody"}]


def test_a_connection_that_the_caller_cannot_list_is_not_found(
    tenant_caller: Any, store: Callable[..., None]
) -> None:
    """Such as for a key without the scope to read connections."""
    store("stock", "everybody", own=False)
    member = tenant_caller("a", scopes=["analytics:read"])
    assert member("POST", URL, json=WHO | {"database": "stock"}).status == 404


def test_a_tenants_connection_cannot_refer_to_another_one(
    member: Callable[..., Any], session: Any, operators: None
) -> None:
    """A hook would read the other one with the server's rights."""
    from airflow_platform_plugin.core import db

    extra = json.dumps({"iam": True, "aws_conn_id": "wh"})
    row = Connection(conn_id="mine", conn_type="postgres", host="localhost", extra=extra)
    session.add(row)
    session.flush()
    session.add(PlatformConnection(id=row.id, connection_id=row.conn_id, tenant_id="a", created_at=db.now()))
    session.flush()
    answer = member("POST", URL, json=WHO | {"database": "mine"})
    assert answer.status == 400
    assert "/extra/aws_conn_id" in [item["pointer"] for item in answer.json["error"]["details"]["errors"]]


def test_a_tenants_connection_has_a_tenants_rights_for_every_caller(
    call: Callable[..., Any], tenant_caller: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator's query gives it no more: no socket of the server and no other dialect.

    Airflow would look it up in another session, which does not see this test's transaction.
    """
    from airflow_platform_plugin.core import db

    tenant_caller("a")
    for fields, status in (
        ({"conn_type": "postgres", "host": "/var/run/postgresql"}, 400),
        ({"conn_type": "postgres", "host": "localhost", "extra": '{"options": "-c x=y"}'}, 400),
        ({"conn_type": "duckdb", "host": "/etc/passwd"}, 403),
        ({"conn_type": "mssql", "host": "localhost"}, 403),
    ):
        row = Connection(conn_id=f"c{len(session.new)}{hash(str(fields))}", **fields)
        session.add(row)
        session.flush()
        session.add(
            PlatformConnection(id=row.id, connection_id=row.conn_id, tenant_id="a", created_at=db.now())
        )
        session.flush()
        monkeypatch.setattr(Connection, "get_connection_from_secrets", lambda _, row=row: row)
        answer = call("POST", URL, json={"query": "SELECT 1 AS a", "database": row.conn_id})
        assert answer.status == status, answer.text
