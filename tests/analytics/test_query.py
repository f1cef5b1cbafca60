"""Queries on real databases, over HTTP: DuckDB, SQLite, and PostgreSQL where the tests run on it."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.models.connection import Connection
from airflow.models.log import Log
from options import set_options
from sqlalchemy import select

from airflow_platform_plugin.analytics import execution, query_thread
from airflow_platform_plugin.analytics.engines.base import Limits, Source
from airflow_platform_plugin.core import wait_slots
from airflow_platform_plugin.core.errors import ServiceUnavailable, TimedOut

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


def test_the_reference_query_returns_what_the_reference_shows(
    call: Callable[..., Any], warehouse: Path
) -> None:
    """The reference sends parameters that the query does not use; they cause a warning only."""
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
            "columns": [
                {"name": "customer_segment", "type": "VARCHAR"},
                {"name": "customer_count", "type": "BIGINT"},
                {"name": "avg_ltv", "type": "DOUBLE"},
            ],
            "warnings": ["The query does not use the parameters end_date, start_date."],
            "bytes_scanned": None,
            "cache_hit": False,
        },
    }


@pytest.mark.parametrize("database", ["warehouse", "lite"])
def test_values_are_bound_and_not_written_into_the_text(
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


def test_the_limit_cuts_the_rows_with_a_warning(
    call: Callable[..., Any], warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's limit applies if it is lower than the caller's."""
    query = {"query": "SELECT * FROM range(5)"}
    assert call("POST", URL, json=query | {"limit": 5}).json["truncated"] is False
    capped = call("POST", URL, json=query | {"limit": 4}).json
    assert (capped["rows_returned"], capped["truncated"]) == (4, True)
    set_options(monkeypatch, query_max_rows=3)
    lowered = call("POST", URL, json=query | {"limit": 5, "timeout_seconds": 1000}).json
    assert lowered["rows_returned"] == 3
    assert lowered["metadata"]["warnings"] == [
        "There are more rows than the limit of 3.",
        "limit was lowered from 5 to 3, the maximum that [platform] query_max_rows allows.",
        "timeout_seconds was lowered from 1000 to 100, "  # noqa: ISC004 - one sentence
        "the maximum that [platform] query_max_timeout allows.",
    ]


@pytest.mark.parametrize(("database", "kind"), [("warehouse", "duckdb"), ("lite", "sqlite")])
def test_a_query_is_stopped_when_its_time_is_up(
    call: Callable[..., Any], warehouse: Path, lite: Path, database: str, kind: str
) -> None:
    """The database itself stops: the response comes long before the query would end."""
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
        ({"query": "SELECT 1", "limit": True}, 400, "/limit"),
        ({"query": "SELECT 1", "timeout_seconds": 0}, 400, "/timeout_seconds"),
        ({"query": "SELECT 1", "timeout_seconds": 0.01}, 400, "/timeout_seconds"),
        ({"query": "SELECT 1", "timeout_seconds": 1e300}, 400, "/timeout_seconds"),
        ({"query": "SELECT 1", "timeout_seconds": "3"}, 400, "/timeout_seconds"),
        ({"query": "SELECT 1", "timeout_seconds": True}, 400, "/timeout_seconds"),
        ({"query": "SELECT :a", "parameters": {"a": {"b": 1}}}, 400, "/parameters/a"),
        ({"query": "SELECT :a", "parameters": {"a": [[1]]}}, 400, "/parameters/a"),
        ({"query": "SELECT :a", "parameters": {"a": [1] * 1001}}, 400, "/parameters/a"),
        ({"query": "SELECT 1", "parameters": {f"a{i}": 1 for i in range(101)}}, 400, "/parameters"),
        ({"query": "SELECT 1", "parameters": []}, 400, "/parameters"),
        ({"query": "SELECT 1", "user": "root"}, 400, "/user"),
    ],
)
def test_an_invalid_request_is_refused_with_the_field(
    call: Callable[..., Any], warehouse: Path, body: dict[str, Any], status: int, pointer: str
) -> None:
    answer = call("POST", URL, json=body)
    assert answer.status == status
    assert answer.json["error"]["details"]["errors"][0]["pointer"] == pointer


def test_an_unknown_connection_is_not_found(call: Callable[..., Any]) -> None:
    answer = call("POST", URL, json={"query": "SELECT 1", "database": "nowhere"})
    assert (answer.status, answer.json["error"]["details"]) == (404, {"database": "nowhere"})


def test_a_connection_that_is_not_for_sql_is_refused(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WEB", "http://user:hunter2@127.0.0.1")
    answer = call("POST", URL, json={"query": "SELECT 1", "database": "web"})
    assert answer.status == 400
    assert "hunter2" not in answer.text


def test_the_error_of_an_unreachable_database_has_no_details(
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
def test_duckdb_reads_only_its_own_file(call: Callable[..., Any], warehouse: Path, sql: str) -> None:
    answer = call("POST", URL, json={"query": sql})
    assert answer.status == 400
    assert "root" not in answer.text


def test_a_query_waits_for_a_kit_that_is_writing(warehouse: Path) -> None:
    """As long as the query may take; then the database is reported as unreachable."""
    import subprocess
    import sys

    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(warehouse)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"open\n"
    source = Source(Connection(conn_id="w", conn_type="duckdb", host=str(warehouse)), trusted=True)
    limits = Limits(rows=2, bytes=1000, seconds=0.5, memory=2**28)
    with pytest.raises((ServiceUnavailable, TimedOut)):
        execution.execute(source, "SELECT 1 AS a", {}, limits)
    writer.communicate()
    assert execution.execute(source, "SELECT 1 AS a", {}, limits._replace(seconds=30)).rows == [[1]]


def test_columns_have_the_order_of_the_query(call: Callable[..., Any], warehouse: Path) -> None:
    """In the text of the response too: most clients keep the order of an object's names."""
    answer = call("POST", URL, json={"query": "SELECT 1 AS z, 2 AS a, 3 AS m, 4 AS a"})
    assert list(answer.json["data"][0].items()) == [("z", 1), ("a", 2), ("m", 3), ("a_2", 4)]
    assert [column["name"] for column in answer.json["metadata"]["columns"]] == ["z", "a", "m", "a_2"]


def test_queries_leave_web_workers_free(
    call: Callable[..., Any], warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four workers at most two run queries; a further query gets 503 with Retry-After."""
    monkeypatch.setattr("airflow.settings.AIRFLOW_HOME", str(tmp_path))
    with wait_slots.query() as first, wait_slots.query() as second:
        assert (first, second) == (True, True)
        answer = call("POST", URL, json={"query": "SELECT 1 AS a"})
        assert (answer.status, answer.json["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert answer.headers["Retry-After"] == "5"
    assert call("POST", URL, json={"query": "SELECT 1 AS a"}).status == 200


def test_the_number_of_hanging_queries_is_limited(warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that hangs keeps its thread; there is a maximum number of such threads."""
    monkeypatch.setattr(query_thread, "_slots", threading.BoundedSemaphore(1))
    source = Source(Connection(conn_id="w", conn_type="duckdb", host=str(warehouse)), trusted=True)
    limits = Limits(rows=2, bytes=1000, seconds=30, memory=2**28)
    assert query_thread._slots.acquire()
    with pytest.raises(ServiceUnavailable, match="not ended"):
        execution.execute(source, "SELECT 1 AS a", {}, limits)
    query_thread._slots.release()
    assert execution.execute(source, "SELECT 1 AS a", {}, limits).rows == [[1]]
    assert query_thread._slots.acquire(timeout=30), "a query that has ended frees its slot"


def test_each_query_is_in_the_audit_log(call: Callable[..., Any], warehouse: Path, session: Any) -> None:
    """With user, connection and status; of the SQL only its tables and a hash."""
    sql = "SELECT customer_segment FROM gold.dim_customer WHERE customer_segment = 'hunter2'"
    query_id = call("POST", URL, json={"query": sql}).json["query_id"]
    call("POST", URL, json={"query": "DROP TABLE hunter2"})
    call("POST", URL, json={"query": "SELECT 'hunter2'", "database": "nowhere"})
    rows = session.scalars(select(Log).where(Log.event == "platform.execute_query").order_by(Log.id)).all()
    changes = [json.loads(row.extra)["changes"][0] for row in rows]
    assert {row.owner for row in rows} == {"admin"}
    assert [(change["id"], change["after"]["queried"]["status"]) for change in changes] == [
        ("warehouse", "completed"),
        ("warehouse", "VALIDATION_ERROR"),
        ("nowhere", "RESOURCE_NOT_FOUND"),
    ]
    first = changes[0]["after"]["queried"]
    assert (first["query_id"], first["tables"], first["rows"]) == (query_id, ["dim_customer"], 0)
    assert first["sql_sha256"] == hashlib.sha256(sql.encode()).hexdigest()
    assert not any("hunter2" in row.extra for row in rows)


@pytest.mark.parametrize(
    "sql", ["SELECT " + "(" * 40_000, "SELECT 1" + "+1" * 40_000, "SELECT " + "[" * 40_000]
)
def test_sql_that_would_overflow_the_stack_is_refused(
    call: Callable[..., Any], warehouse: Path, sql: str
) -> None:
    answer = call("POST", URL, json={"query": sql})
    assert (answer.status, answer.json["error"]["details"]["errors"][0]["pointer"]) == (400, "/query")


def test_sql_values_become_json(call: Callable[..., Any], warehouse: Path) -> None:
    sql = (
        "SELECT 1.5::DECIMAL(9,2) AS d, DATE '2024-01-02' AS day, 'nan'::DOUBLE AS nan, NULL AS nothing, "
        "[1, 2] AS list, {'a': 1} AS struct, true AS yes, '\\xAA'::BLOB AS blob"
    )
    assert call("POST", URL, json={"query": sql}).json["data"] == [
        {
            "d": 1.5,
            "day": "2024-01-02",
            "nan": "NaN",
            "nothing": None,
            "list": [1, 2],
            "struct": {"a": 1},
            "yes": True,
            "blob": "qg==",
        }
    ]
