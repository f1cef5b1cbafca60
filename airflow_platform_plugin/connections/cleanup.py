"""Keep our rows in step with connections that are deleted or renamed in Airflow's pages or API.

Airflow's command line is another process, without these hooks. So ``records.find_metadata`` compares id and
name: on SQLite the next connection gets the id of a deleted one, and must not get its tenant.
"""

import logging

from cryptography.fernet import InvalidToken
from flask import Flask
from sqlalchemy import delete, event, inspect, update
from sqlalchemy.engine import Connection as DatabaseConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import Delete, Update

from airflow_platform_plugin.airflow_compat.exceptions import AirflowException
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections.models import PlatformConnection

log = logging.getLogger(__name__)


def install(_app: Flask) -> None:
    """Delete and rename our row with Airflow's, in the same transaction, when this process does so."""
    for name, follow in (("after_delete", _deleted), ("after_update", _changed)):
        if not event.contains(Connection, name, follow):
            event.listen(Connection, name, follow)
    _allow_undecryptable_rows()


def _allow_undecryptable_rows() -> None:
    """Let rows be loaded whose password was encrypted with a lost Fernet key.

    Airflow decrypts each password when it loads a row, to hide it in logs. An error there would fail whole
    lists, and nobody could delete the row. Code that uses the password still fails.
    """
    mapper = inspect(Connection)
    hide_in_logs = mapper._reconstructor  # noqa: SLF001 - SQLAlchemy has no public access to it
    if hide_in_logs is None or getattr(hide_in_logs, "platform", False):
        return

    def load(row: Connection) -> None:
        try:
            hide_in_logs(row)
        except (InvalidToken, AirflowException, ValueError):
            log.warning("The password of connection %r cannot be decrypted", row.conn_id)

    load.platform = True  # type: ignore[attr-defined]
    mapper._reconstructor = load  # noqa: SLF001 - the same


def _deleted(_mapper: object, database: DatabaseConnection, row: Connection) -> None:
    table = PlatformConnection.__table__
    _execute(database, row, delete(table).where(table.c.id == row.id))


def _changed(_mapper: object, database: DatabaseConnection, row: Connection) -> None:
    table = PlatformConnection.__table__
    for before in inspect(row).attrs.conn_id.history.deleted or ():
        mine = (table.c.id == row.id) & (table.c.connection_id == before)
        _execute(database, row, update(table).where(mine).values(connection_id=row.conn_id))


def _execute(database: DatabaseConnection, row: Connection, statement: Delete | Update) -> None:
    try:
        # In a SAVEPOINT, so that an error here does not fail Airflow's own change.
        with database.begin_nested():
            database.execute(statement)
    except SQLAlchemyError:
        log.exception("The platform's row of connection %r could not be updated", row.conn_id)
