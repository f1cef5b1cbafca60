"""Queries on a real ClickHouse."""

import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import servers
from airflow.models.connection import Connection

from airflow_platform_plugin.analytics import engines, execution
from airflow_platform_plugin.analytics.engines import base
from airflow_platform_plugin.analytics.engines.base import Limits, Source
from airflow_platform_plugin.analytics.statement import Statement
from airflow_platform_plugin.core.errors import TimedOut, ValidationFailed

LIMITS = Limits(rows=1001, bytes=1_000_000, seconds=20.0, memory=256 * 2**20)
pytestmark = pytest.mark.skipif(
    shutil.which("clickhouse-server") is None, reason="clickhouse-server is not packaged everywhere"
)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with a table ``victim`` of a hundred rows."""
    server = servers.clickhouse()
    for sql in (
        "CREATE TABLE victim (id UInt64, x String) ENGINE = Memory",
        "INSERT INTO victim SELECT number, toString(number) FROM numbers(100)",
    ):
        requests.post(server.url, data=sql, timeout=10).raise_for_status()
    yield server.url
    server.stop()


@pytest.fixture
def source(url: str) -> Source:
    """Return the server as a connection."""
    _, _, place = url.partition("://")
    host, port = place.split(":")
    return Source(Connection(conn_id="ch", conn_type="clickhouse", host=host, port=int(port)), trusted=False)


def query(source: Source, sql: str, limits: Limits = LIMITS, **parameters: Any) -> execution.Result:
    """Run a query as the service does."""
    return execution.execute(source, sql, parameters, limits)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE victim",
        "DROP TABLE victim",
        "INSERT INTO victim VALUES (1, 'x')",
        "CREATE TABLE pwned (x Int8) ENGINE = Memory",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1', system, one)",
        "SELECT 1 INTO OUTFILE '/tmp/platform-attack'",
    ],
)
def test_the_server_itself_accepts_only_one_query_that_reads(source: Source, url: str, sql: str) -> None:
    """Without the guard."""
    engine = engines.of(source, LIMITS)
    engine.open()
    with pytest.raises(base.Refused):
        engine.execute(Statement((sql,), frozenset(), ()), {})
    engine.close()
    rows = requests.post(url, data="SELECT count() FROM victim", timeout=10)
    assert rows.text == "100\n"


def test_values_of_every_kind(source: Source) -> None:
    result = query(
        source,
        "SELECT 'x' AS b, 1.5 AS f, toDecimal64(1.5, 2) AS d, 9007199254740993 AS l, 0 / 0 AS n, "
        "-1 / 0 AS i, [1, 2] AS xs, NULL AS z, toDate('2024-01-02') AS day",
    )
    names = [column.name for column in result.columns]
    assert dict(zip(names, result.rows[0], strict=True)) == {
        "b": "x",
        "f": 1.5,
        "d": 1.5,
        "l": "9007199254740993",
        "n": "NaN",
        "i": "-Infinity",
        "xs": [1, 2],
        "z": None,
        "day": "2024-01-02",
    }
    assert [column.type for column in result.columns][:4] == ["String", "Float64", "Decimal(18, 2)", "UInt64"]


def test_values_are_bound(source: Source) -> None:
    text = "it's \\ 100% of {x} :no ünï' OR 1"
    sql = (
        "SELECT :text AS t, :none AS n, '{y}' AS y, id FROM victim WHERE id IN (:ids) AND id < :m ORDER BY id"
    )
    assert query(source, sql, text=text, none=None, ids=[1, 2, 3], m=2.5).rows == [
        [text, None, "{y}", 1],
        [text, None, "{y}", 2],
    ]


def test_a_query_is_stopped_when_its_time_is_up(source: Source, url: str) -> None:
    """At the server too."""
    started = time.monotonic()
    with pytest.raises(TimedOut):
        query(source, "SELECT sum(sipHash64(number)) AS s FROM system.numbers", LIMITS._replace(seconds=0.5))
    assert time.monotonic() - started < 10
    deadline = time.monotonic() + 30
    running = "SELECT count() FROM system.processes WHERE query LIKE 'SELECT sum(sip%'"
    while requests.post(url, data=running, timeout=10).text != "0\n":
        assert time.monotonic() < deadline


def test_a_result_is_cut(source: Source) -> None:
    result = query(source, "SELECT * FROM victim", LIMITS._replace(rows=11))
    assert (len(result.rows), result.truncated) == (10, True)
    long = "concat(x, '" + "x" * 50_000 + "')"
    with pytest.raises(ValidationFailed, match="memory"):
        query(source, f"SELECT {long} AS x FROM victim", LIMITS._replace(bytes=100_000))  # noqa: S608 - a test's


def test_the_message_says_what_is_wrong(source: Source) -> None:
    with pytest.raises(ValidationFailed, match="refused it: Code: 47: Unknown identifier: nope"):
        query(source, "SELECT nope FROM victim")
