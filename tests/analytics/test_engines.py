"""The engines on real databases: what the server itself allows, how queries end, and values."""

import io
import json
import re
import socket
import time
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import corpora
import psutil
import pytest
from airflow.models.connection import Connection
from databases import Database

from airflow_platform_plugin.analytics import (
    embedded_process,
    engines,
    execution,
    guard,
    query_errors,
    query_thread,
    values,
)
from airflow_platform_plugin.analytics.engines import base, embedded
from airflow_platform_plugin.analytics.engines.base import Limits, Source
from airflow_platform_plugin.analytics.statement import Statement
from airflow_platform_plugin.core.errors import PlatformError, TimedOut, ValidationFailed

LIMITS = Limits(rows=1001, bytes=1_000_000, seconds=20.0, memory=256 * 2**20)
DIALECTS = ["postgres", "mysql", "duckdb", "sqlite"]


def unguarded(database: Database, sql: str, limits: Limits = LIMITS) -> list[list[Any]]:
    """Return the rows of a statement that the guard has not read, as the service runs it."""
    engine = engines.of(Source(database.connection, trusted=True, for_all=True), limits)
    statement = Statement(parts=(sql,), names=frozenset(), tables=())
    try:
        engine.open()
        engine.execute(statement, {})
        return [list(row) for row in engine.rows()]
    finally:
        engine.close()


def query(database: Database, sql: str, limits: Limits = LIMITS, **parameters: Any) -> execution.Result:
    """Run a query as the service does."""
    return execution.execute(Source(database.connection, trusted=True, for_all=True), sql, parameters, limits)


class _Here:
    """Run the embedded process in this one, without its limits: hundreds of processes would take long."""

    def __init__(self, *_: object, **__: object) -> None:
        self.stdin, self.stdout = io.StringIO(), io.StringIO()

    def kill(self) -> None: ...

    def wait(self) -> None: ...

    def answer(self) -> None:
        request = json.loads(self.stdin.getvalue())
        with redirect_stdout(self.stdout):
            embedded_process.run(request)
        self.stdout.seek(0)


def in_this_process(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run queries on a database in a file without processes, for tests with many queries."""
    if database.dialect not in {"duckdb", "sqlite"}:
        return
    monkeypatch.setattr(embedded.subprocess, "Popen", _Here)
    read = embedded.Embedded._read

    def answered(self: Any, wanted: str) -> Any:
        if wanted == "columns":
            self._running.answer()
        return read(self, wanted)

    monkeypatch.setattr(embedded.Embedded, "_read", answered)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE victim",
        "SELECT 1; COMMIT; DROP TABLE victim",
        "SELECT 1; ROLLBACK; CREATE TABLE pwned (x INTEGER); SELECT 2",
        "DROP TABLE victim",
        "DELETE FROM victim",
        "UPDATE victim SET x = 2",
        "INSERT INTO victim VALUES (2, 2)",
        "CREATE TABLE pwned (x INTEGER)",
    ],
)
def test_the_server_itself_accepts_only_one_query_that_reads(database: Database, sql: str) -> None:
    """Without the guard, and whatever a driver's next version sends by default."""
    with pytest.raises(base.Refused):
        unguarded(database, sql)
    assert "pwned" not in database.tables()
    assert database.run("SELECT * FROM victim") == [(1, 1)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_attack_changes_a_table_even_without_the_guard(
    dialect: str, request: pytest.FixtureRequest, attack_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All attacks of the corpus, as the most powerful user."""
    database: Database = request.getfixturevalue(dialect)
    in_this_process(database, monkeypatch)
    before = database.tables()
    for attack in corpora.hostile():
        if attack.dialect != dialect:
            continue
        with suppress(base.EngineError, UnicodeError, ValueError):
            unguarded(database, attack.statement, LIMITS._replace(seconds=1.0))
        assert database.tables() == before, attack.label
        assert database.run("SELECT * FROM victim") == [(1, 1)], attack.label


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_attack_has_an_effect(
    dialect: str, request: pytest.FixtureRequest, attack_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a table or a file; and each one ends with a response."""
    database: Database = request.getfixturevalue(dialect)
    in_this_process(database, monkeypatch)
    before = database.tables()
    for attack in corpora.hostile():
        if attack.dialect != dialect:
            continue
        with suppress(PlatformError):
            query(database, attack.statement, LIMITS._replace(seconds=1.0))
        assert not [path for path in attack_files.rglob("*") if path.is_file()], attack.label
    assert database.tables() == before
    assert database.run("SELECT * FROM victim") == [(1, 1)]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_ordinary_queries_return_the_rows_that_the_driver_returns(
    dialect: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All queries that the guard accepts; the guard's own tests check which."""
    database: Database = request.getfixturevalue(dialect)
    in_this_process(database, monkeypatch)
    wrong, compared = {}, 0
    for legit in corpora.legit():
        if legit.dialect != dialect or legit.refused or not _is_let_through(legit):
            continue
        try:
            rows = query(database, legit.statement).rows
        except PlatformError as error:
            wrong[legit.statement] = error.message
            continue
        plain = database.run(legit.statement)
        compared += 1
        if [len(row) for row in plain] != [len(row) for row in rows] or not all(
            map(_same, chain(*plain), chain(*rows))
        ):
            wrong[legit.statement] = f"{plain[:2]} is not {rows[:2]}"
    assert not wrong, "\n".join(f"{sql}: {what}" for sql, what in wrong.items())
    assert compared > 80


def _is_let_through(legit: corpora.Query) -> bool:
    with suppress(ValidationFailed):
        return bool(guard.read(legit.statement, legit.dialect))
    return False


def _same(plain: Any, answered: Any) -> bool:
    """Return whether a result equals the driver's value; Python has no exact intervals and composites."""
    if isinstance(plain, (timedelta, tuple)):
        return isinstance(answered, (str, list))
    (((made,),)) = values.settle([[values.plain(plain)]])
    with suppress(TypeError, ValueError):
        return f"{float(made):.10g}" == f"{float(answered):.10g}"
    return bool(made == answered)


# Takes long on every machine.
ENDLESS = {
    "postgres": "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b",
    "mysql": "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f, orders g",
    "duckdb": "SELECT count(*) FROM range(100000000000) a, range(1000) b WHERE a.range * b.range % 7 = 3",
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_query_is_stopped_when_its_time_is_up(dialect: str, request: pytest.FixtureRequest) -> None:
    """At once for the caller, and at the database, which is asked what still runs there."""
    database: Database = request.getfixturevalue(dialect)
    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"after 0\.5 seconds"):
        query(database, ENDLESS[dialect], LIMITS._replace(seconds=0.5))
    assert time.monotonic() - started < 10
    _wait_for(lambda: not _still_runs(database))


def _still_runs(database: Database) -> bool:
    match database.dialect:
        case "postgres":
            found = "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'FETCH%'"
        case "mysql":
            found = "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT count%'"
        case _:
            return any(_is_query(child) for child in psutil.Process().children())
    return bool(database.run(found))


def _is_query(child: psutil.Process) -> bool:
    try:
        return "embedded_process.main" in " ".join(child.cmdline())
    except psutil.NoSuchProcess:  # it has just ended, and may be a zombie still
        return False


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_sleep_is_stopped_when_its_time_is_up_on_mysql(mysql: Database) -> None:
    """A sleeping statement reads no row, so only KILL QUERY ends it."""
    started = time.monotonic()
    with pytest.raises(TimedOut):
        query_thread.run(_thread(mysql, "SELECT SLEEP(20)", LIMITS._replace(seconds=0.5)), lambda: False)
    assert time.monotonic() - started < 10
    _wait_for(
        lambda: not mysql.run("SELECT 1 FROM information_schema.processlist WHERE info LIKE '%SLEEP(20)'")
    )


def _thread(database: Database, sql: str, limits: Limits) -> query_thread.QueryThread:
    engine = engines.of(Source(database.connection, trusted=True, for_all=True), limits)
    return query_thread.QueryThread(engine, Statement((sql,), frozenset(), ()), {})


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "clickhouse"])
def test_connecting_counts_toward_the_time(dialect: str) -> None:
    """A host that accepts the connection and sends nothing does not block a web worker."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        connection = Connection(conn_id="c", conn_type=dialect, host="127.0.0.1", port=port, login="me")
        started = time.monotonic()
        with pytest.raises(TimedOut):
            execution.execute(
                Source(connection, trusted=True, for_all=True), "SELECT 1", {}, LIMITS._replace(seconds=0.5)
            )
        assert time.monotonic() - started < 10


def test_a_query_is_stopped_when_its_client_goes_away(postgres: Database) -> None:
    with pytest.raises(TimedOut, match="went away"):
        execution.execute(
            Source(postgres.connection, trusted=True, for_all=True),
            ENDLESS["postgres"],
            {},
            LIMITS,
            abandoned=lambda: True,
        )
    _wait_for(lambda: not _still_runs(postgres))


MANY = {
    "postgres": "SELECT i AS a, 'x' AS b FROM generate_series(1, 1000000) AS i",
    "mysql": "SELECT a.id AS a, 'x' AS b FROM orders a, orders b, orders c, orders d",
    "duckdb": "SELECT range AS a, 'x' AS b FROM range(1000000)",
    "sqlite": "WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n) SELECT a, 'x' AS b FROM n",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_result_is_cut_at_the_limits_with_a_warning(dialect: str, request: pytest.FixtureRequest) -> None:
    """The remaining rows are not fetched and not waited for."""
    database: Database = request.getfixturevalue(dialect)
    result = query(database, MANY[dialect], LIMITS._replace(rows=11))
    assert (len(result.rows), result.truncated) == (10, True)
    assert result.warnings[-1] == "There are more rows than the limit of 10."
    result = query(database, MANY[dialect], LIMITS._replace(bytes=1000))
    assert 10 < len(result.rows) < 100
    assert result.truncated
    assert "1000 bytes" in result.warnings[-1]


HUGE = {
    "postgres": "SELECT repeat('x', 200000000) AS x FROM generate_series(1, 1000)",
    "mysql": "SELECT repeat('x', 15000000) AS x FROM orders a, orders b",
    "duckdb": "SELECT repeat('x', 50000000) AS x FROM range(1000000)",
    "sqlite": "WITH RECURSIVE n(i, x) AS (SELECT 1, 'xx' UNION ALL SELECT i + 1, x || x FROM n WHERE i < 37) "
    "SELECT max(x) AS x FROM n",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_huge_cells_do_not_fill_the_memory(dialect: str, request: pytest.FixtureRequest) -> None:
    """Two hundred gigabytes: the response has no rows, and says why."""
    database: Database = request.getfixturevalue(dialect)
    before = psutil.Process().memory_info().rss
    assert re.search("memory|too big|1000000 bytes", _outcome(database, HUGE[dialect]))
    assert psutil.Process().memory_info().rss - before < 1000 * 2**20


def _outcome(database: Database, sql: str) -> str:
    try:
        result = query(database, sql)
    except ValidationFailed as error:
        return error.message
    assert (result.rows, result.truncated) == ([], True)
    return result.warnings[-1]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_columns_keep_their_order_and_names(dialect: str, request: pytest.FixtureRequest) -> None:
    """The second column of a name gets a number."""
    database: Database = request.getfixturevalue(dialect)
    result = query(database, "SELECT id AS z, qty AS a, id AS m, qty AS a FROM orders ORDER BY id LIMIT 1")
    assert [column.name for column in result.columns] == ["z", "a", "m", "a_2"]
    assert result.rows == [[1, 1, 1, 1]]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_values_of_every_kind_are_bound(dialect: str, request: pytest.FixtureRequest) -> None:
    database: Database = request.getfixturevalue(dialect)
    text = "it's \\ 100% of {x} :no ünï"
    result = query(database, "SELECT :text AS t, :none AS n", text=text, none=None)
    assert result.rows == [[text, None]]
    found = query(
        database,
        "SELECT id FROM orders WHERE id > :low AND id < :high AND amount > :amount AND status LIKE '%' "
        "ORDER BY id",
        low=3,
        high=6,
        amount=29.5,
    )
    assert found.rows == [[5]]
    assert query(
        database, "SELECT name FROM customers WHERE vip = :yes ORDER BY id LIMIT 1", yes=True
    ).rows == [["c3"]]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("place", ["IN (:ids)", "IN :ids", "in ( :ids )"])
def test_a_list_can_be_used_with_in(dialect: str, place: str, request: pytest.FixtureRequest) -> None:
    database: Database = request.getfixturevalue(dialect)
    if dialect == "postgres" and place == "IN :ids":
        pytest.skip("its grammar has no IN without parentheses")
    sql = f"SELECT id FROM orders WHERE id {place} AND id <> :other ORDER BY id"  # noqa: S608 - a test's own SQL
    assert query(database, sql, ids=[1, 2, 3], other=2).rows == [[1], [3]]
    with pytest.raises(ValidationFailed, match="empty list"):
        query(database, sql, ids=[], other=2)


def test_a_list_is_an_array_on_databases_that_have_arrays(
    postgres: Database, duckdb: Database, sqlite: Database
) -> None:
    assert query(postgres, "SELECT id FROM orders WHERE id = ANY(:ids) ORDER BY id", ids=[1, 2]).rows == [
        [1],
        [2],
    ]
    assert query(duckdb, "SELECT len(:ids) AS n", ids=[1, 2]).rows == [[2]]
    with pytest.raises(ValidationFailed, match="can be used only as IN"):
        query(sqlite, "SELECT length(:ids) AS n", ids=[1, 2])


KINDS = {
    "postgres": (
        (
            "SELECT 1.50::numeric(9,2) AS d, avg(id) AS mean, 'NaN'::float8 AS nan, "
            "'-infinity'::float8 AS low, 'infinity'::date AS never, '0044-03-15 BC'::date AS old, "
            "'2024-01-02 03:04:05+00'::timestamptz AS at, '24:00'::time AS late, "
            "interval '1 year 2 days 3.5 s' AS i, '\\xaa'::bytea AS b, '{\"a\":[1]}'::jsonb AS j, "
            "ARRAY[[1,2],[3,4]] AS xs, '127.0.0.1'::inet AS ip, int4range(1, 3) AS r, "
            "9007199254740993 AS long, 12345678901234567.25 AS exact, '10:00'::time AS t, "
            "1e30::numeric AS big "
            "FROM (VALUES (1), (1), (2)) AS v(id)"
        ),
        {
            "d": 1.5,
            "mean": 4 / 3,
            "nan": "NaN",
            "low": "-Infinity",
            "never": "infinity",
            "old": "0044-03-15 BC",
            "at": "2024-01-02T03:04:05+00:00",
            "late": "24:00:00",
            "i": "P1Y2DT3.5S",
            "b": "qg==",
            "j": {"a": [1]},
            "xs": [[1, 2], [3, 4]],
            "ip": "127.0.0.1",
            "r": "[1,3)",
            "long": "9007199254740993",
            "exact": "12345678901234567.25",
            "t": "10:00:00",
            "big": 1e30,
        },
    ),
    "mysql": (
        (
            "SELECT CAST(1.5 AS DECIMAL(9,2)) AS d, CAST('2024-01-02' AS DATE) AS day, "
            "CAST('-838:59:59' AS TIME) AS t, x'aa' AS b, 9007199254740993 AS `long`, NULL AS nothing, "
            "CAST('2024-01-02 03:04:05' AS DATETIME) AS at"
        ),
        {
            "d": 1.5,
            "day": "2024-01-02",
            "t": "-838:59:59",
            "b": "qg==",
            "long": "9007199254740993",
            "nothing": None,
            "at": "2024-01-02T03:04:05",
        },
    ),
    "duckdb": (
        (
            "SELECT 1.5::DECIMAL(9,2) AS d, DATE 'infinity' AS never, INTERVAL '1 year 2 days' AS i, "
            "'nan'::DOUBLE AS nan, {'a': 1} AS s, [1, 2] AS xs, MAP {'k': 1} AS m, '\\xAA'::BLOB AS b, "
            "170141183460469231731687303715884105727::HUGEINT AS h, TIMESTAMP '2024-01-02 03:04:05.5' AS at, "
            "'2024-01-02 03:04:05' AS plain, TIMESTAMP '0044-03-15 (BC) 00:00:00' AS old"
        ),
        {
            "d": 1.5,
            "never": "infinity",
            "i": "1 year 2 days",
            "nan": "NaN",
            "s": {"a": 1},
            "xs": [1, 2],
            "m": {"k": 1},
            "b": "qg==",
            "h": "170141183460469231731687303715884105727",
            "at": "2024-01-02T03:04:05.5",
            "plain": "2024-01-02 03:04:05",
            "old": "0044-03-15 (BC) 00:00:00",
        },
    ),
    "sqlite": (
        "SELECT 1.5 AS d, x'aa' AS b, 9007199254740993 AS long, 1e999 AS inf, NULL AS n, 'é' AS t",
        {"d": 1.5, "b": "qg==", "long": "9007199254740993", "inf": "Infinity", "n": None, "t": "é"},
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_value_loses_precision(dialect: str, request: pytest.FixtureRequest) -> None:
    """A value that Python or JSON cannot represent is the database's text."""
    database: Database = request.getfixturevalue(dialect)
    sql, expected = KINDS[dialect]
    result = query(database, sql)
    assert dict(zip([column.name for column in result.columns], result.rows[0], strict=True)) == expected


def test_columns_have_the_databases_names_of_types(
    postgres: Database, mysql: Database, duckdb: Database
) -> None:
    sql = "SELECT id, amount, status, ordered_at FROM orders LIMIT 1"
    kinds = [[column.type for column in query(d, sql).columns] for d in (postgres, mysql, duckdb)]
    assert kinds == [
        ["int4", "numeric(10,2)", "varchar(10)", "timestamp"],
        ["int", "decimal", "varchar", "timestamp"],
        ["INTEGER", "DECIMAL(10,2)", "VARCHAR", "TIMESTAMP"],
    ]


def test_a_superusers_connection_causes_a_warning(postgres: Database) -> None:
    """Only the guard keeps a superuser from calling functions with effects."""
    assert any("superuser" in warning for warning in query(postgres, "SELECT 1 AS a").warnings)
    postgres.run("CREATE ROLE reader LOGIN", "GRANT SELECT ON orders TO reader")
    reader = replace(postgres, fields={**postgres.fields, "login": "reader"})
    assert query(reader, "SELECT id FROM orders LIMIT 1").warnings == []


def test_a_databases_message_reveals_nothing_about_its_server(postgres: Database, sqlite: Database) -> None:
    """It says only what is wrong with the query."""
    with pytest.raises(ValidationFailed, match='relation "nowhere" does not exist'):
        query(postgres, "SELECT * FROM nowhere")
    failing = engines.of(Source(postgres.connection, trusted=True, for_all=True), LIMITS)
    failing.connection.password = "hunter2"
    text = "at 10.1.2.3:5432 could not open /var/lib/postgresql/secret.key with hunter2 (s3://bucket/key)"
    error = query_errors.public_error(base.Refused(text), failing)
    assert str(error) == "/query: the database refused it: at … could not open … with … (…"


@pytest.mark.parametrize(
    ("fields", "extra"),
    [
        ({"host": None}, {}),
        ({"host": "/var/run/postgresql"}, {}),
        ({"host": "localhost,/var/run/postgresql"}, {}),
        ({}, {"options": "-c default_transaction_read_only=off"}),
        ({}, {"options": "-c search_path=x -c local_preload_libraries=evil"}),
        ({}, {"options": "--default_transaction_read_only=off"}),
        ({}, {"iam": True}),
    ],
)
def test_a_tenants_connection_needs_a_host_and_has_no_unsafe_options(
    postgres: Database, fields: dict[str, Any], extra: dict[str, Any]
) -> None:
    """No socket of the server, which trusts its users; no setting that allows writing."""
    connection = Connection(conn_id="c", **{**postgres.fields, **fields}, extra=json.dumps(extra))
    with pytest.raises(ValidationFailed) as refused:
        execution.execute(Source(connection, trusted=False), "SELECT 1 AS a", {}, LIMITS)
    assert refused.value.details["errors"][0]["pointer"] == "/database"


def test_options_change_what_a_query_means_and_not_what_it_may_do(postgres: Database) -> None:
    """Files, services and programs that libpq takes from a connection's extra are not read."""
    extra = {
        "options": "-c search_path=pg_catalog,public -c timezone=Europe/Berlin",
        "service": "evil",
        "passfile": "/etc/passwd",
        "sslcert": "/etc/passwd",
        "sslmode": "prefer",
    }
    connection = Connection(conn_id="c", **postgres.fields, extra=json.dumps(extra))
    sql = (
        "SELECT name, setting FROM pg_settings WHERE name IN "
        "('search_path', 'TimeZone', 'default_transaction_read_only', 'standard_conforming_strings') "
        "ORDER BY lower(name)"
    )
    engine = engines.of(Source(connection, trusted=False), LIMITS)
    engine.open()
    engine.execute(Statement((sql,), frozenset(), ()), {})
    rows = [tuple(row) for row in engine.rows()]
    engine.close()
    assert dict(rows) == {
        "default_transaction_read_only": "on",
        "search_path": "pg_catalog,public",
        "standard_conforming_strings": "on",
        "TimeZone": "Europe/Berlin",
    }


def test_a_tenant_cannot_read_airflows_database(sqlite: Database, tmp_path: Path, monkeypatch: Any) -> None:
    """Under no other name of its file either."""
    from airflow_platform_plugin import airflow_compat

    own = [f"sqlite:///{sqlite.fields['host']}"]
    monkeypatch.setattr(airflow_compat.connections, "airflow_service_urls", lambda: own)
    (tmp_path / "link.db").hardlink_to(sqlite.fields["host"])
    connection = Connection(conn_id="c", conn_type="sqlite", host=str(tmp_path / "link.db"))
    with pytest.raises(ValidationFailed, match="Airflow's own database"):
        execution.execute(Source(connection, trusted=False), "SELECT 1 AS a", {}, LIMITS)


@pytest.mark.parametrize("kind", ["oracle", "mssql", "trino", "presto", "snowflake", "", "http"])
def test_a_tenant_can_query_only_known_types_of_databases(kind: str) -> None:
    """It is unknown whether the driver of another type accepts several statements."""
    connection = Connection(conn_id="c", conn_type=kind, host="localhost")
    with pytest.raises(ValidationFailed, match="cannot be queried"):
        execution.execute(Source(connection, trusted=False), "SELECT 1 AS a", {}, LIMITS)


def test_only_an_operator_can_query_other_types_of_databases(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is sqlglot's, the session cannot write, and no connection is looked up by name."""
    from airflow_platform_plugin.analytics.engines.generic import GenericEngine

    monkeypatch.setattr(engines, "_ENGINES", {})
    monkeypatch.setattr(Connection, "get_connection_from_secrets", None)
    connection = postgres.connection
    assert type(engines.of(Source(connection, trusted=True, for_all=True), LIMITS)) is GenericEngine
    result = query(postgres, "SELECT id, :x AS x FROM orders WHERE status <> ':no' ORDER BY id", x="y")
    assert result.rows[:2] == [[1, "y"], [2, "y"]]
    with pytest.raises(TimedOut):
        query(postgres, ENDLESS["postgres"], LIMITS._replace(seconds=0.5))
    monkeypatch.setattr(Statement, "render_regenerated", Statement.render)
    for sql in ("DELETE FROM victim", "CREATE TABLE pwned (x INTEGER)"):
        with pytest.raises(base.Refused, match=r"read-only|syntax error"):
            unguarded(postgres, sql)
