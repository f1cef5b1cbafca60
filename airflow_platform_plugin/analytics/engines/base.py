"""What all engines have in common: their interface, their errors, and how values get into a statement."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.analytics.guard import Parts, Placeholder, Statement
from airflow_platform_plugin.analytics.values import Column, Value
from airflow_platform_plugin.connections.tenant_rules.host_fields import NamedHost
from airflow_platform_plugin.core.errors import ValidationFailed

Scalar = str | int | float | bool | None
Parameters = Mapping[str, Scalar | Sequence[Scalar]]

_IN = re.compile(r"\bIN\s*\Z", re.IGNORECASE)
_IN_PARENTHESIS = re.compile(r"\bIN\s*\(\s*\Z", re.IGNORECASE)
_CLOSED = re.compile(r"\s*\)")


class Limits(NamedTuple):
    """What one query may use.

    Attributes:
        rows: the most rows that are fetched, one more than are answered.
        bytes: the longest that the answer's rows may be.
        seconds: the time for connecting, executing and fetching together.
        memory: the bytes that a database inside of a process of ours may use.
    """

    rows: int
    bytes: int
    seconds: float
    memory: int


class Source(NamedTuple):
    """Where a query goes.

    Attributes:
        connection: what the caller was authorised for; its name is not looked up again.
        trusted: whether the operator has made the connection, or approved it, and no tenant alone.
        for_all: whether the caller may query all connections.
        named: the hosts of a tenant's connection, which are looked up, and held to the rules for tenants, at
            the moment of the query.
    """

    connection: Connection
    trusted: bool = False
    for_all: bool = False
    named: tuple[NamedHost, ...] = ()


class EngineError(Exception):
    """What goes wrong at a database. The text may name hosts, users and paths."""


class Unsupported(EngineError):
    """Queries cannot run on this connection; the text is for the caller."""


class Unreachable(EngineError):
    """The database cannot be connected to."""


class Refused(EngineError):
    """The database does not execute the query."""


class Expired(EngineError):
    """The database itself has stopped the query, as its time was up."""


class TooLarge(EngineError):
    """The query needs more memory than it may have."""


class RowTooLong(EngineError):
    """The next row alone is longer than a whole answer may be."""


class Engine(ABC):
    """One query on one database.

    Attributes:
        dialect: sqlglot's name of the database's SQL, None where sqlglot does not know it.
        warnings: sentences for the caller.
    """

    dialect: str | None = None

    def __init__(self, source: Source, limits: Limits) -> None:
        self.connection, self.trusted = source.connection, source.trusted
        self.limits = limits
        self.warnings: list[str] = []

    @abstractmethod
    def open(self) -> None:
        """Connect, to read and nothing else.

        Raises:
            Unreachable: there is no connection.
            Unsupported: the connection, or this server, lacks something.
        """

    @abstractmethod
    def execute(self, statement: Statement, parameters: Parameters) -> list[Column]:
        """Start the query.

        Raises:
            Refused: the database does not take it.
            ValidationFailed: a value cannot stand where it is used.
        """

    @abstractmethod
    def rows(self) -> Iterator[Sequence[Value]]:
        """The rows, each fetched when it is asked for.

        Raises:
            Refused: the database gives up.
        """

    @abstractmethod
    def cancel(self) -> None:
        """Stop the query at the database; called by another thread, in at most two seconds."""

    @abstractmethod
    def close(self) -> None:
        """Leave the database; whatever still runs there is stopped first."""


class Bound(NamedTuple):
    """A statement in a driver's style, and its values by the names in it."""

    sql: str
    values: dict[str, Scalar | list[Scalar]]


class Style(NamedTuple):
    """How a driver wants its statements.

    Attributes:
        mark: writes a placeholder of that name.
        literal: escapes the text between placeholders, where there are any.
        arrays: whether a list may stand where no IN is, as the database's array.
        regenerated: whether to write the text that the guard made of what it understood.
    """

    mark: Callable[[str], str]
    literal: Callable[[str], str] = str
    arrays: bool = False
    regenerated: bool = False


def bind(statement: Statement, parameters: Parameters, style: Style) -> Bound:
    """Write a statement for a driver; a list becomes several placeholders after IN: ``IN (:ids)``.

    Raises:
        ValidationFailed: a list is empty, or stands where the database takes none.
    """
    mark, literal, arrays, regenerated = style
    parts = _parts(statement, regenerated=regenerated)
    if not statement.names:
        return Bound("".join(map(str, parts)), {})
    values: dict[str, Scalar | list[Scalar]] = {}
    marks: dict[tuple[str, int], str] = {}

    def one(name: str, index: int, value: Scalar | list[Scalar]) -> str:
        key = marks.setdefault((name, index), f"p{len(marks)}")
        values[key] = value
        return mark(key)

    def written(index: int, part: Placeholder) -> str:
        value = parameters[part.name]
        if value is None or isinstance(value, (str, int, float)):
            return one(part.name, -1, value)
        if not value:
            raise ValidationFailed.of("parameters", part.name, message="must not be an empty list")
        listed = _place_of_list(parts, index)
        if listed is None and arrays:
            return one(part.name, -1, list(value))
        if listed is None:
            raise ValidationFailed.of(
                "parameters", part.name, message=f"is a list, which can only stand in IN (:{part.name}) here"
            )
        return listed.format(", ".join(one(part.name, number, item) for number, item in enumerate(value)))

    sql = "".join(
        written(index, part) if isinstance(part, Placeholder) else literal(part)
        for index, part in enumerate(parts)
    )
    return Bound(sql, values)


def _parts(statement: Statement, *, regenerated: bool) -> Parts:
    render = statement.render_regenerated if regenerated else statement.render
    pieces = render(lambda name: f"\0{name}\0").split("\0")  # no statement has NUL
    return tuple(Placeholder(piece) if index % 2 else piece for index, piece in enumerate(pieces))


def _place_of_list(parts: Parts, index: int) -> str | None:
    """How the items of a list at that placeholder are written; None where it is not all that IN has."""
    before = parts[index - 1] if index else ""
    after = parts[index + 1] if index + 1 < len(parts) else ""
    if not isinstance(before, str) or not isinstance(after, str):
        return None
    if _IN.search(before):
        return "({})"
    return "{}" if _IN_PARENTHESIS.search(before) and _CLOSED.match(after) else None
