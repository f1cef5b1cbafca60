"""Parse a query with sqlglot, in bounded time, and only if sqlglot reads the text as the lexer does. Pure."""

import logging
import re
from collections.abc import Sequence
from itertools import pairwise

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError
from sqlglot.parser import Parser

from airflow_platform_plugin.analytics.lexer import Kind, Token, refused
from airflow_platform_plugin.core.errors import ValidationFailed

# sqlglot logs what it does not know, with line breaks and literals: a caller could forge lines of the log.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL + 1)

# sqlglot goes back and tries again, twice as often for each type within a type. So its steps are limited:
# this many, and this many more for each token.
_STEPS = 5_000
_STEPS_PER_TOKEN = 4

# Matches a token of sqlglot that the lexer calls a string or a quoted name, up to its quote.
_QUOTE = re.compile(r"""[^'"`]*['"`]|(?=\$.)|(?=\[.)""", re.DOTALL)

# What sqlglot raises where it expects something else, such as a second argument.
CONFUSED = (LookupError, AttributeError, TypeError, ValueError, ArithmeticError, AssertionError)


def parse(sql: str, tokens: Sequence[Token], dialect: str | None) -> exp.Expression | None:
    """Return the tree of one statement, or None if there are several.

    Args:
        sql: the caller's text.
        tokens: the lexer's tokens of it that are not blank.
        dialect: sqlglot's name; None for any SQL.

    Raises:
        ValidationFailed: sqlglot does not understand the text, or reads it in another way than the lexer.
    """
    return _parse(sql, _blanked(sql, tokens), tokens, dialect_of(dialect))


def dialect_of(name: str | None) -> Dialect:
    """Return sqlglot's dialect of that name, or the one for any SQL."""
    dialect = Dialect.get_or_raise(name if name and Dialect.get(name) else None)
    # Otherwise, for engines that count from 1, it works out the types of everything before each subscript.
    dialect.INDEX_OFFSET = 0
    return dialect


def _blanked(sql: str, tokens: Sequence[Token]) -> str:
    """Return the text for sqlglot: comments become spaces, and placeholders names of the same length.

    sqlglot's parsers do not know placeholders in every dialect. ``xx`` is a keyword in none of them.
    """
    parts = []
    done = 0
    for token in tokens:
        parts.append(re.sub(r"[^\n]", " ", sql[done : token.start]))
        parts.append("x" * len(token.text) if token.kind is Kind.PLACEHOLDER else token.text)
        done = token.start + len(token.text)
    return "".join(parts)


def _parse(sql: str, text: str, ours: Sequence[Token], dialect: Dialect) -> exp.Expression | None:
    try:
        tokens = dialect.tokenize(text)
        _check_agreement(sql, text, ours, [(token.start, token.end + 1) for token in tokens])
        parser = _bounded(dialect.parser_class, _STEPS + _STEPS_PER_TOKEN * len(tokens))
        trees = parser(dialect=dialect, error_level=ErrorLevel.IMMEDIATE).parse(tokens, text)
    except ParseError as error:
        if dialect.__class__.__name__ == "DuckDB" and ours[0].text.lower() in {"pivot", "unpivot"}:
            raise refused(
                "write it as a part of FROM, such as `FROM t PIVOT (sum(x) FOR y IN (1, 2))`"
            ) from error
        raise _unparsed(sql, text, error) from error
    except (SqlglotError, *CONFUSED) as error:
        raise refused("cannot be understood as SQL of this database") from error
    except RecursionError as error:
        raise refused(
            "is nested too deeply: write it with fewer brackets, operators or subqueries in a row"
        ) from error
    return trees[0] if len(trees) == 1 else None


def _bounded(parser: type[Parser], steps: int) -> type[Parser]:
    """Return the parser with a limit of steps; it raises RecursionError beyond that."""
    left = steps

    def _advance(self: Parser, times: int = 1) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise RecursionError
        parser._advance(self, times)  # noqa: SLF001 - every method of the parser calls it

    return type(parser.__name__, (parser,), {"_advance": _advance})


def _check_agreement(sql: str, text: str, ours: Sequence[Token], spans: Sequence[tuple[int, int]]) -> None:
    """Refuse a text in which sqlglot finds other strings, quoted names or comments than the lexer."""
    strings = [_quoted(token.text, token.start) for token in ours if token.kind in {Kind.STRING, Kind.NAME}]
    hints = {token.start for token in ours if token.kind is Kind.HINT}
    theirs = [
        _quoted(text[start:end], start)
        for start, end in spans
        if start not in hints and end - start > 1 and _QUOTE.match(text[start:end])
    ]
    for our, their in zip(strings, theirs, strict=False):
        if our != their:
            raise refused("can be read in two ways: put spaces around what is in quotes", sql, our[0])
    gaps = [(0, 0), *spans, (len(text), len(text))]
    if len(strings) != len(theirs) or any(text[end:start].strip() for (_, end), (start, _) in pairwise(gaps)):
        raise refused("can be read in two ways: remove comments, or put spaces around quotes")


def _quoted(text: str, start: int) -> tuple[int, int]:
    """Return where a string or a quoted name starts, without its prefix, and where it ends."""
    found = _QUOTE.match(text)
    return start + (max(found.end() - 1, 0) if found else 0), start + len(text)


def _unparsed(sql: str, text: str, error: ParseError) -> ValidationFailed:
    """Return the error for a text that sqlglot does not understand."""
    detail = error.errors[0] if error.errors else {}
    line, column = detail.get("line"), detail.get("col")
    description = str(detail.get("description") or "unknown syntax").split(" for <class")[0]
    if not isinstance(line, int) or not isinstance(column, int):
        return refused(f"cannot be understood: {description}")
    before = text.split("\n")[: line - 1]
    position = sum(map(len, before)) + len(before) + column - len(detail.get("highlight") or "")
    return refused(f"cannot be understood: {description}", sql, max(0, min(position, len(sql) - 1)))
