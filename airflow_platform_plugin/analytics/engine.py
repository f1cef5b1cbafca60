"""A user's SQL on a named Airflow connection: read-only, capped, ended when its time is up.

The connection's own hook makes the SQLAlchemy engine; a type without a hook is taken for the name of a
SQLAlchemy dialect. The SQL is never put together from strings: values go to the driver as parameters.
"""

import base64
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any, NamedTuple

from airflow.exceptions import AirflowException, AirflowNotFoundException
from airflow.models.connection import Connection as AirflowConnection
from airflow.providers.common.sql.hooks.sql import DbApiHook
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from airflow_platform_plugin import settings
from airflow_platform_plugin.analytics import guard
from airflow_platform_plugin.connections import dialects
from airflow_platform_plugin.errors import NotFound, ServiceUnavailable, TimedOut, ValidationFailed

_LOCK_RETRY = 0.1  # seconds

# sqlglot's names, where SQLAlchemy's differ.
_SQLGLOT = {"postgresql": "postgres", "mssql": "tsql", "awsathena": "athena"}

# What keeps a session from writing, beside the check of the statement itself and the roll-back.
_READ_ONLY = {
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}


class Result(NamedTuple):
    """Rows as JSON has them, at most as many as were asked for."""

    rows: list[dict[str, Any]]
    truncated: bool
    schema: str | None
    tables: list[str]
    seconds: float


def execute(database: str, sql: str, parameters: dict[str, Any], *, limit: int, timeout: float) -> Result:
    """Run one query and fetch at most ``limit`` rows within ``timeout`` seconds.

    Raises:
        NotFound: there is no connection of that name.
        ValidationFailed: the SQL is no query, lacks a parameter, or the database refuses it.
        ServiceUnavailable: the database cannot be reached.
        TimedOut: the time was up; the database was told to stop.
    """
    engine = _engine(database)
    try:
        statement = guard.read(sql, _sqlglot_dialect(engine), functions=settings.get().query_function_names)
        missing = sorted(statement.names - set(parameters))
        if missing:
            raise ValidationFailed.of("parameters", missing[0], message="is used by the query but not given")
        bound = {name: parameters[name] for name in statement.names}
        started = time.monotonic()
        with _connect(engine, deadline=started + timeout) as connection:
            rows, truncated = _fetch(connection, _text(statement), bound, limit=limit, timeout=timeout)
        seconds = time.monotonic() - started
    finally:
        engine.dispose()
    schemas = sorted({schema for schema, _ in statement.tables if schema})
    return Result(
        rows=rows,
        truncated=truncated,
        schema=schemas[0] if len(schemas) == 1 else None,
        tables=sorted({name for _, name in statement.tables}),
        seconds=seconds,
    )


def _text(statement: guard.Statement) -> str:
    """The SQL as ``text()`` takes it: a colon that starts no placeholder is escaped."""
    return statement.render(lambda name: f":{name}", lambda part: part.replace(":", "\\:"))


def no_connection(database: str) -> NotFound:
    """What is said of a connection that is not there, or not for the caller."""
    return NotFound(f"Connection '{database}' not found", database=database)


def _engine(database: str) -> Engine:
    try:
        connection = AirflowConnection.get_connection_from_secrets(database)
    except AirflowNotFoundException as error:
        raise no_connection(database) from error
    options: dict[str, Any] = {"poolclass": NullPool, **dialects.options(connection)}
    try:
        hook = connection.get_hook()
    except AirflowException:
        hook = None
    try:
        if isinstance(hook, DbApiHook):
            engine: Engine = hook.get_sqlalchemy_engine(engine_kwargs=options)
            return engine
        if hook is None:
            return create_engine(dialects.url(connection), **options)
    except (ArgumentError, NoSuchModuleError, NotImplementedError, ImportError):
        pass
    raise ValidationFailed.of("database", message=f"the connection '{database}' is none for SQL")


def _sqlglot_dialect(engine: Engine) -> str | None:
    from sqlglot.dialects.dialect import Dialect

    name = _SQLGLOT.get(engine.dialect.name, engine.dialect.name)
    return name if Dialect.get(name) else None


@contextmanager
def _connect(engine: Engine, *, deadline: float) -> Iterator[Connection]:
    """A connection that cannot write and is rolled back in any case."""
    connection = _open(engine, deadline)
    try:
        if engine.dialect.name in _READ_ONLY:
            connection.exec_driver_sql(_READ_ONLY[engine.dialect.name])
        if engine.dialect.name == "sqlite":
            _forbid_attach(_driver(connection))
        yield connection
    finally:
        with suppress(DBAPIError):
            connection.close()


def _open(engine: Engine, deadline: float) -> Connection:
    while True:
        try:
            return engine.connect()
        except DBAPIError as error:
            # DuckDB lets one process write or several read: a kit that is writing will be done soon.
            locked = engine.dialect.name == "duckdb" and "lock" in str(error.orig).lower()
            if not locked or time.monotonic() + _LOCK_RETRY > deadline:
                # The driver's text may name hosts, users and paths: the log has it, the caller does not.
                raise ServiceUnavailable("The database of this connection cannot be reached.") from error
            time.sleep(_LOCK_RETRY)


def _forbid_attach(connection: Any) -> None:  # noqa: ANN401 - sqlite3.Connection
    import sqlite3

    forbidden = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH}
    connection.set_authorizer(
        lambda action, *_: sqlite3.SQLITE_DENY if action in forbidden else sqlite3.SQLITE_OK
    )


def _fetch(
    connection: Connection, sql: str, parameters: dict[str, Any], *, limit: int, timeout: float
) -> tuple[list[dict[str, Any]], bool]:
    expired = threading.Event()
    cancel = _canceller(_driver(connection))

    def expire() -> None:
        expired.set()
        cancel()

    timer = threading.Timer(timeout, expire)
    timer.start()
    try:
        # One row more than asked for tells whether there are more, without counting them.
        result = connection.execution_options(stream_results=True).execute(text(sql), parameters)
        rows = [{k: _json(v) for k, v in row._mapping.items()} for row in result.fetchmany(limit + 1)]  # noqa: SLF001 - SQLAlchemy's public name
    except Exception as error:
        if expired.is_set():
            raise TimedOut(f"The query was stopped after {timeout:g} seconds.") from error
        if isinstance(error, DBAPIError):
            message = str(error.orig).strip().splitlines()[0]
            raise ValidationFailed.of("query", message=f"the database refused it: {message}") from error
        raise
    finally:
        timer.cancel()
    if expired.is_set():
        raise TimedOut(f"The query was stopped after {timeout:g} seconds.")
    return rows[:limit], len(rows) > limit


def _driver(connection: Connection) -> Any:  # noqa: ANN401 - a DB-API connection
    return connection.connection.connection


def _canceller(driver: Any) -> Callable[[], object]:  # noqa: ANN401 - a DB-API connection
    """What stops a running statement from another thread; closing is what every driver has."""
    for name in ("interrupt", "cancel"):  # sqlite3 and DuckDB; psycopg
        if callable(found := getattr(driver, name, None)):
            return found  # type: ignore[no-any-return]
    return driver.close  # type: ignore[no-any-return]


def _json(value: Any) -> Any:  # noqa: ANN401, PLR0911 - any SQL value, a line for each kind
    match value:
        case float() if not math.isfinite(value):
            return None  # JSON has no NaN
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return _json(float(value))
        case datetime() | date() | time_of_day():
            return value.isoformat()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode()
        case dict():
            return {str(key): _json(item) for key, item in value.items()}
        case list() | tuple() | set():
            return [_json(item) for item in value]
        case _:
            return str(value)
