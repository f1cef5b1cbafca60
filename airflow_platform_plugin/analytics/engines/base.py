"""The interface of all engines, their errors, and how values are bound to placeholders."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.analytics.inputs import Parameters, Scalar
from airflow_platform_plugin.analytics.statement import Parts, Placeholder, Statement
from airflow_platform_plugin.analytics.values import Column, Value
from airflow_platform_plugin.connections.tenant_rules.host_fields import NamedHost
from airflow_platform_plugin.core.errors import ValidationFailed

_IN = re.compile(r"\bIN\s*\Z", re.IGNORECASE)
_IN_PARENTHESIS = re.compile(r"\bIN\s*\(\s*\Z", re.IGNORECASE)
_CLOSED = re.compile(r"\s*\)")


class Limits(NamedTuple):
    """What one query may use.

    Attributes:
        rows: the most rows that are fetched: one more than the response may have.
        bytes: the most bytes that the rows of the response may have.
        seconds: the time for connecting, executing and fetching together.
        memory: the bytes that a database in a process of ours may use.
    """

    rows: int
    bytes: int
    seconds: float
    memory: int


class Source(NamedTuple):
    """Where a query goes.

    Attributes:
        connection: the connection that the caller may query; its name is not looked up again.
        trusted: whether the operator has created or approved the connection, not only a tenant.
        for_all: whether the caller may query all connections.
        named: the hosts of a tenant's connection; they are resolved, and must fit the rules for tenants, at
            the moment of the query.
    """

    connection: Connection
    trusted: bool = False
    for_all: bool = False
    named: tuple[NamedHost, ...] = ()


class EngineError(Exception):
    """An error at a database. The text may name hosts, users and paths."""


class Unsupported(EngineError):
    """The connection cannot be queried; the text is for the caller."""


class Unreachable(EngineError):
    """The database cannot be connected to."""


class Refused(EngineError):
    """The database does not execute the query."""


class Expired(EngineError):
    """The database itself has stopped the query because its time was up."""


class TooLarge(EngineError):
    """The query needs more memory than it may use."""


class RowTooLong(EngineError):
    """The next row alone is longer than a whole response may be."""


class Engine(ABC):
    """One query on one database.

    Attributes:
        dialect: sqlglot's name of the database's SQL; None if sqlglot does not know it.
        warnings: sentences for the caller.
    """

    dialect: str | None = None

    def __init__(self, source: Source, limits: Limits) -> None:
        self.connection, self.trusted = source.connection, source.trusted
        self.limits = limits
        self.warnings: list[str] = []

    @abstractmethod
    def open(self) -> None:
        """Connect for reading only.

        Raises:
            Unreachable: the database cannot be connected to.
            Unsupported: the connection, or this server, lacks something that is needed.
        """

    @abstractmethod
    def execute(self, statement: Statement, parameters: Parameters) -> list[Column]:
        """Start the query and return its columns.

        Raises:
            Refused: the database does not execute it.
            ValidationFailed: a value cannot be used where its placeholder is.
        """

    @abstractmethod
    def rows(self) -> Iterator[Sequence[Value]]:
        """Yield the rows; each is fetched when it is needed.

        Raises:
            Refused: the database stops with an error.
        """

    @abstractmethod
    def cancel(self) -> None:
        """Stop the query at the database; called by another thread, in at most two seconds."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect; stop first what still runs at the database."""


class Bound(NamedTuple):
    """A statement in a driver's style, and its values by the names in it."""

    sql: str
    values: dict[str, Scalar | list[Scalar]]


class Style(NamedTuple):
    """How a driver wants its statements.

    Attributes:
        mark: returns the placeholder of a name.
        literal: escapes the text between placeholders, if there are any.
        arrays: whether a list may be used without IN, as an array of the database.
        regenerated: whether to send the text that sqlglot writes, not the caller's.
    """

    mark: Callable[[str], str]
    literal: Callable[[str], str] = str
    arrays: bool = False
    regenerated: bool = False


def bind(statement: Statement, parameters: Parameters, style: Style) -> Bound:
    """Return a statement for a driver; after IN, as in ``IN (:ids)``, a list becomes several placeholders.

    Raises:
        ValidationFailed: a list is empty, or the database accepts no list there.
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
        listed = _list_format(parts, index)
        if listed is None and arrays:
            return one(part.name, -1, list(value))
        if listed is None:
            raise ValidationFailed.of(
                "parameters",
                part.name,
                message=f"is a list, which can be used only as IN (:{part.name}) here",
            )
        return listed.format(", ".join(one(part.name, number, item) for number, item in enumerate(value)))

    sql = "".join(
        written(index, part) if isinstance(part, Placeholder) else literal(part)
        for index, part in enumerate(parts)
    )
    return Bound(sql, values)


def _parts(statement: Statement, *, regenerated: bool) -> Parts:
    render = statement.render_regenerated if regenerated else statement.render
    pieces = render(lambda name: f"\0{name}\0").split("\0")  # no statement contains NUL
    return tuple(Placeholder(piece) if index % 2 else piece for index, piece in enumerate(pieces))


def _list_format(parts: Parts, index: int) -> str | None:
    """Return the format of a list's items at that placeholder; None if it is not all that IN has."""
    before = parts[index - 1] if index else ""
    after = parts[index + 1] if index + 1 < len(parts) else ""
    if not isinstance(before, str) or not isinstance(after, str):
        return None
    if _IN.search(before):
        return "({})"
    return "{}" if _IN_PARENTHESIS.search(before) and _CLOSED.match(after) else None
