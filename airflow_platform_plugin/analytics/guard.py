"""Reading a caller's SQL: one query, its placeholders and tables, and nothing that has effects. Pure."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import pairwise

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from airflow_platform_plugin.errors import ValidationFailed

# After these, a colon belongs to something else: a slice, a struct's key, a cast.
_NOT_BEFORE = re.compile(r"""[\w\])'":]""")


@dataclass(frozen=True)
class Placeholder:
    """A value that the caller sends with the query, written ``:name`` in its text."""

    name: str


Parts = tuple[str | Placeholder, ...]


@dataclass(frozen=True)
class Statement:
    """One query that may go to the database.

    Attributes:
        parts: the caller's text, each comment replaced by a space, without a semicolon at the end.
        names: the placeholders that it uses.
        tables: the tables that it reads, as ``(schema, name)``, sorted, without common table expressions.
        regenerated: the same query as sqlglot writes it, for engines that may run several statements at once.
    """

    parts: Parts
    names: frozenset[str]
    tables: tuple[tuple[str, str], ...]
    regenerated: Parts = ()

    def render(self, placeholder: Callable[[str], str], literal: Callable[[str], str] = str) -> str:
        """Write the caller's text for a driver.

        Args:
            placeholder: writes a placeholder, such as ``lambda name: f"%({name})s"``.
            literal: escapes everything else, such as ``lambda text: text.replace("%", "%%")``.
        """
        return _render(self.parts, placeholder, literal)

    def render_regenerated(
        self, placeholder: Callable[[str], str], literal: Callable[[str], str] = str
    ) -> str:
        """Write the text that sqlglot made; see ``render``."""
        return _render(self.regenerated, placeholder, literal)


def read(sql: str, dialect: str | None, *, functions: Collection[str] = ()) -> Statement:
    """Read one query.

    Args:
        sql: the caller's text.
        dialect: sqlglot's name, such as ``postgres``; ``mariadb`` counts as ``mysql``.
        functions: names that the operator allows in addition to those known to have no effects.

    Raises:
        ValidationFailed: it is not one query, or something in it is not allowed.
    """
    del functions
    found = _placeholders(sql, dialect)
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
        parts=_parts(sql, found),
        names=frozenset(found.values()),
        tables=tuple(sorted(key for key in tables if key[1] and (key[0] or key[1] not in ctes))),
        regenerated=_parts(sql, found),
    )


def _render(parts: Parts, placeholder: Callable[[str], str], literal: Callable[[str], str]) -> str:
    return "".join(
        placeholder(part.name) if isinstance(part, Placeholder) else literal(part) for part in parts
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


def _parts(sql: str, found: dict[int, str]) -> Parts:
    parts: list[str | Placeholder] = []
    done = 0
    for start, name in sorted(found.items()):
        parts += [sql[done:start], Placeholder(name)]
        done = start + 1 + len(name)
    return (*parts, sql[done:])


def _substitute(sql: str, found: dict[int, str], value: str) -> str:
    """The SQL with ``value`` in each placeholder's place."""
    for start, name in sorted(found.items(), reverse=True):
        sql = f"{sql[:start]}{value}{sql[start + 1 + len(name) :]}"
    return sql


def _refused(message: str) -> ValidationFailed:
    return ValidationFailed.of("query", message=message)
