"""Any other database, through Airflow's hook or SQLAlchemy: only for callers who may query all connections.

It is unknown whether such a driver accepts several statements. So the text that sqlglot writes is sent, and
the transaction is rolled back.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection as DatabaseConnection
from sqlalchemy.engine import Engine as DatabaseEngine
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import AirflowException
from airflow_platform_plugin.analytics.engines.base import (
    Engine,
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
from airflow_platform_plugin.connections import hooks, sqlalchemy_urls

# sqlglot's names, where SQLAlchemy's are different.
_SQLGLOT = {
    "postgresql": "postgres",
    "cockroachdb": "postgres",
    "mssql": "tsql",
    "awsathena": "athena",
    "mariadb": "mysql",
}
_READ_ONLY = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
    "oracle": "SET TRANSACTION READ ONLY",
}


class GenericEngine(Engine):
    """A query through SQLAlchemy."""

    def __init__(self, source: Source, limits: Limits) -> None:
        super().__init__(source, limits)
        self._engine = self._make_engine()
        self.dialect = _sqlglot_dialect(self._engine.dialect.name)
        self._session: DatabaseConnection | None = None
        self._result: Any = None  # SQLAlchemy's

    def open(self) -> None:
        """Connect for reading only."""
        try:
            session = self._engine.connect()
            if self._engine.dialect.name in _READ_ONLY:
                session.exec_driver_sql(_READ_ONLY[self._engine.dialect.name])
        except (SQLAlchemyError, OSError) as error:
            raise Unreachable(str(getattr(error, "orig", error))) from error
        self._session = session

    def execute(self, statement: Statement, parameters: Parameters) -> list[Column]:
        """Start the query and return its columns."""
        if self._session is None:
            raise RuntimeError("The engine is not open.")
        bound = bind(statement, parameters, Style(lambda name: f":{name}", _escaped, regenerated=True))
        sql = bound.sql if statement.names else _escaped(bound.sql)
        streamed = self._session.execution_options(stream_results=True)
        try:
            self._result = streamed.execute(text(sql), bound.values)
            described = self._result.cursor.description or ()
        except DBAPIError as error:
            raise Refused(str(error.orig)) from error
        return [Column(str(column[0]), _type_name(column[1])) for column in described]

    def rows(self) -> Iterator[Sequence[Value]]:
        """Yield the rows."""
        try:
            while (row := self._result.fetchone()) is not None:
                yield tuple(row)
        except DBAPIError as error:
            raise Refused(str(error.orig)) from error

    def cancel(self) -> None:
        """Stop the query by the driver's own way, or close the connection if it has none."""
        if self._session is None:
            return
        with suppress(Exception):
            driver: Any = self._session.connection.connection
            stop = next((s for s in ("cancel", "interrupt") if callable(getattr(driver, s, None))), "close")
            getattr(driver, stop)()

    def close(self) -> None:
        """Disconnect."""
        with suppress(Exception):
            if self._session is not None:
                self._session.close()
        self._engine.dispose()

    def _make_engine(self) -> DatabaseEngine:
        options: dict[str, Any] = {
            "poolclass": NullPool,
            **sqlalchemy_urls.make_engine_options(self.connection),
        }
        try:
            # Not Connection.get_hook(): that hook looks the connection's name up again.
            hook = hooks.make_hook(self.connection)
            if airflow_compat.connections.is_sql_hook(hook):
                engine: DatabaseEngine = hook.get_sqlalchemy_engine(engine_kwargs=options)
                return engine
            if hook is None:
                return create_engine(sqlalchemy_urls.make_url(self.connection), **options)
        except (AirflowException, ArgumentError, NoSuchModuleError, NotImplementedError, ImportError):
            pass
        raise Unsupported("it is not a SQL connection")


def _sqlglot_dialect(name: str) -> str | None:
    from sqlglot.dialects.dialect import Dialect

    name = _SQLGLOT.get(name, name)
    return name if Dialect.get(name) else None


def _escaped(sql: str) -> str:
    """Escape colons that begin no placeholder, for SQLAlchemy's ``text()``."""
    return sql.replace(":", "\\:")


def _type_name(code: object) -> str | None:
    return code.lower() if isinstance(code, str) else None
