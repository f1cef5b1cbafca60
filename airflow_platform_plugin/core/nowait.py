"""Writes in Airflow's own transaction that never wait for a lock.

Every task process imports this module when its task ends, so it imports very little: no models, no Airflow.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from airflow_platform_plugin.core.types import SqlValue


# Milliseconds that our statement may wait for a lock. MySQL has whole seconds only.
_PATIENCE = 100
_SAVEPOINT = "platform_at_once"
# One round trip with psycopg2, instead of five with SQLAlchemy's own statements. ``SET LOCAL`` survives the
# RELEASE of a savepoint, so the earlier value is set again by hand; a ROLLBACK TO undoes it.
_POSTGRESQL_BEFORE = (
    f"SAVEPOINT {_SAVEPOINT}",
    "SELECT set_config('platform.lock_timeout', current_setting('lock_timeout'), true)",
    f"SET LOCAL lock_timeout = {_PATIENCE}",
)
_POSTGRESQL_AFTER = (
    "SELECT set_config('lock_timeout', current_setting('platform.lock_timeout'), true)",
    f"RELEASE SAVEPOINT {_SAVEPOINT}",
)
# How long MySQL waits for a table and for a row: settings of the session, which no SAVEPOINT restores.
_MYSQL_WAITS = ("lock_wait_timeout", "innodb_lock_wait_timeout")


class Expression:
    """A value that the database computes. A plain class, because it is quick to define.

    Attributes:
        sql: SQL with ``{}`` where a parameter is.
        parameters: the parameters, in their order.
    """

    def __init__(self, sql: str, parameters: "tuple[SqlValue, ...]") -> None:
        self.sql = sql
        self.parameters = parameters


class LostTransaction(Exception):
    """MySQL has undone the whole transaction to resolve a deadlock. Its owner must begin it again."""


def begin(connection: Connection) -> None:
    """Begin the transaction before a SAVEPOINT, unless that has happened already.

    SQLite's driver begins a transaction with the first write. A SAVEPOINT before that would be a transaction
    itself, committed at its end. And a transaction that reads before it writes fails at once while others
    write, with every later statement. ``BEGIN IMMEDIATE`` waits for them.
    """
    if connection.dialect.name == "sqlite" and not connection.connection.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def insert(connection: Connection, into: str, row: dict[str, Any], *, where_any: Sequence[str]) -> None:
    """Insert a row unless it exists already.

    An error undoes this insert alone and is raised; Airflow's transaction can go on. No lock is waited for
    longer than a moment.

    Args:
        connection: Airflow's.
        into: the table's name.
        row: values by column, the primary key first; an ``Expression`` is computed by the database.
        where_any: names of tables; if all are empty, nothing is inserted.

    Raises:
        LostTransaction: the database has undone the whole transaction.
    """
    dialect = connection.dialect.name
    expressions = [
        value if isinstance(value, Expression) else Expression("{}", (value,)) for value in row.values()
    ]
    values = tuple(_bound(dialect, value) for each in expressions for value in each.parameters)
    selected = [each.sql for each in expressions]
    _WAYS.get(dialect, _on_sqlite)(
        connection, _statement(dialect, into, list(row), selected, where_any), values
    )


def _statement(
    dialect: str, into: str, columns: Sequence[str], selected: Sequence[str], where_any: Sequence[str]
) -> str:
    """Return the statement as the driver takes it. SQLAlchemy would need milliseconds to compile it."""
    wanted = " OR ".join(f"EXISTS (SELECT 1 FROM {name})" for name in where_any)  # noqa: S608 - names of ours
    marked = ", ".join(selected).replace("{}", "?" if dialect == "sqlite" else "%s")
    on_mysql, key = dialect == "mysql", f"{into}.{columns[0]}"
    parts = (
        f"INSERT INTO {into} ({', '.join(columns)}) SELECT {marked}",
        "FROM DUAL" if on_mysql else "",
        f"WHERE {wanted}",
        f"ON DUPLICATE KEY UPDATE {key} = {key}" if on_mysql else "ON CONFLICT DO NOTHING",
    )
    return " ".join(parts)


def _bound(dialect: str, value: "SqlValue") -> "SqlValue":
    """Return a value as the driver takes it, the same that SQLAlchemy's types would give."""
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, datetime):
        utc = value.astimezone(timezone.utc)
        if dialect == "postgresql":
            return utc
        plain = utc.replace(tzinfo=None)
        return plain if dialect == "mysql" else plain.isoformat(" ", "microseconds")
    return value


def _on_postgresql(connection: Connection, insert: str, values: tuple[Any, ...]) -> None:
    statements = [*_POSTGRESQL_BEFORE, insert, *_POSTGRESQL_AFTER]
    try:
        if connection.dialect.driver == "psycopg2":
            connection.exec_driver_sql("; ".join(statements), values)
        else:
            for statement in statements:
                connection.exec_driver_sql(statement, values if statement is insert else ())
    except Exception:
        connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        connection.exec_driver_sql(f"RELEASE SAVEPOINT {_SAVEPOINT}")
        raise


def _on_mysql(connection: Connection, insert: str, values: tuple[Any, ...]) -> None:
    waits = [f"SESSION {name}" for name in _MYSQL_WAITS]
    connection.exec_driver_sql(f"SAVEPOINT {_SAVEPOINT}")
    try:
        if connection.dialect.is_mariadb:
            limits = ", ".join(f"{name} = 0" for name in _MYSQL_WAITS)
            connection.exec_driver_sql(f"SET STATEMENT {limits} FOR {insert}", values)
            return
        before = [f"@platform_{name} = @@{name}" for name in _MYSQL_WAITS]
        connection.exec_driver_sql(f"SET {', '.join([*before, *(f'{wait} = 1' for wait in waits)])}")
        try:
            connection.exec_driver_sql(insert, values)
        finally:
            after = [f"SESSION {name} = @platform_{name}" for name in _MYSQL_WAITS]
            connection.exec_driver_sql(f"SET {', '.join(after)}")
    except DBAPIError as error:
        try:
            connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        except DBAPIError:
            raise LostTransaction from error
        raise


def _on_sqlite(connection: Connection, insert: str, values: tuple[Any, ...]) -> None:
    before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {min(_PATIENCE, before or 0)}")
    try:
        begin(connection)
        with connection.begin_nested():
            connection.exec_driver_sql(insert, values)
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {before}")


_WAYS: dict[str, Callable[[Connection, str, tuple[Any, ...]], None]] = {
    "postgresql": _on_postgresql,
    "mysql": _on_mysql,
}
