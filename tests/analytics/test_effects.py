"""Functions and tables that a query may not use. Pure."""

import re
from importlib import resources

import duckdb
import pytest
from test_guard import refusal

from airflow_platform_plugin.analytics import effects, lexer

FOLDER = resources.files("airflow_platform_plugin.analytics") / "functions"


def names(file: str) -> set[str]:
    return set((FOLDER / file).read_text("ascii").split())


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "sqlite", "duckdb", "clickhouse"])
def test_each_engine_has_its_lists(dialect: str) -> None:
    """The lists are part of the package, and a function with effects is in no other list."""
    allowed, effects_ = names(f"{dialect}.txt"), names(f"{dialect}.effects.txt")
    keywords = names("keywords.txt") | names(f"{dialect}.keywords.txt")
    assert len(allowed) > 100
    assert not allowed & effects_
    # Without quotes, brackets after these words are grammar and not a call.
    assert keywords & effects_ <= {"system", "bernoulli", "settings"}
    assert {"count", "sum", "coalesce", "lower", "substr"} <= allowed


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "sqlite", "duckdb", "clickhouse"])
def test_nothing_with_effects_can_be_called(dialect: str) -> None:
    """In any spelling of its name, in SELECT and in FROM."""
    keywords = names("keywords.txt") | names(f"{dialect}.keywords.txt")
    quote = "`{}`" if dialect == "mysql" else '"{}"'
    for name in sorted(names(f"{dialect}.effects.txt") - keywords):
        for spelling in (name, name.upper(), quote.format(name), f"{name} /* x */ "):
            assert refusal("SELECT " + f"{spelling}('a')", dialect), spelling
        assert refusal("SELECT * FROM t, ?(1) AS x".replace("?", name), dialect), name


def test_clickhouse_combinators_allow_no_harmful_function() -> None:
    assert not refusal(
        "SELECT sumIf(a, b), uniqExactStateIf(a, b), quantileMerge(0.5)(a) FROM t", "clickhouse"
    )
    assert refusal("SELECT sleepIf(1, 1)", "clickhouse")
    assert refusal("SELECT nosuchIf(1, 1)", "clickhouse")


def test_an_operator_can_allow_functions() -> None:
    """By name, with a schema, or by a pattern; other names stay refused."""
    sql = "SELECT my_rank(a), st_area(b), tools.clean(c) FROM t"
    assert "my_rank" in refusal(sql, "postgres")
    assert not refusal(sql, "postgres", ("My_Rank", "st_*", "tools.clean"))
    assert refusal("SELECT evil.my_rank(a) FROM t", "postgres", ("tools.*",))
    assert refusal("SELECT my_rank_2(a) FROM t", "postgres", ("my_rank",))


def test_an_alias_with_columns_is_not_a_call() -> None:
    """Only where sqlglot sees the alias: the same word elsewhere is still a call."""
    assert not refusal(
        "WITH getenv(x) AS (SELECT 1) SELECT * FROM getenv, range(2) t(y), (VALUES (1)) v(z)", "duckdb"
    )
    assert refusal("WITH getenv(x) AS (SELECT 1) SELECT getenv('HOME') FROM getenv", "duckdb")


def test_functions_that_postgresql_calls_with_a_dot_are_refused() -> None:
    for sql in (
        "SELECT ('/etc/passwd'::text).pg_read_file",
        "SELECT (x).a.pg_read_file FROM x",
        "SELECT (x)[1].pg_read_file FROM x",
        "SELECT :path.pg_read_file",
        "SELECT ('host=x'::text).\"dblink_connect\"",
    ):
        assert refusal(sql, "postgres"), sql
    assert not refusal("SELECT (t).date, t.system, t.time_in, (t).* FROM t", "postgres")


@pytest.mark.parametrize(
    "table", ["'x.csv'", '"x.csv"', '"s3://a/b"', "x.csv", 'a."b.parquet"', '"*"', '"/etc/passwd"']
)
def test_names_of_files_are_refused_as_tables_of_duckdb(table: str) -> None:
    for sql in ("FROM ?", "SELECT * FROM t, ?", "DESCRIBE ?", "SELECT * FROM t JOIN ? ON true"):
        assert refusal(sql.replace("?", table), "duckdb"), sql


def test_every_function_of_this_duckdb_is_known() -> None:
    """A new version's functions must be looked at: run scripts/function-lists."""
    rows = duckdb.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE internal").fetchall()
    found = {name.lower() for (name,) in rows if re.fullmatch(r"\w+", name)}
    assert found <= names("duckdb.txt") | names("duckdb.effects.txt")


def test_names_have_the_case_that_engines_compare() -> None:
    assert [
        effects.name_of(token) for token in lexer.lex('Ab "Ab" "a""b"', "postgres") if token.text != " "
    ] == [
        "ab",
        "Ab",
        'a"b',
    ]
