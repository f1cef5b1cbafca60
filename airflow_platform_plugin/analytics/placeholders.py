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
    text, names = _placeholders(sql, dialect)
    try:
        statements = [tree for tree in sqlglot.parse(sql, read=dialect) if tree is not None]
    except SqlglotError as error:
        raise _refused(f"cannot be parsed: {str(error).splitlines()[0]}") from error
    if len(statements) != 1:
        raise _refused("must be one statement")
    (tree,) = statements
    if not isinstance(tree, exp.Query) or tree.find(exp.Into, exp.DML):
        raise _refused("must be a query, such as SELECT: nothing may be changed here")
    ctes = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    tables = {(table.db, table.name) for table in tree.find_all(exp.Table)}
    return Statement(text, names, sorted(key for key in tables if key[1] and (key[0] or key[1] not in ctes)))


def _placeholders(sql: str, dialect: str | None) -> tuple[str, set[str]]:
    # Tokens, because only they tell a placeholder from a colon in a string, a comment or a cast.
    try:
        tokens = sqlglot.tokenize(sql, read=dialect)
    except SqlglotError as error:
        raise _refused(f"cannot be read: {str(error).splitlines()[0]}") from error
    names, starts = set(), set()
    for colon, name in pairwise(tokens):
        adjacent = name.start == colon.end + 1
        is_name = re.fullmatch(r"[A-Za-z_]\w*", sql[name.start : name.end + 1])
        before = sql[colon.start - 1] if colon.start else " "
        if colon.token_type is TokenType.COLON and adjacent and is_name and not _NOT_BEFORE.match(before):
            names.add(is_name[0])
            starts.add(colon.start)
    text = "".join(
        "\\:" if character == ":" and position not in starts else character
        for position, character in enumerate(sql)
    )
    return text, names


def _refused(message: str) -> ValidationFailed:
    return ValidationFailed.of("query", message=message)
