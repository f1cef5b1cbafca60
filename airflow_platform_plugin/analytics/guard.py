"""The guard: accept one query that only reads, and find its placeholders and tables. Pure.

Three checks, independent of one another: ``lexer`` reads the text as every engine does, or refuses it;
sqlglot must find the same strings and names in it and understand it as a query (``parser``); and ``effects``
knows which functions and tables may be used. What is sent is the caller's own text without its comments, not
what sqlglot writes: that would lose hints, names of columns, and what sqlglot does not know. The engines and
their sessions are further checks.
"""

from collections.abc import Collection, Sequence

from sqlglot import exp

from airflow_platform_plugin.analytics import effects, show_statements
from airflow_platform_plugin.analytics.lexer import BLANK, Kind, Token, lex, refused
from airflow_platform_plugin.analytics.parser import parse
from airflow_platform_plugin.analytics.show_statements import Table
from airflow_platform_plugin.analytics.statement import Statement, mark_placeholders, parts_of

_FORBIDDEN_NAMES = (
    "Alter Analyze Attach Cache Command Comment Commit Copy Create DDL DML Declare Delete Describe Detach "
    "Drop Execute Export Grant Insert Into Kill LoadData Lock Merge NextValueFor Parameter Pragma "
    "QueryTransform Refresh Revoke Rollback SessionParameter Set Show Summarize Transaction TruncateTable "
    "Uncache Update Use"
)
# Versions of sqlglot differ in the classes that they have.
_FORBIDDEN = tuple(found for name in _FORBIDDEN_NAMES.split() if (found := getattr(exp, name, None)))


def read(sql: str, dialect: str | None, *, functions: Collection[str] = ()) -> Statement:
    """Read one query, or refuse it.

    Args:
        sql: the caller's text.
        dialect: sqlglot's name, such as ``postgres``; ``mariadb`` is read as ``mysql``; None for any SQL.
        functions: functions that the operator allows as well as those known to have no effects: names, or
            patterns such as ``st_*``.

    Raises:
        ValidationFailed: the text is not one query, or something in it is not allowed.
    """
    dialect = "mysql" if dialect == "mariadb" else dialect
    tokens = lex(sql, dialect)
    kept = [token for token in tokens if token.kind not in BLANK and token.kind is not Kind.END]
    if not kept:
        raise refused("must be a query, such as SELECT: this is empty")
    tree, tables = _understand(sql, kept, dialect)
    effects.check(
        effects.Query(
            sql=sql,
            tokens=kept,
            dialect=dialect,
            aliases=_aliases(tree),
            tables=tables,
            functions=[name.lower() for name in functions],
        )
    )
    return Statement(
        parts=parts_of(tokens),
        names=frozenset(token.text[1:] for token in kept if token.kind is Kind.PLACEHOLDER),
        tables=tuple(sorted({(schema, name) for _, schema, name in tables})),
        _tree=tree,
        _dialect=dialect,
    )


def _understand(
    sql: str, tokens: Sequence[Token], dialect: str | None
) -> tuple[exp.Expression | None, list[Table]]:
    """Return the query's tree, None for a statement that shows something, and the query's tables."""
    first = tokens[0].text.lower() if tokens[0].kind is Kind.WORD else ""
    if first not in show_statements.FIRST_WORDS:
        tree = _parse_query(sql, tokens, dialect)
        return tree, _tables(tree)
    if (table := show_statements.match(tokens, dialect)) is not None:
        return None, [table] if table[-1] else []
    if dialect == "duckdb" and first in {"describe", "summarize"}:
        # DuckDB takes a query after these words; sqlglot refuses anything else.
        return None, _tables(_parse_query(sql, tokens[1:], dialect))
    catalog = (
        "sqlite_master" if dialect == "sqlite" else "information_schema.tables and information_schema.columns"
    )
    raise refused(f"must be a query, such as SELECT: read {catalog} to find tables")


def _parse_query(sql: str, tokens: Sequence[Token], dialect: str | None) -> exp.Expression:
    """Return the tree of a text that must be a query and read only."""
    tree = parse(sql, tokens, dialect)
    if not isinstance(tree, exp.Query | exp.Values):
        raise refused("must be a query, such as SELECT: nothing may be changed")
    for node in tree.walk():
        if isinstance(node, _FORBIDDEN):
            raise refused(f"must only read: {type(node).__name__.upper()} is not allowed")
        if isinstance(node, exp.Query) and (node.args.get("settings") or node.args.get("format")):
            raise refused("may not have SETTINGS or FORMAT: remove it")
    mark_placeholders(sql, tree, tokens)
    return tree


def _tables(tree: exp.Expression) -> list[Table]:
    """Return the tables that a query reads, without its common table expressions."""
    ctes = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    found = {(table.catalog, table.db, table.name) for table in tree.find_all(exp.Table)}
    return sorted(key for key in found if key[2] and (key[1] or key[2] not in ctes))


def _aliases(tree: exp.Expression | None) -> frozenset[int]:
    """Return the positions of the names that a query gives to tables and common table expressions."""
    aliases = tree.find_all(exp.TableAlias) if tree is not None else ()
    starts = (alias.this.meta.get("start") for alias in aliases if isinstance(alias.this, exp.Identifier))
    return frozenset(start for start in starts if start is not None)
