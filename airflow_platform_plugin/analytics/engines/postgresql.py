"""PostgreSQL: a cursor that is declared with the extended protocol, on its own connection of psycopg 3.

The server accepts one statement in a prepared statement, and only a query after DECLARE … CURSOR FOR.
Airflow's hook uses psycopg2, which sends any text as a script, also for named cursors.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.analytics.engines import postgresql_connect
from airflow_platform_plugin.analytics.engines.base import (
    Bound,
    Engine,
    Expired,
    Limits,
    Refused,
    Source,
    Style,
    Unreachable,
    Unsupported,
    bind,
)
from airflow_platform_plugin.analytics.inputs import Parameters
from airflow_platform_plugin.analytics.statement import Statement
from airflow_platform_plugin.analytics.values import Column, Json, Value, is_exact, moment

if TYPE_CHECKING:
    import psycopg
    from psycopg.abc import Buffer

_CURSOR = "platform_query"
_CANCEL_TIMEOUT = 2.0  # seconds
_BATCH, _BATCH_LENGTH = 500, 1_000_000  # rows, and their characters
# Python cannot represent all values of these types, such as dates before Christ, infinity, 24:00, and months
# in intervals. Their text is exact.
_MOMENTS = ("date", "time", "timetz", "timestamp", "timestamptz")
_TEXTS = (
    "interval",
    "inet",
    "cidr",
    "record",
    *("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"),
    *(
        "int4multirange",
        "int8multirange",
        "nummultirange",
        "datemultirange",
        "tsmultirange",
        "tstzmultirange",
    ),
)
# A quotient or an average has at least as many digits after the point, and PostgreSQL has rounded the last.
_DIGITS_OF_QUOTIENTS = 16


class PostgreSQL(Engine):
    """A query on PostgreSQL."""

    dialect = "postgres"

    def __init__(self, source: Source, limits: Limits) -> None:
        super().__init__(source, limits)
        self._session: Any = None  # psycopg's Connection
        self._columns: list[Column] = []

    def open(self) -> None:
        """Connect for reading only."""
        try:
            import psycopg
        except ImportError as error:
            raise Unsupported("the server needs the package psycopg to query PostgreSQL") from error
        arguments = postgresql_connect.arguments(
            self.connection, self.limits, trusted=self.trusted, libpq=psycopg.pq.version()
        )
        try:
            self._session = psycopg.connect(**arguments)
        except psycopg.Error as error:
            raise Unreachable(str(error)) from error
        # A pooler in between may drop the options of the connection.
        self._session.read_only = True
        if self._session.info.parameter_status("standard_conforming_strings") != "on":
            raise Unsupported("its server, or a pooler before it, has standard_conforming_strings turned off")
        _register_loaders(self._session)
        if self._session.info.parameter_status("is_superuser") == "on":
            self.warnings.append(
                "The connection logs in as a superuser of the database; give it a role that may only read."
            )

    def execute(self, statement: Statement, parameters: Parameters) -> list[Column]:
        """Start the query and return its columns."""
        with _refusals():
            bound = _bound(statement, parameters)
            self._session.execute(
                f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {bound.sql}", bound.values or None, prepare=True
            )
            described = self._session.execute(f"FETCH 0 FROM {_CURSOR}").description
        self._columns = [Column(column.name, column.type_display) for column in described or ()]
        return self._columns

    def rows(self) -> Iterator[Sequence[Value]]:
        """Yield the rows."""
        quotients = {index for index, column in enumerate(self._columns) if column.type == "numeric"}
        with _refusals(), self._session.cursor() as cursor:
            left, batch = self.limits.rows, 1
            while left > 0:
                wanted, fetched, length = min(batch, left), 0, 0
                # Row by row from the socket: a row may be as long as a gigabyte.
                for row in cursor.stream(f"FETCH {wanted} FROM {_CURSOR}"):
                    fetched, length = fetched + 1, length + _length(row)
                    yield self._rounded(row, quotients) if quotients else row
                if fetched < wanted:
                    return
                left -= fetched
                # The server collects a whole batch before it sends the first row of it.
                batch = min(_BATCH, max(1, min(2 * batch, _BATCH_LENGTH * fetched // (length + 1))))

    def cancel(self) -> None:
        """Stop the query at the database."""
        if self._session is not None:
            with suppress(Exception):
                self._session.cancel_safe(timeout=_CANCEL_TIMEOUT)

    def close(self) -> None:
        """Disconnect."""
        if self._session is not None:
            self._session.close()

    def _rounded(self, row: Sequence[Value], quotients: set[int]) -> list[Value]:
        """Return the row with averages and quotients as doubles."""
        rounded = list(row)
        for index in quotients:
            value = row[index]
            if not isinstance(value, Decimal) or not value.is_finite() or is_exact(value):
                continue
            if -int(value.as_tuple().exponent) >= _DIGITS_OF_QUOTIENTS:
                rounded[index] = float(value)
                self._warn_rounded(self._columns[index].name)
        return rounded

    def _warn_rounded(self, name: str) -> None:
        text = f"The numbers of column {name} are rounded to 15 digits; cast it to text to get all digits."
        if text not in self.warnings:
            self.warnings.append(text)


@contextmanager
def _refusals() -> Iterator[None]:
    """Raise the engine's errors for psycopg's."""
    import psycopg

    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        raise Expired(str(error)) from error
    except psycopg.Error as error:
        raise Refused(error.diag.message_primary or str(error)) from error


def _length(row: Sequence[Value]) -> int:
    """Return about how many characters a row has."""
    return sum(len(value) if isinstance(value, (str, bytes)) else len(str(value)) for value in row)


def _bound(statement: Statement, parameters: Parameters) -> Bound:
    style = Style(lambda name: f"%({name})s", lambda text: text.replace("%", "%%"), arrays=True)
    return bind(statement, parameters, style)


def _register_loaders(session: "psycopg.Connection[Any]") -> None:
    from psycopg.adapt import Loader
    from psycopg.types.string import TextLoader

    class Moment(Loader):
        def load(self, data: "Buffer") -> str:
            return moment(bytes(data).decode())

    for name in _MOMENTS:
        session.adapters.register_loader(name, Moment)
    for name in _TEXTS:
        session.adapters.register_loader(name, TextLoader)
    # json.loads would end the interpreter's stack for a document that is nested very deeply.
    from psycopg.types.json import JsonbLoader, JsonLoader

    def shallow(base: type[Any]) -> type[Any]:
        class Document(base):
            def load(self, data: "Buffer") -> Json:
                try:
                    return super().load(data)
                except RecursionError:
                    return bytes(data).decode()

        return Document

    session.adapters.register_loader("json", shallow(JsonLoader))
    session.adapters.register_loader("jsonb", shallow(JsonbLoader))
