"""Reading a user's SQL. Pure."""

import pytest
from sqlalchemy import text

from airflow_platform_plugin.analytics import guard
from airflow_platform_plugin.errors import ValidationFailed


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT 1", set()),
        ("SELECT * FROM t WHERE a >= :start_date AND b = :b", {"start_date", "b"}),
        ("SELECT :day::date", {"day"}),
        ("SELECT a::date, ':no', '12:30' FROM t -- :no\n/* :no */ WHERE x=:yes", {"yes"}),
        ("SELECT {'a':b}, xs[1:n], (:x)", {"x"}),
        ('SELECT ":no" FROM t', set()),
    ],
)
def test_placeholders_are_found_by_tokens(sql: str, names: set[str]) -> None:
    """SQLAlchemy then sees the same ones, and nothing else."""
    statement = guard.read(sql, "duckdb")
    assert statement.names == names
    assert (
        set(text(statement.render(":{}".format, lambda part: part.replace(":", "\\:"))).compile().params)
        == names
    )


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM t",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DROP TABLE t",
        "CREATE TABLE t AS SELECT 1",
        "SELECT 1 INTO t",
        "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone",
        "SELECT 1; DROP TABLE t",
        "COPY t TO '/tmp/x'",
        "ATTACH '/etc/passwd'",
        "SET a = 1",
        "CALL f()",
        "",
        "-- nothing",
        "SELEC 1 FRM",
        "SELECT 'open",
    ],
)
@pytest.mark.parametrize("dialect", ["duckdb", "postgres", None])
def test_all_but_one_query_is_refused(sql: str, dialect: str | None) -> None:
    with pytest.raises(ValidationFailed) as refused:
        guard.read(sql, dialect)
    assert refused.value.details["errors"][0]["pointer"] == "/query"


def test_tables_are_told_without_common_table_expressions() -> None:
    sql = "WITH a AS (SELECT * FROM gold.x) SELECT * FROM a JOIN silver.y USING (z) JOIN w USING (z);"
    assert guard.read(sql, "duckdb").tables == (("", "w"), ("gold", "x"), ("silver", "y"))
