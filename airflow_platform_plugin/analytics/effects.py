"""Check that a query calls no function and reads no table with effects beyond the data. Pure.

The checks use the lexer's tokens, not a parser's tree: in every engine a call has its name before a bracket.
``scripts/function-lists`` writes the files in ``functions/`` from the engines' own catalogs.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources

from airflow_platform_plugin.analytics import effect_rules
from airflow_platform_plugin.analytics.lexer import Kind, Token, refused
from airflow_platform_plugin.core.errors import ValidationFailed


@dataclass(frozen=True)
class Query:
    """A query to check.

    Attributes:
        sql: the caller's text, for positions in messages.
        tokens: its tokens that are not blank.
        dialect: sqlglot's name; None for any SQL.
        aliases: positions of names that only name a table, such as ``t`` in ``unnest(a) t(b)``.
        tables: the tables that it reads, each as catalog, schema and name; empty if the text names none.
        functions: names, or patterns such as ``st_*``, that the operator allows.
    """

    sql: str
    tokens: Sequence[Token]
    dialect: str | None
    aliases: Collection[int]
    tables: Collection[Sequence[str]]
    functions: Collection[str]

    def operator(self, index: int, text: str) -> bool:
        """Return whether the token at an index is this operator or bracket."""
        return self._at(index, Kind.OPERATOR, text)

    def word(self, index: int, text: str) -> bool:
        """Return whether the token at an index is this keyword."""
        return self._at(index, Kind.WORD, text)

    def name(self, index: int) -> str | None:
        """Return the name at an index, or None."""
        if 0 <= index < len(self.tokens) and self.tokens[index].kind in {Kind.WORD, Kind.NAME}:
            return name_of(self.tokens[index])
        return None

    def refused(self, index: int, message: str) -> ValidationFailed:
        """Return the error for the token at an index."""
        return refused(message, self.sql, self.tokens[index].start)

    def has_effects(self, index: int, name: str) -> ValidationFailed:
        """Return the error for a call that is not allowed."""
        return self.refused(
            index,
            f"the function '{name}' is not known to have no effects, so it is not allowed; an operator can "
            "allow it with `[platform] query_functions`",
        )

    def allows(self, *names: str) -> bool:
        """Return whether the operator allows a function by one of these names."""
        return any(fnmatchcase(name, pattern) for name in names for pattern in self.functions)

    def _at(self, index: int, kind: Kind, text: str) -> bool:
        if not 0 <= index < len(self.tokens):
            return False
        token = self.tokens[index]
        return token.kind is kind and token.text.lower() == text


def check(query: Query) -> None:
    """Refuse a query that calls or reads something that is not allowed.

    Raises:
        ValidationFailed: the query does; the message has the name and its position.
    """
    _check_clauses(query)
    _check_schemas(query)
    for index in range(len(query.tokens)):
        if query.dialect == "clickhouse" and query.word(index, "apply"):
            _check_apply(query, index)
        if query.operator(index + 1, "("):
            _check_call(query, index)
        elif query.dialect in effect_rules.POSTGRES_LIKE and query.operator(index - 1, "."):
            _check_attribute(query, index)
        elif query.word(index, "show") and query.operator(index - 1, "("):
            raise query.refused(index, "SHOW must be a statement of its own")
        elif query.word(index - 1, "in"):
            # SQLite and ClickHouse accept a table there.
            _check_table(_chain(query, index), query.dialect)
    if query.dialect in effect_rules.STRINGS_NAME_TABLES:
        _check_strings(query)
    for table in query.tables:
        _check_table(table, query.dialect)


def name_of(token: Token) -> str:
    """Return the name of a word, in lower case as engines compare it, or of a quoted name."""
    if token.kind is Kind.WORD:
        return token.text.lower()
    quote = token.text[-1]
    return token.text[1:-1].replace(quote * 2, quote)


def _check_call(query: Query, index: int) -> None:
    token = query.tokens[index]
    if token.kind in {Kind.STRING, Kind.PLACEHOLDER}:
        raise query.refused(index, "a value cannot be called: put an operator or a comma before the bracket")
    name = query.name(index)
    if name is None or token.start in query.aliases:
        return
    qualifiers = _qualifiers(query, index)
    if not qualifiers and (_names_a_type(query, index) or _is_keyword(token, query.dialect)):
        return
    full = ".".join((*qualifiers, name))
    if not query.allows(full, name) and not _is_harmless(qualifiers, name, query.dialect):
        raise query.has_effects(index, full)


def _is_harmless(qualifiers: Sequence[str], name: str, dialect: str | None) -> bool:
    if dialect is None or dialect not in effect_rules.LISTED:
        return not any(effect_rules.is_denied_function(part.lower()) for part in (*qualifiers, name))
    if qualifiers and dialect != "duckdb" and (dialect, *qualifiers) != ("postgres", "pg_catalog"):
        # Users' schemas have users' functions. In DuckDB a value may be before the dot.
        return False
    return _is_known(name, dialect)


def _qualifiers(query: Query, index: int) -> tuple[str, ...]:
    """Return the names before a name: ``pg_catalog`` for ``pg_catalog.lower(x)``; ``?`` for anything else."""
    found: list[str] = []
    while query.operator(index - 1, "."):
        index -= 2
        found.append(query.name(index) or "?")
    return tuple(reversed(found))


def _names_a_type(query: Query, index: int) -> bool:
    """Return whether the name follows AS or ``::``, where no engine accepts a call."""
    return query.operator(index - 1, "::") or query.word(index - 1, "as")


def _is_keyword(token: Token, dialect: str | None) -> bool:
    return token.kind is Kind.WORD and token.text.lower() in _keywords(dialect)


@cache
def _keywords(dialect: str | None) -> frozenset[str]:
    also = _functions(f"{dialect}.keywords.txt") if dialect in effect_rules.LISTED else frozenset()
    return _functions("keywords.txt") | also


def _is_known(name: str, dialect: str) -> bool:
    if name in _functions(f"{dialect}.txt"):
        return True
    if dialect != "clickhouse" or name in _functions("clickhouse.effects.txt"):
        return False
    shorter = effect_rules.without_combinator(name)
    return shorter not in {"", name} and _is_known(shorter, dialect)


@cache
def _functions(file: str) -> frozenset[str]:
    folder = resources.files("airflow_platform_plugin.analytics") / "functions"
    return frozenset((folder / file).read_text("ascii").split())


def _check_attribute(query: Query, index: int) -> None:
    """Check ``(x).f``, which calls ``f`` in PostgreSQL as well."""
    name = query.name(index)
    # For t.f PostgreSQL looks only for a column; for (t).a.f it looks for a function too.
    if name is None or query.allows(name) or _qualifiers(query, index)[0] != "?":
        return
    if name in _functions("postgres.effects.txt") or effect_rules.is_denied_extension_function(name):
        raise query.has_effects(index, name)


def _check_apply(query: Query, index: int) -> None:
    """Check ``* APPLY f`` and ``* APPLY (f)``, which call ``f`` in ClickHouse."""
    index += 2 if query.operator(index + 1, "(") else 1
    name = query.name(index)
    if query.operator(index + 1, "-") or query.operator(index + 1, "(") or name is None:
        return  # a lambda, or an aggregate function with parameters, which is checked like other calls
    if not query.allows(name) and not _is_known(name, "clickhouse"):
        raise query.has_effects(index, name)


def _chain(query: Query, index: int) -> list[str]:
    """Return the names from an index on that have dots between them."""
    names = []
    while (name := query.name(index)) is not None:
        names.append(name)
        if not query.operator(index + 1, "."):
            break
        index += 2
    return names


def _check_clauses(query: Query) -> None:
    words = [token.text.lower() if token.kind is Kind.WORD else "" for token in query.tokens]
    for index, token in enumerate(query.tokens):
        if token.kind is Kind.HINT and any(name in token.text.lower() for name in effect_rules.DENIED_HINTS):
            raise query.refused(index, "a hint may not set variables or a resource group: remove it")
        if words[index] and not query.operator(index - 1, "."):
            for length in (1, 2, 3):
                if message := effect_rules.DENIED_CLAUSES.get(tuple(words[index : index + length])):
                    raise query.refused(index, message)


def _check_schemas(query: Query) -> None:
    schemas = effect_rules.DENIED_SCHEMAS.get(query.dialect or "", {})
    for index in range(len(query.tokens)):
        name = (query.name(index) or "").lower()
        qualifies = query.operator(index + 1, ".") and not query.operator(index - 1, ".")
        if name in schemas and qualifies and query.name(index + 2) not in schemas[name]:
            raise query.refused(index, f"the schema '{name}' may not be read")


def _check_strings(query: Query) -> None:
    """Refuse strings that SQLite and DuckDB read as names of tables, and DuckDB as names of files."""
    brackets = [""]  # the words before the open brackets
    for index, token in enumerate(query.tokens):
        if token.text in {"(", "[", "{"}:
            brackets.append(query.name(index - 1) or "")
        elif token.text in {")", "]", "}"} and len(brackets) > 1:
            brackets.pop()
        elif (
            token.kind is Kind.STRING
            and brackets[-1] not in effect_rules.WITH_FROM
            and any(query.word(index - 1, word) for word in effect_rules.BEFORE_TABLES)
        ):
            raise query.refused(index, "a string cannot be a table: write the table's name")


def _check_table(table: Sequence[str], dialect: str | None) -> None:
    name = table[-1] if table else ""
    if effect_rules.is_denied_table(name, dialect):
        raise refused(f"the table '{name}' may not be read")
    if dialect == "duckdb" and effect_rules.is_file_name(".".join(filter(None, table))):
        raise refused(f"the table '{name}' may not be read: its name is that of a file")
