"""Who may query which connection: the one that was authorised, and no other of its name."""

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
    """Make a DuckDB file that says whose it is."""
    import duckdb

    def make(who: str) -> Path:
        file = tmp_path / f"{who}.duckdb"
        with duckdb.connect(str(file)) as own:
            own.execute(f"CREATE TABLE t AS SELECT '{who}' AS who")
        return file

    return make


@pytest.fixture
def store(session: Any, files: Callable[[str], Path]) -> Callable[..., None]:
    """Store a connection as its owner: a tenant's, shared by the platform, or of Airflow's own pages."""
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
    """The operator's own connection ``wh``, in the environment."""
    fields = {"conn_type": "duckdb", "host": str(files("operator"))}
    monkeypatch.setenv("AIRFLOW_CONN_WH", json.dumps(fields))


@pytest.fixture
def member(tenant_caller: Any) -> Callable[..., Any]:
    """A caller who reaches the tenant ``a`` alone."""
    made: Callable[..., Any] = tenant_caller("a")
    return made


def test_a_tenant_queries_the_row_that_it_owns(
    member: Callable[..., Any], store: Callable[..., None], operators: None
) -> None:
    """Airflow would take the environment's of the same name, which is the operator's."""
    assert member("POST", URL, json=WHO | {"database": "wh"}).status == 404
    store("wh", "tenant", tenant_id="a")
    assert member("POST", URL, json=WHO | {"database": "wh"}).json["data"] == [{"who": "tenant"}]


def test_who_may_query_everything_has_airflows_own_order(
    call: Callable[..., Any], store: Callable[..., None], operators: None, tenant_caller: Any
) -> None:
    tenant_caller("a")
    store("wh", "tenant", tenant_id="a")
    assert call("POST", URL, json=WHO | {"database": "wh"}).json["data"] == [{"who": "operator"}]


def test_a_tenant_queries_no_others(
    member: Callable[..., Any], store: Callable[..., None], tenant_caller: Any
) -> None:
    tenant_caller("b")
    store("bs", "b", tenant_id="b")
    answer = member("POST", URL, json=WHO | {"database": "bs"})
    assert (answer.status, answer.json["error"]["message"]) == (404, "Connection 'bs' not found")


def test_a_shared_connection_is_queried_by_all(
    member: Callable[..., Any], store: Callable[..., None]
) -> None:
    store("shared", "everybody")
    assert member("POST", URL, json=WHO | {"database": "shared"}).json["data"] == [{"who": "everybody"}]


def test_a_listed_connection_that_was_not_shared_says_how_it_can_be(
    member: Callable[..., Any], call: Callable[..., Any], store: Callable[..., None]
) -> None:
    """One of Airflow's own pages is in the lists; and what the message says does it."""
    store("stock", "everybody", own=False)
    assert "stock" in [item["connection_id"] for item in member("GET", CONNECTIONS).json["connections"]]
    answer = member("POST", URL, json=WHO | {"database": "stock"})
    assert answer.status == 403
    assert (
        'PATCH /api/v1/platform/connections/stock with {"tenant_id": null}' in answer.json["error"]["message"]
    )
    assert call("PATCH", f"{CONNECTIONS}/stock", json={"tenant_id": None}).status == 200
    assert member("POST", URL, json=WHO | {"database": "stock"}).json["data"] == [{"who": "everybody"}]


def test_what_the_lists_do_not_show_is_not_found(tenant_caller: Any, store: Callable[..., None]) -> None:
    """To a key that may not read connections there is none."""
    store("stock", "everybody", own=False)
    member = tenant_caller("a", scopes=["analytics:read"])
    assert member("POST", URL, json=WHO | {"database": "stock"}).status == 404


def test_a_tenants_connection_leads_to_no_other_one(
    member: Callable[..., Any], session: Any, operators: None
) -> None:
    """A hook would follow the name with the server's rights."""
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


def test_a_tenants_connection_has_a_tenants_rights_for_everybody(
    call: Callable[..., Any], tenant_caller: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator who queries it lends it nothing: neither a socket of the server nor another dialect.

    Airflow would look for it with a session of its own, which does not see this test's transaction.
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
