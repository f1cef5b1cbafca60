"""Tests of connections, against real servers and against a silent one."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from connection_tests import URL, Silence, result_of, wait_for_threads
from options import set_options

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections.tenant_rules import addresses
from airflow_platform_plugin.connections.testing import runner
from airflow_platform_plugin.core import wait_slots

SUCCESS = "Connection successfully tested"


def test_postgresql(call: Callable[..., Any], postgresql: Any) -> None:
    """Success, wrong login, missing database, closed port and unknown host each have their result."""
    at = {"connection_type": "postgres", "host": postgresql.host, "port": postgresql.port}
    good = at | {"login": "platform", "schema": "postgres"}
    result = result_of(call, **good)
    assert (result["status"], result["message"]) == ("success", SUCCESS)
    assert isinstance(result["latency_ms"], int)
    assert result_of(call, **good | {"login": "nobody"})["message"] == "Login or password is wrong."
    assert result_of(call, **good | {"schema": "nowhere"})["message"] == "The database does not exist."
    assert result_of(call, **good | {"port": 1})["message"] == "Nothing listens at this host and port."
    unknown = result_of(call, **good | {"host": "no-such-host.invalid"})
    assert (unknown["status"], unknown["message"]) == ("failed", "The host's name is unknown.")


def test_mysql(call: Callable[..., Any], mysql: Any) -> None:
    """Success, wrong password and closed port each have their result."""
    good = {
        "connection_type": "mysql",
        "host": mysql.host,
        "port": mysql.port,
        "login": "someone",
        "password": "right-password",
        "extra": {"client": "mysql-connector-python"},
    }
    assert result_of(call, **good)["status"] == "success"
    assert result_of(call, **good | {"password": "wrong"})["message"] == "Login or password is wrong."
    assert result_of(call, **good | {"port": 1})["message"] == "Nothing listens at this host and port."


def test_a_missing_driver_is_reported(call: Callable[..., Any], mysql: Any) -> None:
    """MySQL's hook uses mysqlclient by default, and the tests have another driver."""
    missing = result_of(call, connection_type="mysql", host=mysql.host, port=mysql.port, login="root")
    assert missing["message"] == "The server lacks a library that this type of connection needs."


def test_redis(call: Callable[..., Any], redis: Any) -> None:
    """Success, wrong login and closed port each have their result."""
    good = {"connection_type": "redis", "host": redis.host, "port": redis.port, "extra": {"db": 0}}
    assert result_of(call, **good)["status"] == "success"
    wrong = result_of(call, **good | {"login": "nobody", "password": "wrong"})
    assert (wrong["status"], wrong["message"]) == ("failed", "Login or password is wrong.")
    assert result_of(call, **good | {"port": 1})["message"] == "Nothing listens at this host and port."


def test_sqlite(call: Callable[..., Any], tmp_path: Path) -> None:
    """A missing file is a failure, and is not created."""
    file = tmp_path / "a.db"
    missing = result_of(call, connection_type="sqlite", host=str(file))
    assert (missing["status"], missing["message"]) == ("failed", "The file cannot be opened.")
    assert not file.exists()
    file.touch()
    assert result_of(call, connection_type="sqlite", host=str(file))["status"] == "success"


def test_http(call: Callable[..., Any], website: int) -> None:
    """Success, wrong password and unknown host each have their result."""
    good = {
        "connection_type": "http",
        "host": "127.0.0.1",
        "port": website,
        "login": "me",
        "password": "right-password",
    }
    assert result_of(call, **good)["status"] == "success"
    assert result_of(call, **good | {"password": "wrong"})["message"] == "Login or password is wrong."
    assert (
        result_of(call, **good | {"host": "no-such-host.invalid"})["message"] == "The host's name is unknown."
    )


def test_a_type_without_a_hook_is_the_name_of_a_dialect(
    call: Callable[..., Any], mysql: Any, tmp_path: Path
) -> None:
    """Queries read it so too, for example for the quickstart's warehouse."""
    duckdb = pytest.importorskip("duckdb", reason="the extra duckdb is not installed")
    file = tmp_path / "w.duckdb"
    duckdb.connect(str(file)).close()
    assert result_of(call, connection_type="duckdb", host=str(file))["status"] == "success"
    at = {"connection_type": "mysql+pymysql", "host": mysql.host, "port": mysql.port, "schema": "test"}
    assert result_of(call, **at, login="root")["status"] == "success"


@pytest.mark.parametrize("kind", ["no-such-thing", "email", "imap"])
def test_a_type_without_a_test_is_unsupported(call: Callable[..., Any], kind: str) -> None:
    """The message names the type."""
    result = result_of(call, connection_type=kind, host="x")
    assert (result["status"], result["latency_ms"]) == ("unsupported", None)
    assert kind in result["message"]


def test_a_dialect_does_not_create_a_missing_file(call: Callable[..., Any], tmp_path: Path) -> None:
    """The result is the same as from the hook of SQLite."""
    file = tmp_path / "created.db"
    for fields in ({"host": str(file)}, {"schema": str(file)}, {"host": __file__, "schema": str(file)}):
        result = result_of(call, connection_type="sqlite+pysqlite", **fields)
        assert result["message"] == "The file cannot be opened."
        assert not file.exists()


def test_a_tenants_postgresql_dialect_connects_to_the_checked_address(
    tenant_caller: Any, postgresql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver does not look the name up again, and libpq does not use the server's PGPASSWORD."""
    set_options(monkeypatch, internal_hosts="db.internal")
    monkeypatch.setattr(addresses, "look_up", lambda _: ("127.0.0.1",))
    monkeypatch.setattr(
        "airflow_platform_plugin.airflow_compat.connections.airflow_service_urls", lambda: ("",)
    )
    monkeypatch.setenv("PGPASSWORD", "operators")
    mine = tenant_caller("a")
    body = {"host": "db.internal", "port": postgresql.port, "login": "platform", "schema": "postgres"}
    for connection_type in ("postgres", "postgresql", "postgresql+psycopg2"):
        answer = mine("POST", f"{URL}/test", json=body | {"connection_type": connection_type})
        assert answer.json["status"] == "success", answer.text


@pytest.mark.parametrize("kind", ["sqlite.pysqlite", "sqlite.base", "duckdb.duckdb_engine", "SQLite", "a:b"])
def test_a_dialect_has_one_spelling(
    session: Any, call: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    """Another spelling could create a file or skip DuckDB's locks, so it is unsupported for admins too."""
    file = tmp_path / "created.db"
    session.add(Connection(conn_id="x", conn_type=kind, host=str(file)))
    session.flush()
    assert call("POST", f"{URL}/x/test").json["status"] == "unsupported"
    assert not file.exists()


@pytest.mark.parametrize("kind", ["http", "postgres", "redis"])
def test_a_silent_host_ends_at_the_time_limit(call: Callable[..., Any], silence: Silence, kind: str) -> None:
    """The result says that the test timed out."""
    started = time.monotonic()
    fields = {"connection_type": kind, "host": "127.0.0.1", "port": silence.port, "login": "x"}
    result = result_of(call, "?timeout_seconds=0.5", **fields)
    assert time.monotonic() - started < 20
    assert result == {
        "status": "failed",
        "message": "The test timed out after 0.5 seconds.",
        "latency_ms": 500,
    }


@pytest.mark.parametrize("kind", ["http", "postgres"])
def test_common_drivers_give_up_by_themselves(call: Callable[..., Any], silence: Silence, kind: str) -> None:
    """So a silent host does not occupy one of the few threads forever."""
    fields = {"connection_type": kind, "host": "127.0.0.1", "port": silence.port}
    result_of(call, "?timeout_seconds=0.1", **fields)
    wait_for_threads()


def test_the_number_of_unfinished_tests_is_limited(call: Callable[..., Any], silence: Silence) -> None:
    """Beyond the limit, the response is at once a 503 with Retry-After."""
    fields = {"connection_type": "redis", "host": "127.0.0.1", "port": silence.port}
    call("POST", URL, json={"connection_id": "s", **fields})
    for _ in range(runner.AT_ONCE):
        assert call("POST", f"{URL}/s/test?timeout_seconds=0.1").json["status"] == "failed"
    refused = call("POST", f"{URL}/s/test")
    assert (refused.status, refused.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert int(refused.headers["Retry-After"]) > 0
    silence.end()
    assert call("POST", f"{URL}/s/test?timeout_seconds=0.1").status == 200


def test_the_number_of_requests_that_wait_for_tests_is_limited(
    call: Callable[..., Any], tmp_path: Path
) -> None:
    """Beyond the limit, the response is at once a 503, so that web workers stay free for others."""
    call("POST", URL, json={"connection_id": "s", "connection_type": "sqlite", "host": str(tmp_path / "x")})
    with wait_slots.wait_slot(wait_slots.CONNECTIONS), wait_slots.wait_slot(wait_slots.CONNECTIONS):
        refused = call("POST", f"{URL}/s/test")
    assert (refused.status, refused.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert call("POST", f"{URL}/s/test").status == 200
