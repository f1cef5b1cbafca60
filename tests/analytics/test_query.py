"""Queries on real databases, over HTTP: DuckDB, SQLite, and PostgreSQL where the tests run on it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_platform_plugin import settings
from airflow_platform_plugin.analytics import engine
from airflow_platform_plugin.errors import ServiceUnavailable

URL = "/api/v1/analytics/query"
REFERENCE = (
    "SELECT customer_segment, COUNT(*) as customer_count, AVG(lifetime_value) as avg_ltv "
    "FROM gold.dim_customer WHERE is_active = true GROUP BY customer_segment ORDER BY avg_ltv DESC"
)
# Long on every machine, and ended by a cancellation within one row.
ENDLESS = {
    "duckdb": "SELECT count(*) FROM range(100000000000) a, range(1000) b WHERE a.range * b.range % 7 = 3",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
}


@pytest.fixture
def lite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SQLite file, known to Airflow as the connection ``lite`` through the provider's own hook."""
    file = tmp_path / "lite.db"
    file.touch()
    monkeypatch.setenv("AIRFLOW_CONN_LITE", f'{{"conn_type": "sqlite", "host": "{file}"}}')
    return file


def test_the_reference_query_answers_in_the_reference_shape(
    call: Callable[..., Any], warehouse: Path
) -> None:
    """Parameters that the query does not name are sent in the reference, and do no harm."""
    answer = call(
        "POST",
        URL,
        json={
            "query": REFERENCE,
            "database": "warehouse",
            "limit": 1000,
            "timeout_seconds": 30,
            "parameters": {"start_date": "2024-01-01", "end_date": "2024-01-31"},
        },
    )
    assert answer.status == 200
    assert answer.json["query_id"].startswith("q_")
    assert isinstance(answer.json["execution_time_ms"], int)
    del answer.json["query_id"], answer.json["execution_time_ms"]
    assert answer.json == {
        "status": "completed",
        "rows_returned": 2,
        "truncated": False,
        "data": [
            {"customer_segment": "Diamond", "customer_count": 1, "avg_ltv": 100.5},
            {"customer_segment": "Gold", "customer_count": 2, "avg_ltv": 15.0},
        ],
        "metadata": {
            "database": "warehouse",
            "schema": "gold",
            "tables_accessed": ["dim_customer"],
            "bytes_scanned": None,
            "cache_hit": False,
        },
    }


@pytest.mark.parametrize("database", ["warehouse", "lite"])
def test_values_are_bound_never_pasted(
    call: Callable[..., Any], warehouse: Path, lite: Path, database: str
) -> None:
    value = "x' OR '1'='1"
    answer = call(
        "POST", URL, json={"query": "SELECT :v AS v", "database": database, "parameters": {"v": value}}
    )
    assert answer.json["data"] == [{"v": value}]


def test_a_missing_parameter_is_named(call: Callable[..., Any], warehouse: Path) -> None:
    answer = call("POST", URL, json={"query": "SELECT :day"})
    assert answer.status == 400
    assert answer.json["error"]["details"]["errors"][0]["pointer"] == "/parameters/day"


def test_the_limit_caps_the_rows_and_says_so(
    call: Callable[..., Any], warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's limit counts more than the caller's."""
    query = {"query": "SELECT * FROM range(5)"}
    assert call("POST", URL, json=query | {"limit": 5}).json["truncated"] is False
    capped = call("POST", URL, json=query | {"limit": 4}).json
    assert (capped["rows_returned"], capped["truncated"]) == (4, True)
    monkeypatch.setattr(settings, "get", lambda: settings.Settings(query_max_rows=3))
    assert call("POST", URL, json=query | {"limit": 5}).json["rows_returned"] == 3


@pytest.mark.parametrize(("database", "kind"), [("warehouse", "duckdb"), ("lite", "sqlite")])
def test_a_query_past_its_time_is_stopped(
    call: Callable[..., Any], warehouse: Path, lite: Path, database: str, kind: str
) -> None:
    """The database itself stops working on it: the answer comes long before the query would end."""
    started = time.monotonic()
    answer = call("POST", URL, json={"query": ENDLESS[kind], "database": database, "timeout_seconds": 0.3})
    assert (answer.status, answer.json["error"]["code"]) == (504, "TIMEOUT")
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"query": "DELETE FROM gold.dim_customer"}, 400, "/query"),
        ({"query": "SELECT nothing FROM nowhere"}, 400, "/query"),
        ({"query": ""}, 400, "/query"),
        ({}, 400, "/query"),
        ({"query": "SELECT 1", "limit": 0}, 400, "/limit"),
        ({"query": "SELECT 1", "limit": "5"}, 400, "/limit"),
        ({"query": "SELECT 1", "timeout_seconds": 0}, 400, "/timeout_seconds"),
        ({"query": "SELECT 1", "parameters": []}, 400, "/parameters"),
        ({"query": "SELECT 1", "user": "root"}, 400, "/user"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_by_field(
    call: Callable[..., Any], warehouse: Path, body: dict[str, Any], status: int, pointer: str
) -> None:
    answer = call("POST", URL, json=body)
    assert answer.status == status
    assert answer.json["error"]["details"]["errors"][0]["pointer"] == pointer


def test_an_unknown_connection_is_not_found(call: Callable[..., Any]) -> None:
    answer = call("POST", URL, json={"query": "SELECT 1", "database": "nowhere"})
    assert (answer.status, answer.json["error"]["details"]) == (404, {"database": "nowhere"})


def test_a_connection_that_is_none_for_sql_is_refused(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WEB", "http://user:hunter2@127.0.0.1")
    answer = call("POST", URL, json={"query": "SELECT 1", "database": "web"})
    assert answer.status == 400
    assert "hunter2" not in answer.text


def test_a_database_that_is_away_tells_nothing_of_itself(
    call: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_GONE", f'{{"conn_type": "duckdb", "host": "{tmp_path}/no/such"}}')
    answer = call("POST", URL, json={"query": "SELECT 1", "database": "gone"})
    assert (answer.status, answer.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert str(tmp_path) not in answer.text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd', columns={'a': 'VARCHAR'})",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT getenv('HOME')",
    ],
)
def test_duckdb_reads_nothing_but_its_own_file(call: Callable[..., Any], warehouse: Path, sql: str) -> None:
    answer = call("POST", URL, json={"query": sql})
    assert answer.status == 400
    assert "root" not in answer.text


def test_the_database_itself_refuses_to_write(lite: Path) -> None:
    """Beside the check of the statement: the session is read-only, and attaches no other file."""
    import sqlite3

    from sqlalchemy.exc import DBAPIError

    opened = engine._engine("lite")
    with engine._connect(opened, deadline=time.monotonic() + 5) as connection:
        for sql in ("CREATE TABLE t (a INTEGER)", "ATTACH DATABASE '/tmp/x' AS x"):
            with pytest.raises(DBAPIError) as refused:
                connection.exec_driver_sql(sql)
            assert isinstance(refused.value.orig, sqlite3.DatabaseError)


def test_a_kit_that_is_writing_is_waited_for(warehouse: Path) -> None:
    """Up to the query's own time; then the caller is told that the database is away."""
    import subprocess
    import sys

    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(warehouse)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"open\n"
    with pytest.raises(ServiceUnavailable):
        engine.execute("warehouse", "SELECT 1 AS a", {}, limit=1, timeout=0.3)
    writer.communicate()
    assert engine.execute("warehouse", "SELECT 1 AS a", {}, limit=1, timeout=30).rows == [{"a": 1}]


def test_sql_values_become_json(call: Callable[..., Any], warehouse: Path) -> None:
    sql = (
        "SELECT 1.5::DECIMAL(9,2) AS d, DATE '2024-01-02' AS day, 'nan'::DOUBLE AS nan, NULL AS nothing, "
        "[1, 2] AS list, {'a': 1} AS struct, true AS yes, '\\xAA'::BLOB AS blob"
    )
    assert call("POST", URL, json={"query": sql}).json["data"] == [
        {
            "d": 1.5,
            "day": "2024-01-02",
            "nan": None,
            "nothing": None,
            "list": [1, 2],
            "struct": {"a": 1},
            "yes": True,
            "blob": "qg==",
        }
    ]
