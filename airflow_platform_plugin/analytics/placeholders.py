"""The user's SQL, read by a tokenizer: which placeholders it has, and whether it is one query. Pure."""

import re
from itertools import pairwise
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from airflow_platform_plugin.errors import ValidationFailed

# After these, a colon belongs to something else: a slice, a struct's key, a cast.
_NOT_BEFORE = re.compile(r"""[\w\])'":]""")


class Statement(NamedTuple):
    """A query as it goes to SQLAlchemy's ``text()``.

    Attributes:
        text: the SQL, each colon that starts no placeholder escaped.
        names: the placeholders.
        tables: the tables it reads, as ``(schema, name)``.
    """

    text: str
    names: set[str]
    tables: list[tuple[str, str]]


def read(sql: str, dialect: str | None) -> Statement:
    """Read one query in the SQL of ``dialect`` (sqlglot's name).

    Raises:
        ValidationFailed: it is not one statement, or the statement is not a query.
    """
    found = _placeholders(sql, dialect)
    text = _escape(sql, set(found))
    try:
        # Not every dialect's parser knows placeholders; what stands in their place does not matter to it.
        trees = sqlglot.parse(_substitute(sql, found, "NULL"), read=dialect)
        statements = [tree for tree in trees if tree is not None]
    except SqlglotError as error:
        raise _refused(f"cannot be parsed: {str(error).splitlines()[0]}") from error
    if len(statements) != 1:
        raise _refused("must be one statement")
    (tree,) = statements
    if not isinstance(tree, exp.Query) or tree.find(exp.Into, exp.DML):
        raise _refused("must be a query, such as SELECT: nothing may be changed here")
    ctes = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    tables = {(table.db, table.name) for table in tree.find_all(exp.Table)}
    return Statement(
        text, set(found.values()), sorted(key for key in tables if key[1] and (key[0] or key[1] not in ctes))
    )


def _placeholders(sql: str, dialect: str | None) -> dict[int, str]:
    """The names, by the position of their colons."""
    # Tokens, because only they tell a placeholder from a colon in a string, a comment or a cast.
    try:
        tokens = sqlglot.tokenize(sql, read=dialect)
    except SqlglotError as error:
        raise _refused(f"cannot be read: {str(error).splitlines()[0]}") from error
    found = {}
    for colon, name in pairwise(tokens):
        adjacent = name.start == colon.end + 1
        is_name = re.fullmatch(r"[A-Za-z_]\w*", sql[name.start : name.end + 1])
        before = sql[colon.start - 1] if colon.start else " "
        if colon.token_type is TokenType.COLON and adjacent and is_name and not _NOT_BEFORE.match(before):
            found[colon.start] = is_name[0]
    return found


def _escape(sql: str, starts: set[int]) -> str:
    """The SQL as ``text()`` takes it: a colon that starts no placeholder stands for itself."""
    return "".join(
        "\\:" if character == ":" and position not in starts else character
        for position, character in enumerate(sql)
    )


def _substitute(sql: str, found: dict[int, str], value: str) -> str:
    """The SQL with ``value`` in each placeholder's place."""
    for start, name in sorted(found.items(), reverse=True):
        sql = f"{sql[:start]}{value}{sql[start + 1 + len(name) :]}"
    return sql


def _refused(message: str) -> ValidationFailed:
    return ValidationFailed.of("query", message=message)
