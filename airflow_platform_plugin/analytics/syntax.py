"""How each dialect writes strings, names, numbers and comments, as regular expressions. Pure.

The expressions match only what every version of an engine reads in the same way, in the session that we set
up: PostgreSQL with ``standard_conforming_strings=on`` (a backslash in a plain string is a character), MySQL
with ``sql_mode=''`` (a backslash is an escape, and ``"`` quotes strings), and UTF-8.
"""

import re
from functools import cache
from typing import NamedTuple

# Alternatives of one regular expression, in order. Each needs time linear in the length of the text.
_SPACE = r"(?P<SPACE>(?:[ \t\n]|\r\n)+)"
_COMMENT = r"(?P<COMMENT>--[^\n]*|/\*(?![!/]|M!)(?:(?!/\*|\*/).)*\*/)"
# Without quotes and operators: MySQL has its own rules for them in a hint.
_HINT = r"(?P<HINT>/\*\+[\w\s(),.@]*\*/)"
# Not where the colon means something else: a slice, a key of a struct, a cast.
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
    """The syntax of a dialect.

    Attributes:
        strings: expressions for strings.
        names: expressions for quoted names.
        operators: the characters of operators and brackets.
        pairs: pairs of characters that are one operator, as alternatives.
    """

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
# For any other engine: what all engines read in the same way.
_GENERIC = _Syntax(
    (_NO_BACKSLASH, _HEX, f"[nN]{_NO_BACKSLASH}"), (_DOUBLE, _BACKTICK), "()[],.+-*/%^<>=~!&|:", "::|=>"
)
_BRACKETED = _GENERIC._replace(names=(*_GENERIC.names, _BRACKETS), operators="(),.+-*/%^<>=~!&|:")

# In these, -- begins a comment only before a space, and # always does; not in other engines.
_MYSQL_LIKE = frozenset({"mysql", "doris", "singlestore", "starrocks"})
_MYSQL_COMMENT = r"(?P<COMMENT>(?:--(?=[ \t\n]|\r\n|\Z)|#)[^\n]*|/\*(?![!/+]|M!)(?:(?!/\*|\*/).)*\*/)"

# Strings in the other mode: PostgreSQL's standard_conforming_strings=off, MySQL's NO_BACKSLASH_ESCAPES.
OTHER_MODE = {
    "postgres": (f"[nN]?{_ESCAPED}",),
    "mysql": (f"{_MYSQL_PREFIX}?{_PLAIN}", r'"[^"]*(?:""[^"]*)*"(?!")'),
}


@cache
def token_pattern(dialect: str | None, strings: tuple[str, ...] = ()) -> re.Pattern[str]:
    """Return the expression for one token; the group that matches is the token's kind.

    Args:
        dialect: sqlglot's name; None or an unknown one for any SQL.
        strings: expressions for further strings, which take precedence.
    """
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
                # Never the start of a comment or a template of any engine.
                rf"(?P<OPERATOR>{syntax.pairs}|(?!--|//|/\*|\*/|{{[{{#%]|[%#]}})[{re.escape(syntax.operators)}])",
            )
        ),
        re.DOTALL,
    )


def _syntax(dialect: str | None) -> _Syntax:
    return _BRACKETED if dialect in {"tsql", "fabric"} else _SYNTAX.get(dialect or "", _GENERIC)
