"""The tokens of a caller's SQL, read as strictly as an engine could read them, or not at all. Pure.

An attack on a guard is a text that guard and engine read differently: a comment for one is a statement for
the other. So this lexer knows nothing but what every version of an engine, in the session that we set up,
reads in one way. It refuses the rest, which is no loss: SQL that people write has other spellings.

It takes for granted what the session sets: PostgreSQL's ``standard_conforming_strings=on`` (a backslash in a
plain string is a character), MySQL's ``sql_mode=''`` (it is an escape, and ``"`` quotes strings), and UTF-8.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from functools import cache
from itertools import pairwise
from typing import NamedTuple

from airflow_platform_plugin.core.errors import ValidationFailed

MAX_LENGTH = 100_000  # characters
# Brackets in brackets, and names with dots between. sqlglot calls itself some 20 times for a bracket,
# and goes through all names for each that it adds.
MAX_DEPTH = 40
MAX_CHAIN = 30

_MOST_SHOWN = 40  # characters of the caller's text in a message


class Kind(Enum):
    """What a token is."""

    SPACE = auto()
    COMMENT = auto()
    HINT = auto()  # MySQL's /*+ … */, which is sent
    STRING = auto()
    NAME = auto()  # in quotes
    WORD = auto()  # a keyword or a name without quotes
    NUMBER = auto()
    PLACEHOLDER = auto()
    OPERATOR = auto()  # one character, or one of few pairs
    END = auto()  # a semicolon


class Token(NamedTuple):
    """A token and where it starts, in characters."""

    kind: Kind
    text: str
    start: int


# Characters that some engine takes for the end of a line, or of the text, and another does not: NUL, VT, FF,
# a lone carriage return, NEL, LS, PS, and all other controls. Halves of surrogate pairs are no text.
_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufff9-\ufffb\ud800-\udfff]|\r(?!\n)"
)

# Alternatives of one regular expression, in order; each fails or ends in time linear in the text.
_SPACE = r"(?P<SPACE>(?:[ \t\n]|\r\n)+)"
_COMMENT = r"(?P<COMMENT>--[^\n]*|/\*(?![!/]|M!)(?:(?!/\*|\*/).)*\*/)"
# Without quotes and operators, which MySQL reads there by rules of their own.
_HINT = r"(?P<HINT>/\*\+[\w\s(),.@]*\*/)"
# Not after what has the colon for its own: a slice, a struct's key, a cast.
_PLACEHOLDER = r"""(?P<PLACEHOLDER>(?<![\w\])'"`:$}]):[A-Za-z_][A-Za-z0-9_]*(?![\w$'"`]))"""
_WORD = r"""(?P<WORD>(?![uU]&['"])[^\W\d]\w*(?![\w$'"`]))"""
_NUMBER = (
    r"(?P<NUMBER>(?:0[xX][0-9a-fA-F]+|0[bB][01]+|(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"""(?![\w$'"`]))"""
)

_PLAIN = r"'[^']*(?:''[^']*)*'(?!')"
_NO_BACKSLASH = r"'[^'\\]*(?:''[^'\\]*)*'(?!')"
_ESCAPED = r"'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'(?!')"
_ESCAPED_DOUBLE = r'"[^"\\]*(?:(?:\\.|"")[^"\\]*)*"(?!")'
_DOLLAR = r"\$(?P<tag>(?:[A-Za-z_][A-Za-z0-9_]*)?)\$.*?\$(?P=tag)\$"
_MYSQL_PREFIX = "(?:[nN]|_(?:utf8(?:mb[34])?|binary|ascii|latin1))"
_HEX = r"[xX]'[0-9a-fA-F]*'(?!')"
_BITS = r"[bB]'[01]*'(?!')"
_DOUBLE = r'"[^"\\]+(?:""[^"\\]*)*"(?!")|"(?:""[^"\\]*)+"(?!")'
_BACKTICK = r"`[^`\\]+(?:``[^`\\]*)*`(?!`)"
_BRACKETS = r"""\[[^\[\]'"`\\]+\]"""


class _Syntax(NamedTuple):
    """How a dialect writes what is in quotes; its operators' characters, and pairs that stay together."""

    strings: tuple[str, ...]
    names: tuple[str, ...]
    operators: str
    pairs: str = "->"


_SYNTAX = {
    "postgres": _Syntax(
        (_PLAIN, f"[eE]{_ESCAPED}", f"[nN]{_PLAIN}", _HEX, _BITS, _DOLLAR),
        (_DOUBLE,),
        "()[],.+-*/%^<>=~!@#&|?:",
        "::|:=|=>",
    ),
    "mysql": _Syntax(
        (
            _ESCAPED,
            _ESCAPED_DOUBLE,
            f"{_MYSQL_PREFIX}{_ESCAPED}",
            _HEX,
            _BITS,
        ),
        (_BACKTICK,),
        "(),.+-*/%^<>=~!&|",
    ),
    "sqlite": _Syntax((_PLAIN, _HEX), (_DOUBLE, _BACKTICK, _BRACKETS), "(),.+-*/%<>=~!&|"),
    "duckdb": _Syntax(
        (_PLAIN, f"[eE]{_ESCAPED}", _HEX, _DOLLAR),
        (_DOUBLE,),
        "()[]{},.+-*/%^<>=~!@#&|:",
        "::|:=|=>|//(?!/)",
    ),
    "clickhouse": _Syntax((_ESCAPED,), (_DOUBLE, _BACKTICK), "()[],.+-*/%<>=!|?:", "::"),
}
# The SQL of others, as far as they all read it in one way.
_GENERIC = _Syntax(
    (_NO_BACKSLASH, _HEX, f"[nN]{_NO_BACKSLASH}"), (_DOUBLE, _BACKTICK), "()[],.+-*/%^<>=~!&|:", "::|=>"
)
_BRACKETED = _GENERIC._replace(names=(*_GENERIC.names, _BRACKETS), operators="(),.+-*/%^<>=~!&|:")

# These take -- for a comment only if a space follows, and # always; other engines do not.
_MYSQL_LIKE = frozenset({"mysql", "doris", "singlestore", "starrocks"})
_MYSQL_COMMENT = r"(?P<COMMENT>(?:--(?=[ \t\n]|\r\n|\Z)|#)[^\n]*|/\*(?![!/+]|M!)(?:(?!/\*|\*/).)*\*/)"

# The strings of another mode: PostgreSQL's standard_conforming_strings=off, MySQL's NO_BACKSLASH_ESCAPES.
_OTHERWISE = {
    "postgres": (f"[nN]?{_ESCAPED}",),
    "mysql": (f"{_MYSQL_PREFIX}?{_PLAIN}", r'"[^"]*(?:""[^"]*)*"(?!")'),
}
_BACKSLASH_QUOTE = re.compile(r"""\\['"]""")

_OPERATOR_ENDS = frozenset("#@~!^&|?<>=+-/%")
BLANK = frozenset({Kind.SPACE, Kind.COMMENT})

# Why a text cannot be read where it starts with this, the first that fits.
_REASONS = (
    (r"/\*\+[^*]*\*/", "a hint may have names, numbers and brackets only"),
    (r"/\*(?:!|M!)", "comments that some engines execute are not allowed"),
    (r"/\*(?:(?!\*/).)*/\*", "a comment has another one in it, which engines read differently: leave it out"),
    (r"/\*", "a comment is not closed"),
    (r"\*/", "a comment ends that was not begun"),
    (r"--", "put a space after '--'"),
    (r"//", "'//' is a comment for some engines: put a space between"),
    (r"\{[{#%]|[%#]\}", "templates are not filled in here: send values in `parameters`, as `:name`"),
    (r"[uU]&['\"]", "strings and names with U& are not allowed: write the characters themselves"),
    (
        r"\w*'(?:[^'\\]|'')*\\",
        "a backslash in a string means different things to engines: send it in `parameters`",
    ),
    (r"['\"`\[](?![\s\S]*['\"`\]])", "a string or a name in quotes is not closed"),
    (r"""[\w:]+\$""", "names with '$' must stand in quotes"),
    (r"""\w+['"`]""", "put a space before the quote"),
    (r"[?$@]\w*", "values are sent in `parameters`, and written `:name` in the query"),
)


def lex(sql: str, dialect: str | None) -> list[Token]:
    """The tokens, with nothing left out.

    Raises:
        ValidationFailed: the text is too long, nested too deeply, or can be read in more than one way.
    """
    if len(sql) > MAX_LENGTH:
        raise refused(f"is too long: at most {MAX_LENGTH:,} characters")
    if found := _CONTROL.search(sql):
        raise refused(
            f"the character U+{ord(found[0]):04X} is not allowed: leave it out, or send it in `parameters`",
            sql,
            found.start(),
        )
    tokens = list(_tokens(sql, _pattern(dialect), dialect))
    _check_other_reading(sql, tokens, dialect)
    _check_neighbours(sql, tokens)
    _check_depth(sql, tokens)
    return tokens


def refused(message: str, sql: str = "", position: int | None = None) -> ValidationFailed:
    """The answer to a query that is not taken, with the place where it goes wrong."""
    if position is not None:
        line = sql.count("\n", 0, position) + 1
        column = position - sql.rfind("\n", 0, position)
        message = f"line {line}, column {column}: {message}"
    return ValidationFailed.of("query", message=message)


@cache
def _pattern(dialect: str | None, strings: tuple[str, ...] = ()) -> re.Pattern[str]:
    syntax = _syntax(dialect)
    return re.compile(
        "|".join(
            (
                _SPACE,
                _MYSQL_COMMENT if dialect in _MYSQL_LIKE else _COMMENT,
                *([_HINT] if dialect == "mysql" else []),
                f"(?P<STRING>{'|'.join((*strings, *syntax.strings))})",
                f"(?P<NAME>{'|'.join(syntax.names)})",
                _PLACEHOLDER,
                _WORD,
                _NUMBER,
                "(?P<END>;)",
                # Never the start of what is a comment, or a template, for somebody.
                rf"(?P<OPERATOR>{syntax.pairs}|(?!--|//|/\*|\*/|{{[{{#%]|[%#]}})[{re.escape(syntax.operators)}])",
            )
        ),
        re.DOTALL,
    )


def _syntax(dialect: str | None) -> _Syntax:
    return _BRACKETED if dialect in {"tsql", "fabric"} else _SYNTAX.get(dialect or "", _GENERIC)


def _tokens(sql: str, pattern: re.Pattern[str], dialect: str | None) -> Iterator[Token]:
    position = 0
    while position < len(sql):
        found = pattern.match(sql, position)
        if found is None:
            raise refused(_why(sql, position, dialect), sql, position)
        kind = Kind[found.lastgroup or ""]
        yield Token(kind, found[0], position)
        position = found.end()


def _check_other_reading(sql: str, tokens: list[Token], dialect: str | None) -> None:
    """Refuse what the engine could also read if the session's settings were not what they should be."""
    strings = _OTHERWISE.get(dialect or "")
    if strings is None or not _BACKSLASH_QUOTE.search(sql):
        return
    try:
        others = list(_tokens(sql, _pattern(dialect, strings), dialect))
    except ValidationFailed:
        return
    for token, other in zip(tokens, others, strict=False):
        if token != other:
            raise refused(
                "a backslash before a quote can be read in two ways here: send the string in `parameters`",
                sql,
                token.start,
            )


def _why(sql: str, position: int, dialect: str | None) -> str:
    """What cannot be read at a position, and what to do."""
    for start, message in _REASONS:
        if re.compile(start, re.DOTALL).match(sql, position):
            return message
    shown = sql[position : position + _MOST_SHOWN].split(" ", maxsplit=1)[0]
    return f"{shown!r} cannot be read as {dialect or 'generic'} SQL"


def _check_neighbours(sql: str, tokens: list[Token]) -> None:
    """Refuse tokens that one engine reads in another way because of what stands before them."""
    before: Token | None = None  # the last that is neither space nor comment
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
    """Tell whether a string carries on the one before, with the escapes of that one."""
    return before.kind is Kind.STRING and before.text[0] not in "'\"" and token.text[0] in "'\""


def _check_depth(sql: str, tokens: list[Token]) -> None:
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
                f"is nested too deeply: at most {MAX_DEPTH} brackets in each other", sql, token.start
            )
        if chain > MAX_CHAIN:
            raise refused(f"has too many names with dots in a row: at most {MAX_CHAIN}", sql, token.start)
