"""The rules for tenants' connections, when one is written and when one is used."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from options import set_options
from sqlalchemy import select

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import DetachedConnection, find
from airflow_platform_plugin.connections.tenant_rules import destinations, reachability
from airflow_platform_plugin.core.errors import (
    PermissionDenied,
    PlatformError,
    ValidationFailed,
)

URL = "/api/v1/platform/connections"
INSIDE = {"connection_id": "c", "connection_type": "postgres", "host": "db.internal"}


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Change the operator's settings."""

    def change(**options: Any) -> None:
        set_options(monkeypatch, **options)

    return change


def lives_on(monkeypatch: pytest.MonkeyPatch, *urls: str) -> None:
    """Set the URLs of Airflow's own database and broker."""
    monkeypatch.setattr(airflow_compat.connections, "airflow_service_urls", lambda: urls)


def stored(session: Any, tenant_id: str | None, *, approved: bool = False, **columns: Any) -> Connection:
    """Add a row as from Airflow's pages, or from a time before a rule."""
    row = Connection(conn_id="stored", **columns)
    session.add(row)
    session.flush()
    session.add(PlatformConnection(id=row.id, connection_id="stored", tenant_id=tenant_id, approved=approved))
    session.flush()
    return row


def detached(session: Any) -> DetachedConnection:
    """Return a copy of that row with its current owner and approval."""
    session.expire_all()
    found = find(session, "stored")
    assert found is not None
    return found.detach()


@pytest.mark.parametrize(
    "connection_type",
    [
        "sqlite",
        "SQLite",
        "sqlite+pysqlite",
        "sqlite+aiosqlite",
        "sqlite-",
        "duckdb",
        "DuckDB",
        "fs",
        "file",
        "ssh",
        "sftp",
        "docker",
        "kubernetes",
        "generic",
        "aws",
        "google_cloud_platform",
        "spark",
        "hive_cli",
        "jdbc",
        "odbc",
        "package_index",
        "POSTGRES",
        "Postgres",
        "postgresql+pyodbc",
        "mysql+pyodbc",
        "mssql+pyodbc",
        "unheard-of",
    ],
)
def test_tenants_cannot_have_types_that_are_not_on_the_list(
    tenant_caller: Any, call: Any, connection_type: str
) -> None:
    """No feature and no other field allows such a type, at creation, change or import."""
    mine = tenant_caller("a", external_connections=True)
    assert mine("POST", URL, json=INSIDE).status == 201
    body = {"connection_type": connection_type, "host": "db.internal", "extra": {"host": "db.internal"}}
    document = {"d": {"conn_type": connection_type, "host": "db.internal"}}
    for method, path, given in (
        ("POST", "", body | {"connection_id": "d"}),
        ("PATCH", "/c", {"connection_type": connection_type}),
        ("PATCH", "/c", body),
    ):
        refused = mine(method, f"{URL}{path}", json=given)
        assert (refused.status, refused.json["error"]["code"]) == (403, "PERMISSION_DENIED")
        assert refused.json["error"]["details"] == {"connection_type": connection_type}
    assert mine("POST", f"{URL}/import", json={"connections": document}).status == 400
    assert call("GET", URL).json["total_entries"] == 1
    assert call("GET", f"{URL}/c").json["connection_type"] == "postgres"


@pytest.mark.parametrize(
    "connection_type",
    [
        "sqlite.pysqlite",
        "sqlite.base",
        "sqlite ",
        " sqlite",
        "sqlite\n",
        "sqlite:///x",
        "\uff53\uff51\uff4c\uff49\uff54\uff45",
        "sqlit\u0435",
        "postgres\u200b",
        "postgres/x",
        "",
    ],
)
def test_texts_that_are_not_names_of_types_are_refused(
    tenant_caller: Any, call: Any, connection_type: str
) -> None:
    """A dot is refused too, because SQLAlchemy reads ``sqlite.pysqlite`` as SQLite."""
    tenant_caller("a")
    body = {"connection_id": "d", "connection_type": connection_type, "host": "db.internal"}
    for caller in (tenant_caller("a"), call):
        refused = caller("POST", URL, json=body)
        assert refused.json["error"]["details"]["errors"][0]["pointer"] == "/connection_type"
        document = {"d": {"conn_type": connection_type, "host": "db.internal"}}
        assert caller("POST", f"{URL}/import", json={"connections": document}).status == 400


def test_an_operator_can_add_types(tenant_caller: Any, configured: Callable[..., None]) -> None:
    """A dialect's name needs the dialect on the list too, and extra must not name files or programs."""
    configured(tenant_connection_types="mssql, sqlite.pysqlite, sqlite+pysqlite, unheard-of")
    mine = tenant_caller("a")

    def status(**fields: Any) -> int:
        return int(mine("POST", URL, json=INSIDE | fields).status)

    assert status(connection_type="postgres") == 403
    assert status(connection_type="sqlite+pysqlite") == 403
    assert status(connection_type="mssql", extra={"key_file": "/x"}) == 400
    assert status(connection_type="mssql", extra={"a": [{"driver": "/x"}]}) == 400
    assert status(connection_type="mssql", extra={"a": {"endpoint": "evil.example"}}) == 400
    assert status(connection_type="mssql", host=None) == 400
    assert status(connection_type="mssql", login="x@evil.example") == 400
    assert status(connection_type="mssql", extra={"urls": ",".join(["x.internal"] * 30)}) == 400
    assert status(connection_type="mssql", extra={"a": 1}) == 201
    assert status(connection_type="unheard-of", connection_id="d") == 201


def test_an_admin_approves_fields_that_a_tenant_cannot_write(
    tenant_caller: Any, call: Any, session: Any, tmp_path: Path
) -> None:
    """The approval covers type and extra; a tenant's change of these ends it."""
    mine = tenant_caller("a")
    file = {"connection_id": "f", "connection_type": "duckdb", "host": str(tmp_path / "x"), "tenant_id": "a"}
    assert mine("POST", URL, json=file).status == 403
    assert call("POST", URL, json=file).status == 201

    def usable() -> bool:
        session.expire_all()
        found = find(session, "f")
        assert found is not None
        try:
            reachability.require_reachable(found.detach(), look_up=False)
        except PlatformError:
            return False
        return True

    assert usable()
    assert mine("PATCH", f"{URL}/f", json={"description": "ours"}).status == 200
    assert mine("PATCH", f"{URL}/f", json={"host": "/etc/passwd"}).status == 403
    assert usable()
    assert call("PATCH", f"{URL}/f", json={"host": str(tmp_path / "y")}).status == 200
    assert usable()
    assert mine("PATCH", f"{URL}/f", json={"connection_type": "redis", "host": "x.internal"}).status == 200
    assert usable()
    row = session.scalars(select(Connection).where(Connection.conn_id == "f")).one()
    row.conn_type = "duckdb"
    session.flush()
    assert not usable()


def test_an_admins_change_of_another_field_approves_nothing(
    tenant_caller: Any, call: Any, session: Any
) -> None:
    """Only a change that sends the field approves it; an import does not."""
    tenant_caller("a")
    stored(session, "a", conn_type="postgres", host="db.internal", extra='{"passfile": "/x"}')
    url = f"{URL}/stored"
    assert call("PATCH", url, json={"port": 5433}).status == 400
    assert call("PATCH", url, json={"extra": {"sslmode": "require"}}).status == 400
    document = {"stored": {"conn_type": "postgres", "host": "db.internal", "extra": {"passfile": "/x"}}}
    request = {"connections": document, "on_conflict": "overwrite"}
    assert call("POST", f"{URL}/import", json=request).status == 400
    for tenant_id in (None, "a"):
        again = {"new": document["stored"] | {"tenant_id": tenant_id}}
        answer = call("POST", f"{URL}/import", json={"connections": again, "dry_run": True})
        assert answer.json["connections"][0]["result"] == ("failed" if tenant_id else "created")
    with pytest.raises(ValidationFailed):
        reachability.require_reachable(detached(session), look_up=False)
    assert call("PATCH", url, json={"extra": {"passfile": "/y"}}).status == 200
    reachability.require_reachable(detached(session), look_up=False)


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        (
            {"conn_type": "sqlite.pysqlite", "schema": "/x.db", "extra": '{"host": "db.internal"}'},
            PermissionDenied,
        ),
        ({"conn_type": "sqlite", "host": "/x.db"}, PermissionDenied),
        ({"conn_type": "postgres", "host": "localhost"}, ValidationFailed),
        ({"conn_type": "postgres", "host": "example.com"}, ValidationFailed),
        (
            {"conn_type": "postgres", "host": "db.internal", "extra": '{"hostaddr": "10.0.0.1"}'},
            ValidationFailed,
        ),
        ({"conn_type": "postgres", "host": "db.internal", "schema": "x?host=y"}, ValidationFailed),
        ({"conn_type": "postgres"}, ValidationFailed),
        ({"conn_type": "http", "host": "http://[fd00:ec2::254]/latest"}, ValidationFailed),
    ],
)
def test_rules_apply_to_stored_rows_when_they_are_used(
    tenant_caller: Any, session: Any, columns: dict[str, Any], error: type[PlatformError]
) -> None:
    """They do not apply to the same connection if all tenants share it."""
    tenant_caller("a")
    row = stored(session, "a", **columns)
    with pytest.raises(error):
        reachability.require_reachable(DetachedConnection(row, "a"))
    shared = DetachedConnection(row, tenant_id=None)
    assert reachability.require_reachable(shared) == destinations.Destination()


@pytest.mark.parametrize("external", [False, True])
def test_tenants_cannot_reach_airflows_own_database_and_broker(
    tenant_caller: Any, monkeypatch: pytest.MonkeyPatch, configured: Callable[..., None], *, external: bool
) -> None:
    """Names and addresses are refused, with or without the port; another port of the host is allowed."""
    lives_on(
        monkeypatch,
        "postgresql+psycopg2://airflow:p%40ss@db.internal/airflow",
        "db+postgresql://airflow@10.0.0.7:6432/airflow",
        "redis://:x@10.0.0.8:6379/0;redis://[fd00::8]/1",
        "postgresql://u@/airflow?host=10.0.0.9:5433&host=pg.internal",
    )
    mine = tenant_caller("a", external_connections=external)

    def status(**fields: Any) -> int:
        answer = mine("POST", f"{URL}/import", json={"dry_run": True, "connections": {"x": fields}})
        return int(answer.json["connections"][0]["result"] == "created")

    for host, port in (
        ("db.internal", None),
        ("DB.internal.", 5432),
        ("10.0.0.7", 6432),
        ("::ffff:10.0.0.7", 6432),
        ("10.0.0.9", 5433),
        ("pg.internal", 5432),
    ):
        assert status(conn_type="postgres", host=host, port=port) == 0, host
        assert (
            status(conn_type="http", host=f"http://{f'[{host}]' if ':' in host else host}", port=port or 5432)
            == 0
        )
    assert status(conn_type="redis", host="10.0.0.8") == 0
    assert status(conn_type="redis", host="fd00::8") == 0
    assert status(conn_type="http", host="http://10.0.0.8:6379", port=80) == 0
    assert status(conn_type="postgres", host="db.internal", port=5433) == 1
    assert status(conn_type="postgres", host="10.0.0.7") == 1
    configured(internal_hosts="10.0.0.0/8, db.internal:5432")
    assert status(conn_type="postgres", host="db.internal") == 1
    assert status(conn_type="postgres", host="10.0.0.7", port=6432) == 0


def test_airflows_database_file_is_refused_even_for_an_admin(
    monkeypatch: pytest.MonkeyPatch, tenant_caller: Any, call: Any, tmp_path: Path
) -> None:
    """Links and other paths to the file are refused too."""
    file, link, hard = tmp_path / "airflow.db", tmp_path / "link.db", tmp_path / "hard.db"
    file.touch()
    link.symlink_to(file)
    hard.hardlink_to(file)
    lives_on(monkeypatch, f"sqlite:///{file}")
    tenant_caller("a")
    body = {"connection_id": "f", "connection_type": "sqlite", "tenant_id": "a"}
    detour = f"{tmp_path}/../{tmp_path.name}/airflow.db"
    for path in (file, link, hard, detour, f"file:{file}?mode=ro", f"file://{file}"):
        for field in ("host", "schema"):
            refused = call("POST", URL, json=body | {field: str(path)})
            assert refused.status == 400, path
            assert refused.json["error"]["details"]["errors"][0]["pointer"] == f"/{field}"
    assert call("POST", URL, json=body | {"host": str(tmp_path / "other.db")}).status == 201


def test_a_deleted_tenant_reaches_no_external_host(session: Any) -> None:
    """A connection whose tenant is missing has no features."""
    row = Connection(conn_id="x", conn_type="http", host="example.com")
    with pytest.raises(ValidationFailed):
        reachability.require_reachable(DetachedConnection(row, "nobody"))
