"""Real databases, each as a connection of its most powerful user; and callers who reach one tenant."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
from calls import client
from databases import Database, fill
from sqlalchemy.engine import make_url


@pytest.fixture(scope="session")
def postgres() -> Iterator[Database]:
    """PostgreSQL, as its superuser."""
    import psycopg

    server = servers.postgresql()
    url = make_url(server.url)

    def run(*statements: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(
            host=url.host, port=url.port, user=url.username, dbname=url.database, autocommit=True
        ) as own:
            for statement in statements:
                cursor = own.execute(statement)
            return cursor.fetchall() if cursor.description else []

    fields = {
        "conn_type": "postgres",
        "host": url.host,
        "port": url.port,
        "login": url.username,
        "schema": url.database,
    }
    names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    yield fill(Database("postgres", fields, run, lambda: {name for (name,) in run(names)}))
    server.stop()


@pytest.fixture(scope="session")
def mysql() -> Iterator[Database]:
    """MariaDB, as root."""
    import pymysql

    server = servers.mysql()
    url = make_url(server.url)

    def run(*statements: str) -> list[tuple[Any, ...]]:
        own = pymysql.connect(
            host=url.host, port=url.port, user=url.username, database=url.database, autocommit=True
        )
        with own, own.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    fields = {
        "conn_type": "mysql",
        "host": url.host,
        "port": url.port,
        "login": url.username,
        "schema": url.database,
    }
    yield fill(Database("mysql", fields, run, lambda: {name for (name,) in run("SHOW TABLES")}))
    server.stop()


@pytest.fixture(scope="session")
def duckdb(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """DuckDB."""
    import duckdb as driver

    file = tmp_path_factory.mktemp("duckdb") / "real.duckdb"

    def run(*statements: str) -> list[tuple[Any, ...]]:
        with driver.connect(str(file)) as own:
            for statement in statements:
                cursor = own.execute(statement)
            return cursor.fetchall() if cursor.description else []

    names = "SELECT table_name FROM duckdb_tables()"
    fields = {"conn_type": "duckdb", "host": str(file)}
    return fill(Database("duckdb", fields, run, lambda: {name for (name,) in run(names)}))


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """SQLite."""
    file = tmp_path_factory.mktemp("sqlite") / "real.db"

    def run(*statements: str) -> list[tuple[Any, ...]]:
        own = sqlite3.connect(file)
        try:
            for statement in statements:
                rows = own.execute(statement).fetchall()
            own.commit()
        finally:
            own.close()
        return rows

    names = "SELECT name FROM sqlite_master WHERE type = 'table'"
    fields = {"conn_type": "sqlite", "host": str(file)}
    return fill(Database("sqlite", fields, run, lambda: {name for (name,) in run(names)}))


@pytest.fixture(params=["postgres", "mysql", "duckdb", "sqlite"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each of the real databases."""
    found: Database = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def attack_files() -> Iterator[Path]:
    """The folder that attacks of the corpus write to; any process may."""
    folder = Path("/tmp/platform-attack")  # noqa: S108 - the corpus names it
    for name in ("postgres", "mysql", "duckdb", "sqlite"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name).chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def tenant_caller(app: Any, session: Any, user_id: Callable[[str], int], call: Callable[..., Any]) -> Any:
    """Create a tenant, and return a caller of that tenant only."""
    from airflow_platform_plugin.auth import service

    def make(tenant_id: str, scopes: list[str] | None = None) -> Callable[..., Any]:
        if call("GET", f"/api/v1/platform/tenants/{tenant_id}").status == 404:
            assert call("POST", "/api/v1/platform/tenants", json={"tenant_id": tenant_id}).status == 201
        key = service.issue(session, name="t", user_id=user_id("admin"), tenant_id=tenant_id, scopes=scopes)[
            1
        ]
        return client(app, {"X-API-Key": key})

    return make
