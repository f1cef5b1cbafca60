"""PostgreSQL: a cursor that is declared by the extended protocol, on an own connection of psycopg 3.

The server takes one statement in a prepared statement, and after DECLARE … CURSOR FOR nothing but a query.
Airflow's hook gives psycopg2, which sends whatever it gets as a script, named cursors too.
"""

import math
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin.analytics.engines.base import (
    Bound,
    Engine,
    Expired,
    Limits,
    Parameters,
    Refused,
    Source,
    Style,
    Unreachable,
    Unsupported,
    bind,
)
from airflow_platform_plugin.analytics.guard import Statement
from airflow_platform_plugin.analytics.values import Column, Json, Value, is_exact, moment

if TYPE_CHECKING:
    import psycopg
    from psycopg.abc import Buffer

_CURSOR = "platform_query"
_CANCEL_TIMEOUT = 2.0  # seconds
_BATCH, _BATCH_LENGTH = 500, 1_000_000  # rows, and letters of them
_SAFE_TLS = {"sslmode", "ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding"}
# These are files of this server. `sslrootcert=system` is none.
_FILES_OF_TLS = {"sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir"}
_PLAIN = {
    "application_name",
    "hostaddr",
    "target_session_attrs",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
}
# Other ways to log in, which Airflow's hook has and a connection by login and password would only fail
# without.
_LOGINS = ("iam", "azure_conn_id", "redshift")
# Of `options`, what changes how a query is understood and nothing that it may do.
_OPTIONS = {"search_path", "timezone", "role"}
_LIBPQ_16 = 160000

# Python has no exact value for all of these: dates before Christ, infinity, 24:00, months in intervals. Their
# text is exact.
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
# A quotient or an average has at least as many digits after the point; PostgreSQL has rounded the last
# itself.
_DIGITS_OF_QUOTIENTS = 16


class PostgreSQL(Engine):
    """A query on PostgreSQL."""

    dialect = "postgres"

    def __init__(self, source: Source, limits: Limits) -> None:
        super().__init__(source, limits)
        self._session: Any = None  # psycopg's Connection
        self._columns: list[Column] = []

    def open(self) -> None:
        """Do as ``Engine`` says."""
        try:
            import psycopg
        except ImportError as error:
            raise Unsupported("the server needs the package psycopg to query PostgreSQL") from error
        try:
            self._session = psycopg.connect(**self._arguments(psycopg.pq.version()))
        except psycopg.Error as error:
            raise Unreachable(str(error)) from error
        # A pooler between may drop the options that the connection asks for.
        self._session.read_only = True
        if self._session.info.parameter_status("standard_conforming_strings") != "on":
            raise Unsupported("its server, or a pooler before it, has standard_conforming_strings turned off")
        _register_loaders(self._session)
        if self._session.info.parameter_status("is_superuser") == "on":
            self.warnings.append(
                "The connection logs in as a superuser of the database; give it a role that may only read."
            )

    def execute(self, statement: Statement, parameters: Parameters) -> list[Column]:
        """Do as ``Engine`` says."""
        with _refusals():
            bound = _bound(statement, parameters)
            self._session.execute(
                f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {bound.sql}", bound.values or None, prepare=True
            )
            described = self._session.execute(f"FETCH 0 FROM {_CURSOR}").description
        self._columns = [Column(column.name, column.type_display) for column in described or ()]
        return self._columns

    def rows(self) -> Iterator[Sequence[Value]]:
        """Do as ``Engine`` says."""
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
                # The server puts a whole batch aside before it sends the first row of it.
                batch = min(_BATCH, max(1, min(2 * batch, _BATCH_LENGTH * fetched // (length + 1))))

    def cancel(self) -> None:
        """Do as ``Engine`` says."""
        if self._session is not None:
            with suppress(Exception):
                self._session.cancel_safe(timeout=_CANCEL_TIMEOUT)

    def close(self) -> None:
        """Do as ``Engine`` says."""
        if self._session is not None:
            self._session.close()

    def _arguments(self, libpq: int) -> dict[str, Any]:
        """What psycopg connects with: all that libpq would otherwise take from files and the environment."""
        connection, extra = self.connection, self.connection.extra_dejson
        if not isinstance(extra, dict):
            extra = {}
        self._require_supported(extra)
        allowed = _SAFE_TLS | _PLAIN | (_FILES_OF_TLS if self.trusted else set())
        given = {name: extra[name] for name in allowed if isinstance(extra.get(name), (str, int))}
        if extra.get("sslrootcert") == "system":
            given["sslrootcert"] = "system"
        host = str(connection.host or "")
        if not self.trusted:
            given |= self._without_the_servers_identity(host, libpq)
        milliseconds = math.ceil(self.limits.seconds * 1000)
        settings = {
            **_settings(extra.get("options")),
            "default_transaction_read_only": "on",
            # How the guard has read strings.
            "standard_conforming_strings": "on",
            "backslash_quote": "safe_encoding",
            # Ours is the earlier end; these are for when we are not there any more.
            "statement_timeout": str(milliseconds + 1000),
            "lock_timeout": str(milliseconds),
            "idle_in_transaction_session_timeout": str(milliseconds + 5000),
            "datestyle": "ISO",
            "intervalstyle": "iso_8601",
        }
        return {
            **given,
            "host": host or None,
            "port": connection.port,
            "user": connection.login or None,
            # An empty one is not looked for in the environment, and no password in a file.
            "password": connection.password or "",
            "passfile": f"{os.devnull}/none",
            "dbname": connection.schema or "postgres",
            "client_encoding": "utf8",
            "connect_timeout": max(2, math.ceil(self.limits.seconds)),  # libpq takes no less than two
            "options": " ".join(f"-c {name}={_escaped(value)}" for name, value in settings.items()),
        }

    def _require_supported(self, extra: dict[str, Any]) -> None:
        for name in _LOGINS:
            if extra.get(name):
                raise Unsupported(f"it logs in by extra.{name}, which queries cannot do")

    @staticmethod
    def _without_the_servers_identity(host: str, libpq: int) -> dict[str, str]:
        """Hold a tenant's connection to a host of the network, and to its own login and password.

        A path is a socket of this server, where the web server's own user may be trusted; certificates and
        tickets in that user's home are the operator's.
        """
        hosts = [part.strip() for part in host.split(",")]
        if not all(hosts) or any(part.startswith(("/", "@")) for part in hosts):
            raise Unsupported("it needs the name or the address of a host")
        identity = {"gssencmode": "disable"}
        if libpq >= _LIBPQ_16:
            identity |= {"sslcertmode": "disable", "require_auth": "!gss,!sspi"}
        return identity

    def _rounded(self, row: Sequence[Value], quotients: set[int]) -> list[Value]:
        """The row with its averages and quotients as doubles."""
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
        text = f"The numbers of column {name} are rounded to 15 digits; cast it to text to have all of them."
        if text not in self.warnings:
            self.warnings.append(text)


@contextmanager
def _refusals() -> Iterator[None]:
    """Psycopg's errors in the engine's words."""
    import psycopg

    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        raise Expired(str(error)) from error
    except psycopg.Error as error:
        raise Refused(error.diag.message_primary or str(error)) from error


def _length(row: Sequence[Value]) -> int:
    """About as many letters as a row has."""
    return sum(len(value) if isinstance(value, (str, bytes)) else len(str(value)) for value in row)


def _bound(statement: Statement, parameters: Parameters) -> Bound:
    style = Style(lambda name: f"%({name})s", lambda text: text.replace("%", "%%"), arrays=True)
    return bind(statement, parameters, style)


def _settings(options: object) -> dict[str, str]:
    """The settings in a connection's ``options`` that queries take.

    Raises:
        Unsupported: there are others, which would be missed, or must not be.
    """
    if not options:
        return {}
    settings = {}
    try:
        words = " ".join(shlex.split(str(options)))
    except ValueError:
        words = str(options)
    for word in re.sub(r"(^|\s)-c\s*", "\n", words).split("\n"):
        if not word.strip():
            continue
        name, _, value = word.strip().partition("=")
        if name.strip().lower() not in _OPTIONS:
            raise Unsupported(f"of extra.options queries take {', '.join(sorted(_OPTIONS))} and nothing else")
        settings[name.strip().lower()] = value.strip()
    return settings


def _escaped(value: str) -> str:
    """A setting's value in ``options``, where a space ends it unless it is escaped."""
    return re.sub(r"([\\\s])", r"\\\1", value)


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
    # Without them json.loads would end the interpreter's stack; and keep a document's own order and numbers.
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
