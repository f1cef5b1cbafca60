"""Split a caller's SQL into tokens, as strictly as any engine could read it. Pure.

An attack on the guard is a text that guard and engine read differently: a comment for one is a statement for
the other. So this lexer reads only what every version of an engine reads in the same way (``syntax`` says
what) and refuses everything else. That is no loss: ordinary SQL has another spelling for it.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from itertools import pairwise
from typing import NamedTuple

from airflow_platform_plugin.analytics.syntax import OTHER_MODE, token_pattern
from airflow_platform_plugin.core.errors import ValidationFailed

MAX_LENGTH = 100_000  # characters
# The depth of nested brackets, and the length of a chain of names with dots. sqlglot calls itself some 20
# times for a bracket, and goes through all names for each one that it adds.
MAX_DEPTH = 40
MAX_CHAIN = 30

_MAX_SHOWN = 40  # characters of the caller's text in a message


class Kind(Enum):
    """The kind of a token."""

    SPACE = auto()
    COMMENT = auto()
    HINT = auto()  # MySQL's /*+ … */, which is sent
    STRING = auto()
    NAME = auto()  # a name in quotes
    WORD = auto()  # a keyword, or a name without quotes
    NUMBER = auto()
    PLACEHOLDER = auto()
    OPERATOR = auto()  # one character, or one of a few pairs
    END = auto()  # a semicolon


class Token(NamedTuple):
    """A token; ``start`` is its position in the text, in characters."""

    kind: Kind
    text: str
    start: int


# Characters that some engines read as the end of a line or of the text, and others do not: NUL, VT, FF, a
# lone carriage return, NEL, LS, PS, and all other controls. Lone surrogates are not text.
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufff9-\ufffb\ud800-\udfff]|\r(?!\n)"
)
_BACKSLASH_QUOTE = re.compile(r"""\\['"]""")
_OPERATOR_ENDS = frozenset("#@~!^&|?<>=+-/%")
BLANK = frozenset({Kind.SPACE, Kind.COMMENT})

# The reason why a text that starts like this cannot be read; the first match counts.
_REASONS = (
    (r"/\*\+[^*]*\*/", "a hint may have only names, numbers and brackets"),
    (r"/\*(?:!|M!)", "comments that some engines execute are not allowed"),
    (r"/\*(?:(?!\*/).)*/\*", "a comment has another one in it, which engines read differently: remove it"),
    (r"/\*", "a comment is not closed"),
    (r"\*/", "a comment ends that has not begun"),
    (r"--", "put a space after '--'"),
    (r"//", "'//' is a comment for some engines: put a space between"),
    (r"\{[{#%]|[%#]\}", "templates are not filled in: write `:name` and send the value in `parameters`"),
    (r"[uU]&['\"]", "strings and names with U& are not allowed: write the characters themselves"),
    (
        r"\w*'(?:[^'\\]|'')*\\",
        "engines read a backslash in a string differently: send the string in `parameters`",
    ),
    (r"['\"`\[](?![\s\S]*['\"`\]])", "a string or a name in quotes is not closed"),
    (r"""[\w:]+\$""", "a name with '$' must be in quotes"),
    (r"""\w+['"`]""", "put a space before the quote"),
    (r"[?$@]\w*", "a value is written `:name` and sent in `parameters`"),
)


def lex(sql: str, dialect: str | None) -> list[Token]:
    """Return the tokens, which together are the whole text.

    Args:
        sql: the caller's text.
        dialect: sqlglot's name, such as ``postgres``; None for any SQL.

    Raises:
        ValidationFailed: the text is too long or nested too deeply, or engines could read it differently.
    """
    if len(sql) > MAX_LENGTH:
        raise refused(f"is too long: at most {MAX_LENGTH:,} characters")
    if found := _CONTROL.search(sql):
        raise refused(
            f"the character U+{ord(found[0]):04X} is not allowed: remove it, or send it in `parameters`",
            sql,
            found.start(),
        )
    tokens = list(_tokens(sql, token_pattern(dialect), dialect))
    _check_other_reading(sql, tokens, dialect)
    _check_neighbors(sql, tokens)
    _check_depth(sql, tokens)
    return tokens


def refused(message: str, sql: str = "", position: int | None = None) -> ValidationFailed:
    """Return the error for a query that is refused, with the position of the fault if there is one."""
    if position is not None:
        line = sql.count("\n", 0, position) + 1
        column = position - sql.rfind("\n", 0, position)
        message = f"line {line}, column {column}: {message}"
    return ValidationFailed.of("query", message=message)


def _tokens(sql: str, pattern: re.Pattern[str], dialect: str | None) -> Iterator[Token]:
    """Yield the tokens one after the other."""
    position = 0
    while position < len(sql):
        found = pattern.match(sql, position)
        if found is None:
            raise refused(_explain(sql, position, dialect), sql, position)
        kind = Kind[found.lastgroup or ""]
        yield Token(kind, found[0], position)
        position = found.end()


def _check_other_reading(sql: str, tokens: list[Token], dialect: str | None) -> None:
    """Refuse a text that the engine would read differently if the session had its other settings."""
    strings = OTHER_MODE.get(dialect or "")
    if strings is None or not _BACKSLASH_QUOTE.search(sql):
        return
    try:
        others = list(_tokens(sql, token_pattern(dialect, strings), dialect))
    except ValidationFailed:
        return
    for token, other in zip(tokens, others, strict=False):
        if token != other:
            raise refused(
                "a backslash before a quote can be read in two ways: send the string in `parameters`",
                sql,
                token.start,
            )


def _explain(sql: str, position: int, dialect: str | None) -> str:
    """Return what cannot be read at a position, and what to do."""
    for start, message in _REASONS:
        if re.compile(start, re.DOTALL).match(sql, position):
            return message
    shown = sql[position : position + _MAX_SHOWN].split(" ", maxsplit=1)[0]
    return f"{shown!r} cannot be read as {dialect or 'generic'} SQL"


def _check_neighbors(sql: str, tokens: list[Token]) -> None:
    """Refuse tokens that some engine reads differently because of the token before them."""
    before: Token | None = None  # the last one that is not blank
    for last, token in pairwise(tokens):
        if last.kind not in BLANK:
            before = last
        if (
            token.kind in {Kind.COMMENT, Kind.HINT}
            and last.kind is Kind.OPERATOR
            and last.text in _OPERATOR_ENDS
        ):
            raise refused("put a space between an operator and a comment", sql, token.start)
        if token.kind is Kind.STRING and before is not None and _continues(before, token):
            raise refused("put an operator between two strings", sql, token.start)
        if before is not None and before.kind is Kind.END and token.kind not in BLANK:
            raise refused("there must be one statement: nothing may follow the semicolon", sql, token.start)


def _continues(before: Token, token: Token) -> bool:
    """Return whether a string continues the one before it, with the escapes of that one."""
    return before.kind is Kind.STRING and before.text[0] not in "'\"" and token.text[0] in "'\""


def _check_depth(sql: str, tokens: list[Token]) -> None:
    """Refuse brackets that are nested too deeply, and chains of names that are too long."""
    depth = chain = 0
    after_dot = False
    for token in tokens:
        if token.kind in BLANK:
            continue
        if token.kind is Kind.OPERATOR and token.text in "([{)]}":
            depth += 1 if token.text in "([{" else -1
        if token.text[0] == ".":  # or a number, as in t.1.2
            chain += 1
        elif not after_dot:
            chain = 0
        after_dot = token.text[0] == "."
        if depth > MAX_DEPTH:
            raise refused(
                f"is nested too deeply: at most {MAX_DEPTH} brackets in one another", sql, token.start
            )
        if chain > MAX_CHAIN:
            raise refused(f"has too many names with dots in a row: at most {MAX_CHAIN}", sql, token.start)
