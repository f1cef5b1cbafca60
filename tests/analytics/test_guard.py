"""The guard reads a caller's SQL. Pure."""

import logging
import re

import pytest
from corpora import hostile, legit, spellings, variants
from sqlalchemy import text

from airflow_platform_plugin.analytics import guard
from airflow_platform_plugin.analytics.lexer import BLANK, Kind, lex
from airflow_platform_plugin.analytics.statement import Placeholder
from airflow_platform_plugin.core.errors import ValidationFailed

DIALECTS = ["postgres", "mysql", "sqlite", "duckdb", "clickhouse"]


def refusal(sql: str, dialect: str | None, functions: tuple[str, ...] = ()) -> str:
    """Return why a query is refused; empty if it is accepted."""
    try:
        guard.read(sql, dialect, functions=functions)
    except ValidationFailed as refused:
        return refused.message
    return ""


def test_a_refusal_names_the_field() -> None:
    with pytest.raises(ValidationFailed) as refused:
        guard.read("DROP TABLE t", "postgres")
    assert refused.value.details["errors"][0]["pointer"] == "/query"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_attacks_are_refused(dialect: str) -> None:
    """All but attacks that do no harm or that the engine itself prevents; the corpus says why."""
    attacks = [attack for attack in hostile() if attack.dialect == dialect]
    assert len(attacks) > 10
    passed = {attack for attack in attacks if not refusal(attack.statement, dialect)}
    assert passed == {attack for attack in attacks if attack.passes}
    assert not [attack for attack in passed if attack.effect]


def test_other_spellings_of_attacks_are_refused() -> None:
    found = variants()
    assert len(found) > 500
    assert [attack for attack in found if not refusal(attack[1], attack[0])] == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_ordinary_queries_are_sent_unchanged(dialect: str) -> None:
    """Except for comments: columns keep their names, and an engine's errors their positions."""
    queries = [query for query in legit() if query.dialect == dialect]
    assert len(queries) > 50
    wrong = []
    for query in queries:
        if query.refused.startswith("guard:"):
            assert refusal(query.statement, dialect)
            continue
        if (message := refusal(query.statement, dialect)) and not query.refused:
            wrong.append((query.statement, message))
        if not message:
            sent = guard.read(query.statement, dialect).render(str)
            assert sent == re.sub(r"/\* a comment \*/|-- the end", " ", query.statement)
    assert wrong == []


def test_harmless_queries_similar_to_attacks_are_accepted() -> None:
    assert [(query, why) for query in spellings() if (why := refusal(query[1], query[0]))] == []


def test_only_comments_and_the_last_semicolon_are_removed() -> None:
    queries = [(query.dialect, query.statement) for query in legit() if not query.refused]
    for dialect, sql in [*spellings(), *queries]:
        sent = "".join(
            f":{part.name}" if isinstance(part, Placeholder) else part
            for part in guard.read(sql, dialect).parts
        )
        kept = [token for token in lex(sql, dialect) if token.kind not in {*BLANK, Kind.END}]
        again = [token for token in lex(sent, dialect) if token.kind is not Kind.SPACE]
        assert [token.text for token in again] == [token.text for token in kept]


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
    """SQLAlchemy finds the same placeholders in the rendered text."""
    statement = guard.read(sql, "duckdb")
    assert statement.names == names
    sent = statement.render(":{}".format, lambda part: part.replace(":", "\\:"))
    assert set(text(sent).compile().params) == names


@pytest.mark.parametrize("dialect", [*DIALECTS, "snowflake", None])
def test_placeholders_work_wherever_a_value_does(dialect: str | None) -> None:
    sql = "SELECT :a + 1, coalesce(x, :b) FROM t WHERE y IN (:c, :d) AND z BETWEEN :e AND -:f LIMIT :g"
    statement = guard.read(sql, dialect)
    assert statement.names == set("abcdefg")
    assert statement.render("<{}>".format) == (
        "SELECT <a> + 1, coalesce(x, <b>) FROM t WHERE y IN (<c>, <d>) AND z BETWEEN <e> AND - <f> LIMIT <g>"
    )
    again = statement.render_regenerated("<{}>".format)
    assert re.findall(r"<(.)>", again) == list("abcdefg")


@pytest.mark.parametrize(
    "sql", ["SELECT * FROM :a", "SELECT 1 AS :a", "SELECT t.:a FROM t", "SELECT :a(1)", "SELECT :a'b'"]
)
def test_a_placeholder_can_only_be_a_value(sql: str) -> None:
    assert refusal(sql, "postgres")


def test_literals_are_escaped_apart_from_placeholders() -> None:
    statement = guard.read("SELECT '100%' WHERE a % :b = 0;", "postgres")
    assert statement.render("%({})s".format, lambda part: part.replace("%", "%%")) == (
        "SELECT '100%%' WHERE a %% %(b)s = 0"
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
        ";",
        "-- nothing",
        "SELEC 1 FRM",
        "SELECT 'open",
    ],
)
@pytest.mark.parametrize("dialect", ["duckdb", "postgres", None])
def test_anything_but_one_query_is_refused(sql: str, dialect: str | None) -> None:
    assert refusal(sql, dialect)


def test_tables_do_not_include_common_table_expressions() -> None:
    sql = "WITH a AS (SELECT * FROM gold.x) SELECT * FROM a JOIN silver.y USING (z) JOIN w USING (z);"
    assert guard.read(sql, "duckdb").tables == (("", "w"), ("gold", "x"), ("silver", "y"))


@pytest.mark.parametrize(
    "sql", ["SELECT 1; -- done", "SELECT 1 ;\n", "/* a\nb */ SELECT 1 -- c", "SELECT 1 /**/;"]
)
def test_a_semicolon_and_comments_at_the_end_are_accepted(sql: str) -> None:
    assert guard.read(sql, "postgres").render(str).strip() == "SELECT 1"


@pytest.mark.parametrize(
    ("sql", "dialect", "tables"),
    [
        ("SHOW TABLES", "duckdb", ()),
        ("DESCRIBE gold.x", "duckdb", (("gold", "x"),)),
        ("SUMMARIZE SELECT * FROM x", "duckdb", (("", "x"),)),
        ("SHOW COLUMNS FROM `a b`.x", "mysql", (("a b", "x"),)),
        ("DESCRIBE TABLE x;", "clickhouse", (("", "x"),)),
    ],
)
def test_safe_statements_that_show_tables_are_accepted(
    sql: str, dialect: str, tables: tuple[tuple[str, str], ...]
) -> None:
    assert guard.read(sql, dialect).tables == tables


@pytest.mark.parametrize(
    ("sql", "dialect", "instead"),
    [
        ("SHOW TABLES", "postgres", "information_schema.tables"),
        ("DESCRIBE x", "sqlite", "sqlite_master"),
        ("PRAGMA table_info(x)", "sqlite", "sqlite_master"),
        ("PIVOT t ON a USING sum(b) ORDER BY 1", "duckdb", "FROM t PIVOT"),
    ],
)
def test_a_refused_statement_says_what_to_write_instead(sql: str, dialect: str, instead: str) -> None:
    assert instead in refusal(sql, dialect)


def test_a_syntax_error_has_its_position() -> None:
    assert "line 2, column 14" in refusal("SELECT a -- x\nFROM t WHERE )", "postgres")


NESTED = [
    *(
        "(",
        "array[",
        "case ",
        "case when 1 then ",
        "f(",
        "date(",
        "char(",
        "decimal(",
        "timestamp(",
        "struct(",
    ),
    *(
        "row(",
        "- ",
        "not ",
        "interval ",
        "x -> ",
        "a ? b : ",
        "exists(select ",
        "[1]",
        "1+",
        "a and ",
        "a.",
        "[",
    ),
    *("join a ", "union select 1 "),
]


@pytest.mark.parametrize("unit", NESTED)
@pytest.mark.parametrize("dialect", ["postgres", "clickhouse", "bigquery"])
def test_deep_nesting_never_breaks_the_guard(unit: str, dialect: str) -> None:
    """No RecursionError, and no hours: sqlglot takes twice as long for each date() within a date()."""
    for amount in (20, 39, 3000):
        closing = unit.count("(") * ")" + unit.count("[") * "]" if unit != "[1]" else ""
        refusal(f"SELECT {unit * amount}1{closing * amount}", dialect)


@pytest.mark.parametrize(
    ("sql", "dialect"),
    [
        ("SELECT map('a' 1) AS m, v('a', 1)['a'] AS m", "clickhouse"),
        ("SELECT DATE_SUB(NOW), INTERVAL :n DAY) FROM t", "mysql"),
    ],
)
def test_an_internal_error_of_sqlglot_is_a_refusal(sql: str, dialect: str) -> None:
    """Sqlglot raises IndexError and AttributeError for these."""
    assert "cannot be understood" in refusal(sql, dialect)


def test_sqlglot_logs_nothing_of_the_text(caplog: pytest.LogCaptureFixture) -> None:
    """A caller could forge lines of the log."""
    with caplog.at_level(logging.DEBUG):
        for sql in ("CALL x('secret')\n[2026] forged", "EXPLAIN DELETE FROM t", "SELECT a['x'][1]"):
            for dialect in [*DIALECTS, None]:
                refusal(sql, dialect)
    assert caplog.text == ""
