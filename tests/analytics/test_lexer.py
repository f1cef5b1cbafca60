"""The lexer reads only what all engines read in the same way. Pure, except for calls to DuckDB and SQLite."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_platform_plugin.analytics.lexer import BLANK, MAX_LENGTH, Kind, lex
from airflow_platform_plugin.core.errors import ValidationFailed

DIALECTS = ["postgres", "mysql", "sqlite", "duckdb", "clickhouse", "snowflake", "tsql", None]
# What begins and ends strings, names and comments in any engine, and similar texts.
_PIECES = r"""
' '' ''' " "" ` `` \ \' \" $$ $a$ $A$ $1 $ -- */ /* /**/ /*! /*M! /*+ # #- #> {# #} {{ }} {% { } [ ] ( ) ;
E' e'
N' x' X' b' U&' U&" u&' _utf8' _gbk' r' q'[ 1 1. .5 1e 1e5 0x1F 1_0 a A$ é SELECT AS , . + - * / // % = <
> ! ~ @ ^ & | || : :: := :p ? => -> ->> #>> @> <@ ?| ?& 'a' "a" 'a''b' '\' '\'' E'\'' $$a$$ $x$'$x$
\N NULL AND
"""
PIECES = [
    *_PIECES.split(),
    *(
        " ",
        "\n",
        "--\n",
        "\r\n",
        "\t",
        "\r",
        "\x0b",
        "\x0c",
        "\x85",
        "\xa0",
        "\u2028",
        "\ufeff",
        "\x00",
        "\ud800",
    ),
]
SOUP = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@settings(deadline=None)
@given(st.sampled_from(DIALECTS), SOUP | st.text(max_size=40))
def test_any_text_is_read_or_refused(dialect: str | None, text: str) -> None:
    """There is no other exception, and the tokens together are the whole text."""
    try:
        tokens = lex(text, dialect)
    except ValidationFailed:
        pass
    else:
        assert "".join(token.text for token in tokens) == text
        assert [token.start for token in tokens] == [
            sum(len(token.text) for token in tokens[:index]) for index in range(len(tokens))
        ]


@settings(deadline=None)
@given(st.sampled_from(DIALECTS), SOUP)
def test_removing_comments_does_not_change_the_other_tokens(dialect: str | None, text: str) -> None:
    """A space in place of a comment joins no tokens and splits none."""
    try:
        tokens = lex(text, dialect)
    except ValidationFailed:
        return
    stripped = "".join(" " if token.kind is Kind.COMMENT else token.text for token in tokens)
    assert _kept(stripped, dialect) == [
        (token.kind, token.text) for token in tokens if token.kind not in BLANK
    ]


def _kept(text: str, dialect: str | None) -> list[tuple[Kind, str]]:
    return [(token.kind, token.text) for token in lex(text, dialect) if token.kind not in BLANK]


def _duckdb_counts(text: str) -> int:
    try:
        return len(duckdb.extract_statements(text))
    except duckdb.Error:
        return 0


def _sqlite_counts(text: str) -> int:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(text)
    except (sqlite3.Warning, sqlite3.Error) as error:
        return 2 if "one statement" in str(error) else 0
    finally:
        connection.close()
    return 1


@pytest.mark.parametrize(("dialect", "count"), [("duckdb", _duckdb_counts), ("sqlite", _sqlite_counts)])
@settings(max_examples=400, deadline=None)
@given(soup=SOUP)
def test_the_engine_sees_no_second_statement(dialect: str, count: Callable[[str], int], soup: str) -> None:
    """A text that the lexer accepts as one statement is one statement for the engine too."""
    try:
        tokens = lex(f"SELECT {soup} , 1 AS last", dialect)
    except ValidationFailed:
        return
    if not any(token.kind is Kind.PLACEHOLDER for token in tokens):
        assert count("".join(" " if token.kind is Kind.COMMENT else token.text for token in tokens)) <= 1


@pytest.mark.parametrize(
    "character",
    ["\x00", "\x0b", "\x0c", "\r", "\x1a", "\x7f", "\x85", "\u2028", "\u2029", "\ufeff", "\ud800"],
)
@pytest.mark.parametrize(
    "around", ["SELECT 1{}", "SELECT '{}'", 'SELECT "a{}"', "SELECT 1 /* {} */", "SELECT 1 -- {} \n"]
)
def test_characters_that_engines_read_differently_are_refused_everywhere(character: str, around: str) -> None:
    with pytest.raises(ValidationFailed, match=f"U\\+{ord(character):04X}"):
        lex(around.format(character), "postgres")


@pytest.mark.parametrize(
    ("sql", "dialect", "message"),
    [
        ("SELECT 1\n FROM a\\b", "postgres", "line 2, column 8: "),
        ("SELECT 1 /*! + 1 */", "mysql", "comments that some engines execute"),
        ("SELECT 1 /* /* */ */", "postgres", "a comment has another one in it"),
        ("SELECT 1 /* x", "postgres", "a comment is not closed"),
        ("SELECT 'x", "postgres", "is not closed"),
        ("SELECT 5--1", "mysql", "put a space after '--'"),
        ("SELECT {{ x }}", "duckdb", "templates"),
        ("SELECT U&'x'", "postgres", "U&"),
        ("SELECT a$b", "postgres", "must be in quotes"),
        ("SELECT and'x'", "postgres", "put a space before the quote"),
        ("SELECT $1", "postgres", "written `:name`"),
        ("SELECT @a", "mysql", "written `:name`"),
        ("SELECT 'a\\b'", "snowflake", "a backslash in a string"),
        ("SELECT 'a\\'; x -- '", "mysql", "a backslash before a quote"),
        ("SELECT 1; SELECT 2", "sqlite", "nothing may follow the semicolon"),
        ("SELECT E'a' 'b'", "postgres", "put an operator between two strings"),
        ("SELECT 1 +-- x\n1", "postgres", "put a space between an operator and a comment"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(sql: str, dialect: str, message: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        lex(sql, dialect)
    assert message in refused.value.message


def test_texts_that_are_too_long_or_too_deep_are_refused() -> None:
    """Before any parser reads them."""
    assert len(lex("a" * MAX_LENGTH, "postgres")) == 1
    for text in ("a" * (MAX_LENGTH + 1), "(" * 40_000, "[(" * 21, "{'a':" * 41, "SELECT a" + ".a" * 31):
        with pytest.raises(ValidationFailed):
            lex(text, "duckdb")


UNITS = r"""' '' " ` /* */ -- $ $a $$ $a$ \ '\' E' x' 1 1_ 0x 1e a é : :a [ . ; a' a$ { {# U& a,"""


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "clickhouse", None])
@pytest.mark.parametrize("unit", [*UNITS.split(), "\n", "\r\n"])
def test_reading_takes_linear_time(dialect: str | None, unit: str) -> None:
    """Also for the worst texts for regular expressions."""

    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        started = time.thread_time()
        with suppress(ValidationFailed):
            lex(text, dialect)
        return time.thread_time() - started

    # It takes some 30 ms; quadratic time would be a minute. Times so short allow no ratio.
    assert seconds(40_000) < 5
