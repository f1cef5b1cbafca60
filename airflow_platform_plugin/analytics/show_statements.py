"""Statements that show tables and columns, as far as they are safe to run: SHOW TABLES, DESCRIBE t. Pure."""

from collections.abc import Sequence

from airflow_platform_plugin.analytics.effects import name_of
from airflow_platform_plugin.analytics.lexer import Kind, Token

Table = tuple[str, str, str]  # catalog, schema and name; empty where the text names none
NO_TABLE: Table = ("", "", "")

# The first words of such statements.
FIRST_WORDS = frozenset({"show", "describe", "desc", "explain", "summarize", "pragma"})
# The statements that may run, by dialect; NAME is any table.
_PATTERNS = {
    "duckdb": (
        "show tables",
        "show all tables",
        "show databases",
        "describe NAME",
        "summarize NAME",
    ),
    "mysql": (
        "show tables",
        "show full tables",
        "show databases",
        "show schemas",
        "show columns from NAME",
        "show full columns from NAME",
        "describe NAME",
        "desc NAME",
    ),
    "clickhouse": (
        "show tables",
        "show databases",
        "describe NAME",
        "describe table NAME",
        "desc NAME",
        "desc table NAME",
    ),
}


def match(tokens: Sequence[Token], dialect: str | None) -> Table | None:
    """Return the table of a statement that may run, or ``NO_TABLE``; None if the statement may not run."""
    for pattern in _PATTERNS.get(dialect or "", ()):
        if (table := _match(tokens, pattern.split())) is not None:
            return table
    return None


def _match(tokens: Sequence[Token], pattern: Sequence[str]) -> Table | None:
    words, rest = tokens[: len(pattern)], tokens[len(pattern) :]
    if len(words) < len(pattern):
        return None
    for word, token in zip(pattern, words, strict=True):
        if word != "NAME" and (token.kind is not Kind.WORD or token.text.lower() != word):
            return None
    if pattern[-1] != "NAME":
        return None if rest else NO_TABLE
    chain = [words[-1], *rest]
    names, dots = chain[::2], chain[1::2]
    is_name = all(token.kind in {Kind.WORD, Kind.NAME} for token in names) and all(
        dot.text == "." for dot in dots
    )
    if not is_name or len(names) != len(dots) + 1 or len(names) > len(NO_TABLE):
        return None
    catalog, schema, name = [*NO_TABLE, *map(name_of, names)][-len(NO_TABLE) :]
    return catalog, schema, name
