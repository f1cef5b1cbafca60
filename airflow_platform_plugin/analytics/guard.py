"""Reading a caller's SQL: one query, its placeholders and tables, and nothing that has effects. Pure.

Three fences, each for itself: ``lexer`` reads the text as engines do or not at all, sqlglot must find the
same strings and names in it and take it for a query, and ``effects`` knows what may be called and read. What
goes to the database is the caller's own text without its comments, not what sqlglot makes of it: that would
lose hints, names of columns and what sqlglot does not know. Engines and sessions are the fences after these.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError
from sqlglot.parser import Parser

from airflow_platform_plugin.analytics import effects
from airflow_platform_plugin.analytics.lexer import BLANK, Kind, Token, lex, refused
from airflow_platform_plugin.core.errors import ValidationFailed

# It logs what it does not know, line breaks and literals included: a caller could forge lines of the log.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL + 1)

# sqlglot goes back and tries again, twice as often with each type in a type: steps for a token, and for all.
_STEPS_PER_TOKEN = 4
_STEPS = 5_000

_FORBIDDEN_NAMES = (
    "Alter Analyze Attach Cache Command Comment Commit Copy Create DDL DML Declare Delete Describe Detach "
    "Drop Execute Export Grant Insert Into Kill LoadData Lock Merge NextValueFor Parameter Pragma "
    "QueryTransform Refresh Revoke Rollback SessionParameter Set Show Summarize Transaction TruncateTable "
    "Uncache Update Use"
)
# Versions of sqlglot differ in which they have.
_FORBIDDEN = tuple(found for name in _FORBIDDEN_NAMES.split() if (found := getattr(exp, name, None)))
# What a parser's token has that the lexer calls a string or a quoted name: where its quote starts.
_QUOTE = re.compile(r"""[^'"`]*['"`]|(?=\$.)|(?=\[.)""", re.DOTALL)

# What sqlglot raises where it expects something else, such as a second argument.
_CONFUSED = (LookupError, AttributeError, TypeError, ValueError, ArithmeticError, AssertionError)

_MARK = "\x00"  # no text that is read has it


@dataclass(frozen=True)
class Placeholder:
    """A value that the caller sends with the query, written ``:name`` in its text."""

    name: str


Parts = tuple[str | Placeholder, ...]
_Table = tuple[str, str, str]  # catalog, schema and name, empty where there is none
_EMPTY: _Table = ("", "", "")


@dataclass(frozen=True)
class Statement:
    """One query that may go to the database.

    Attributes:
        parts: the caller's text, each comment replaced by a space, without a semicolon at the end.
        names: the placeholders that it uses.
        tables: the tables that it reads, as ``(schema, name)``, sorted, without common table expressions.
    """

    parts: Parts
    names: frozenset[str]
    tables: tuple[tuple[str, str], ...]
    _tree: exp.Expression | None = field(default=None, repr=False, compare=False)
    _dialect: str | None = field(default=None, repr=False, compare=False)

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
        """Write what sqlglot makes of the query, for engines that may run several statements of one text.

        Args: as for ``render``.

        Raises:
            ValidationFailed: sqlglot cannot write it.
        """
        return _render(self._regenerated(), placeholder, literal)

    def _regenerated(self) -> Parts:
        if self._tree is None:
            raise refused("cannot be run on this database: write it as SELECT")
        try:
            text = self._tree.sql(dialect=_dialect(self._dialect), comments=False)
        except (SqlglotError, RecursionError, *_CONFUSED) as error:
            raise refused("cannot be written for this database: write it in a simpler way") from error
        literals_and_names = text.split(_MARK)
        return tuple(
            Placeholder(part) if index % 2 else part for index, part in enumerate(literals_and_names)
        )


def read(sql: str, dialect: str | None, *, functions: Collection[str] = ()) -> Statement:
    """Read one query.

    Args:
        sql: the caller's text.
        dialect: sqlglot's name, such as ``postgres``; ``mariadb`` counts as ``mysql``.
        functions: names, or patterns such as ``st_*``, that the operator allows in addition to those known to
            have no effects.

    Raises:
        ValidationFailed: it is not one query, or something in it is not allowed.
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
        parts=_parts(tokens),
        names=frozenset(token.text[1:] for token in kept if token.kind is Kind.PLACEHOLDER),
        tables=tuple(sorted({(schema, name) for _, schema, name in tables})),
        _tree=tree,
        _dialect=dialect,
    )


def _understand(
    sql: str, kept: Sequence[Token], dialect: str | None
) -> tuple[exp.Expression | None, list[_Table]]:
    """The query's tree, and its tables."""
    first = kept[0].text.lower() if kept[0].kind is Kind.WORD else ""
    if first not in _SHOWING:
        tree = _query(sql, kept, dialect)
        return tree, _tables(tree)
    for pattern in _SHOWN.get(dialect or "", ()):
        if (name := _shown(kept, pattern.split())) is not None:
            return None, [name] if name[-1] else []
    if dialect == "duckdb" and first in {"describe", "summarize"}:
        # What follows is a query, or sqlglot refuses it.
        return None, _tables(_query(sql, kept[1:], dialect))
    instead = (
        "sqlite_master" if dialect == "sqlite" else "information_schema.tables and information_schema.columns"
    )
    raise refused(f"must be a query, such as SELECT: what tables there are is in {instead}")


# What begins a statement that shows something, and those that can be run; NAME is any table.
_SHOWING = frozenset({"show", "describe", "desc", "explain", "summarize", "pragma"})
_SHOWN = {
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


def _shown(kept: Sequence[Token], pattern: Sequence[str]) -> _Table | None:
    """The table of a statement that fits the pattern, empty if it has none; or nothing if it does not fit."""
    words, rest = kept[: len(pattern)], kept[len(pattern) :]
    if len(words) < len(pattern):
        return None
    for word, token in zip(pattern, words, strict=True):
        if word != "NAME" and (token.kind is not Kind.WORD or token.text.lower() != word):
            return None
    if pattern[-1] != "NAME":
        return None if rest else _EMPTY
    chain = [words[-1], *rest]
    names, dots = chain[::2], chain[1::2]
    is_name = all(token.kind in {Kind.WORD, Kind.NAME} for token in names) and all(
        dot.text == "." for dot in dots
    )
    if not is_name or len(names) != len(dots) + 1 or len(names) > len(_EMPTY):
        return None
    catalog, schema, name = [*_EMPTY, *map(effects.name_of, names)][-len(_EMPTY) :]
    return catalog, schema, name


def _query(sql: str, kept: Sequence[Token], dialect: str | None) -> exp.Expression:
    """The tree of what must be a query."""
    text = _blanked(sql, kept)
    tree = _parse(sql, text, kept, _dialect(dialect))
    if not isinstance(tree, exp.Query | exp.Values):
        raise refused("must be a query, such as SELECT: nothing may be changed here")
    for node in tree.walk():
        if isinstance(node, _FORBIDDEN):
            raise refused(f"must only read: {type(node).__name__.upper()} is not allowed here")
        if isinstance(node, exp.Query) and (node.args.get("settings") or node.args.get("format")):
            raise refused("may not have SETTINGS or FORMAT: leave it out")
    _mark_placeholders(sql, tree, kept)
    return tree


def _dialect(name: str | None) -> Dialect:
    """What sqlglot knows of the dialect, and of any SQL if it does not know it."""
    dialect = Dialect.get_or_raise(name if name and Dialect.get(name) else None)
    # For engines that count from 1, it would work out the types of all that stands before each subscript.
    dialect.INDEX_OFFSET = 0
    return dialect


def _blanked(sql: str, kept: Sequence[Token]) -> str:
    """The text for sqlglot, each token where it was: comments are blank, and placeholders are names.

    Not every dialect's parser knows placeholders, and ``xx`` is no keyword of any.
    """
    parts = []
    done = 0
    for token in kept:
        parts.append(re.sub(r"[^\n]", " ", sql[done : token.start]))
        parts.append("x" * len(token.text) if token.kind is Kind.PLACEHOLDER else token.text)
        done = token.start + len(token.text)
    return "".join(parts)


def _parse(sql: str, text: str, kept: Sequence[Token], dialect: Dialect) -> exp.Expression | None:
    try:
        tokens = dialect.tokenize(text)
        _check_agreement(sql, text, kept, [(token.start, token.end + 1) for token in tokens])
        parser = _bounded(dialect.parser_class, _STEPS + _STEPS_PER_TOKEN * len(tokens))
        trees = parser(dialect=dialect, error_level=ErrorLevel.IMMEDIATE).parse(tokens, text)
    except ParseError as error:
        if dialect.__class__.__name__ == "DuckDB" and kept[0].text.lower() in {"pivot", "unpivot"}:
            raise refused(
                "write it as a part of FROM, such as `FROM t PIVOT (sum(x) FOR y IN (1, 2))`"
            ) from error
        raise _unparsed(sql, text, error) from error
    except (SqlglotError, *_CONFUSED) as error:
        raise refused("cannot be understood as SQL of this database") from error
    except RecursionError as error:
        raise refused(
            "is nested too deeply: write it with fewer brackets, operators or subqueries in a row"
        ) from error
    return trees[0] if len(trees) == 1 else None


def _bounded(parser: type[Parser], steps: int) -> type[Parser]:
    """The parser, for one text, but for texts that make it try again and again."""
    left = steps

    def _advance(self: Parser, times: int = 1) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise RecursionError
        parser._advance(self, times)  # noqa: SLF001 - what all of its methods go on by

    return type(parser.__name__, (parser,), {"_advance": _advance})


def _check_agreement(sql: str, text: str, kept: Sequence[Token], spans: Sequence[tuple[int, int]]) -> None:
    """Refuse a text in which sqlglot finds other strings, quoted names or comments than the lexer."""
    ours = [_quoted(token.text, token.start) for token in kept if token.kind in {Kind.STRING, Kind.NAME}]
    hints = {token.start for token in kept if token.kind is Kind.HINT}
    theirs = [
        _quoted(text[start:end], start)
        for start, end in spans
        if start not in hints and end - start > 1 and _QUOTE.match(text[start:end])
    ]
    for our, their in zip(ours, theirs, strict=False):
        if our != their:
            raise refused("cannot be read in one way only: put spaces round what is in quotes", sql, our[0])
    gaps = [(0, 0), *spans, (len(text), len(text))]
    if len(ours) != len(theirs) or any(text[end:start].strip() for (_, end), (start, _) in pairwise(gaps)):
        raise refused("cannot be read in one way only: leave out comments, or put spaces round quotes")


def _quoted(text: str, start: int) -> tuple[int, int]:
    """Where a string or a quoted name starts, without its prefix, and where it ends."""
    found = _QUOTE.match(text)
    return start + (max(found.end() - 1, 0) if found else 0), start + len(text)


def _unparsed(sql: str, text: str, error: ParseError) -> ValidationFailed:
    """The answer to what sqlglot does not understand."""
    detail = error.errors[0] if error.errors else {}
    line, column = detail.get("line"), detail.get("col")
    description = str(detail.get("description") or "unknown syntax").split(" for <class")[0]
    if not isinstance(line, int) or not isinstance(column, int):
        return refused(f"cannot be understood: {description}")
    before = text.split("\n")[: line - 1]
    position = sum(map(len, before)) + len(before) + column - len(detail.get("highlight") or "")
    return refused(f"cannot be understood: {description}", sql, max(0, min(position, len(sql) - 1)))


def _mark_placeholders(sql: str, tree: exp.Expression, kept: Iterable[Token]) -> None:
    """Put marks into the tree for ``Statement.render_regenerated``."""
    wanted = {token.start: token.text[1:] for token in kept if token.kind is Kind.PLACEHOLDER}
    for identifier in list(tree.find_all(exp.Identifier)):
        name = wanted.pop(identifier.meta.get("start"), None)
        if name is None:
            continue
        node = identifier.parent
        if not isinstance(node, exp.Column) or len(node.parts) > 1:
            start = identifier.meta["start"]
            raise refused(f"':{name}' stands for a value: a name cannot be a parameter", sql, start)
        node.replace(exp.Var(this=f"{_MARK}{name}{_MARK}"))


def _tables(tree: exp.Expression) -> list[_Table]:
    """The catalog, schema and name of each table that is read."""
    ctes = {cte.alias_or_name for cte in tree.find_all(exp.CTE)}
    found = {(table.catalog, table.db, table.name) for table in tree.find_all(exp.Table)}
    return sorted(key for key in found if key[2] and (key[1] or key[2] not in ctes))


def _aliases(tree: exp.Expression | None) -> frozenset[int]:
    """Where names start that are given to a table or a common table expression."""
    aliases = tree.find_all(exp.TableAlias) if tree is not None else ()
    starts = (alias.this.meta.get("start") for alias in aliases if isinstance(alias.this, exp.Identifier))
    return frozenset(start for start in starts if start is not None)


def _parts(tokens: Sequence[Token]) -> Parts:
    """What is sent: neighbours of one kind in one part."""
    parts: list[str | Placeholder] = []
    texts: list[str] = []
    for token in tokens:
        if token.kind is Kind.END:
            break
        if token.kind is not Kind.PLACEHOLDER:
            texts.append(" " if token.kind is Kind.COMMENT else token.text)
            continue
        if texts and texts[-1][-1] in "-/*#":
            # Where a driver writes values into the text, a negative one must not make the minus a comment.
            texts.append(" ")
        parts += ["".join(texts), Placeholder(token.text[1:])]
        texts = []
    return (*parts, "".join(texts))


def _render(parts: Parts, placeholder: Callable[[str], str], literal: Callable[[str], str]) -> str:
    return "".join(
        placeholder(part.name) if isinstance(part, Placeholder) else literal(part) for part in parts
    )
