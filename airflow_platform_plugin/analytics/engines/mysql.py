"""MySQL and MariaDB: an unbuffered cursor of PyMySQL, whose connection accepts one statement at a time.

mysqlclient, which Airflow's hook prefers, accepts several by default.
"""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

from airflow_platform_plugin.analytics.engines.base import (
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
from airflow_platform_plugin.analytics.values import Column, Value

# PyMySQL is typed in parts only.
_Session: TypeAlias = Any  # pymysql.Connection
_Cursor: TypeAlias = Any  # pymysql.cursors.SSCursor

_KILL_TIMEOUT = 2  # seconds
# The server has stopped the query: KILL QUERY, MySQL's limit and MariaDB's.
_STOPPED = {1317, 3024, 1969}
_LOST = 2013
_JSON = 245
# Names of types, where the protocol's own are outdated.
_NAMES = {
    "newdecimal": "decimal",
    "long": "int",
    "longlong": "bigint",
    "short": "smallint",
    "tiny": "tinyint",
}
_NAMES |= {"int24": "mediumint", "var_string": "varchar", "string": "char", "newdate": "date"}


class MySQL(Engine):
    """A query on MySQL or MariaDB."""

    dialect = "mysql"

    def __init__(self, source: Source, limits: Limits) -> None:
        super().__init__(source, limits)
        self._session: Any = None  # PyMySQL's Connection
        self._cursor: Any = None
        self._running = False

    def open(self) -> None:
        """Connect for reading only."""
        try:
            import pymysql
        except ImportError as error:
            raise Unsupported("the server needs the package pymysql to query MySQL or MariaDB") from error
        seconds = math.ceil(self.limits.seconds)
        try:
            session = _connect(self._arguments(), connect_timeout=seconds, read_timeout=seconds + 5)
            with session.cursor() as cursor:
                self._restrict(session, cursor)
        except (pymysql.MySQLError, OSError) as error:
            raise Unreachable(str(error)) from error
        self._session = session

    def _restrict(self, session: _Session, cursor: _Cursor) -> None:
        if "mariadb" in session.get_server_info().lower():
            cursor.execute(f"SET SESSION max_statement_time = {self.limits.seconds + 1:.3f}")
        else:
            cursor.execute(f"SET SESSION max_execution_time = {math.ceil(self.limits.seconds * 1000) + 1000}")
        cursor.execute(f"SET SESSION lock_wait_timeout = {math.ceil(self.limits.seconds) + 1}")
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
        cursor.execute("START TRANSACTION READ ONLY")

    def execute(self, statement: Statement, parameters: Parameters) -> list[Column]:
        """Start the query and return its columns."""
        style = Style(lambda name: f"%({name})s", lambda text: text.replace("%", "%%"))
        bound = bind(statement, parameters, style)
        self._cursor = self._session.cursor()
        self._running = True
        with self._refusals():
            self._cursor.execute(bound.sql, bound.values or None)
        described = self._cursor.description or ()
        self._documents = [index for index, column in enumerate(described) if column[1] == _JSON]
        return [Column(column[0], _type_name(column[1])) for column in described]

    def rows(self) -> Iterator[Sequence[Value]]:
        """Yield the rows."""
        with self._refusals():
            while (row := self._cursor.fetchone()) is not None:
                yield self._with_documents(row) if self._documents else row
        self._running = False

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """Raise the engine's errors for PyMySQL's. After an error of the server nothing runs there."""
        import pymysql

        try:
            yield
        except pymysql.MySQLError as error:
            code, *texts = error.args or (0,)
            self._running = code == _LOST
            if code in _STOPPED or code == _LOST:
                raise Expired(str(error)) from error
            raise Refused(str(texts[0] if texts else error)) from error
        except UnicodeError as error:
            raise Refused("a text in the result is not valid UTF-8; convert it in the query") from error

    def _with_documents(self, row: Sequence[Value]) -> list[Value]:
        parsed = list(row)
        for index in self._documents:
            if isinstance(row[index], str):
                with suppress(ValueError, RecursionError):
                    parsed[index] = json.loads(row[index])
        return parsed

    def cancel(self) -> None:
        """Stop the query at the database."""
        if self._session is None or not self._running:
            return
        with suppress(Exception):
            killer = _connect(self._arguments(), connect_timeout=_KILL_TIMEOUT, read_timeout=_KILL_TIMEOUT)
            with killer, killer.cursor() as cursor:
                cursor.execute(f"KILL QUERY {int(self._session.thread_id())}")

    def close(self) -> None:
        """Disconnect."""
        if self._session is None:
            return
        # Closing a cursor reads all remaining rows, and the server goes on when only the socket closes.
        self.cancel()
        with suppress(Exception):
            self._session._force_close()  # noqa: SLF001 - close() would wait for the server

    def _arguments(self) -> dict[str, Any]:
        connection, extra = self.connection, self.connection.extra_dejson
        if not isinstance(extra, dict):
            extra = {}
        for name in ("iam", "aws_conn_id"):
            if extra.get(name):
                raise Unsupported(f"it logs in with extra.{name}, which queries do not support")
        if not connection.host and not self.trusted:
            raise Unsupported("it needs the name or the address of a host")
        arguments = {
            "host": connection.host or "localhost",
            "port": connection.port or 3306,
            "user": connection.login or "",
            "password": connection.password or "",
            "database": connection.schema or None,
            "ssl": self._tls(extra),
        }
        if self.trusted and extra.get("unix_socket"):
            arguments["unix_socket"] = str(extra["unix_socket"])
        return arguments

    def _tls(self, extra: dict[str, Any]) -> dict[str, Any] | None:
        given = extra.get("ssl")
        if isinstance(given, str):
            with suppress(ValueError):
                given = json.loads(given)
        files = {"ca", "capath", "cert", "key"} if self.trusted else set()
        ssl = {name: given[name] for name in files if given.get(name)} if isinstance(given, dict) else {}
        mode = str(extra.get("ssl_mode") or "").upper()
        asked = any(extra.get(name) for name in ("ssl_verify_cert", "ssl_verify_identity"))
        if not (ssl or given or asked) and mode in {"", "DISABLED", "PREFERRED"}:
            return None
        by_name = mode == "VERIFY_IDENTITY" or bool(extra.get("ssl_verify_identity"))
        verified = by_name or mode == "VERIFY_CA" or bool(extra.get("ssl_verify_cert")) or "ca" in ssl
        return {
            **ssl,
            "verify_mode": "required" if verified else "none",
            "check_hostname": by_name,
        }


def _connect(arguments: dict[str, Any], *, connect_timeout: float, read_timeout: float) -> _Session:
    import pymysql
    from pymysql.cursors import SSCursor

    # No client_flag: MULTI_STATEMENTS is off. No read_default_file: it may contain the operator's password.
    return pymysql.connect(
        **arguments,
        charset="utf8mb4",
        sql_mode="",  # the guard reads strings in this mode
        cursorclass=SSCursor,
        connect_timeout=max(1, connect_timeout),
        read_timeout=read_timeout,
        write_timeout=read_timeout,
        local_infile=False,
        autocommit=True,
    )


def _type_name(code: int) -> str:
    from pymysql.constants import FIELD_TYPE

    name = next((name for name, value in vars(FIELD_TYPE).items() if value == code), "unknown").lower()
    return _NAMES.get(name, name)
