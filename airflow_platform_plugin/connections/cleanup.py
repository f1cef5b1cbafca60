"""What happens to a connection in Airflow's own pages or by its API happens to what the platform knows of it.

Airflow's command line is another process, without this. So ``found.known_of`` asks for id and name: on SQLite
the next connection gets the id of a deleted one, and a tenant would own what is somebody else's.
"""

import logging
from typing import Any

from cryptography.fernet import InvalidToken
from flask import Flask
from sqlalchemy import delete, event, inspect, update
from sqlalchemy.engine import Connection as DatabaseConnection
from sqlalchemy.exc import SQLAlchemyError

from airflow_platform_plugin.airflow_compat.exceptions import AirflowException
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections.models import PlatformConnection

log = logging.getLogger(__name__)


def install(_app: Flask) -> None:
    """Delete and rename our row with Airflow's, in the same transaction, wherever this process does that."""
    for name, follow in (("after_delete", _deleted), ("after_update", _changed)):
        if not event.contains(Connection, name, follow):
            event.listen(Connection, name, follow)
    _load_what_cannot_be_decrypted()


def _load_what_cannot_be_decrypted() -> None:
    """Let a row with a password of a lost Fernet key be loaded, so that it fails no list and can be deleted.

    Airflow decrypts each password when it loads a row, to hide it in logs. Where that fails, there is nothing
    to hide; whatever uses the password fails then, as before.
    """
    mapper = inspect(Connection)
    hide_in_logs = mapper._reconstructor  # noqa: SLF001 - SQLAlchemy has no public way to get at it
    if hide_in_logs is None or getattr(hide_in_logs, "platform", False):
        return

    def load(row: Connection) -> None:
        try:
            hide_in_logs(row)
        except (InvalidToken, AirflowException, ValueError):
            log.warning("The password of connection %r cannot be decrypted", row.conn_id)

    load.platform = True  # type: ignore[attr-defined]
    mapper._reconstructor = load  # noqa: SLF001 - the same


def _deleted(_mapper: object, database: DatabaseConnection, row: Any) -> None:  # noqa: ANN401 - Airflow's row
    table = PlatformConnection.__table__
    _execute(database, row, delete(table).where(table.c.id == row.id))


def _changed(_mapper: object, database: DatabaseConnection, row: Any) -> None:  # noqa: ANN401 - Airflow's row
    table = PlatformConnection.__table__
    for before in inspect(row).attrs.conn_id.history.deleted or ():
        mine = (table.c.id == row.id) & (table.c.connection_id == before)
        _execute(database, row, update(table).where(mine).values(connection_id=row.conn_id))


def _execute(database: DatabaseConnection, row: Any, statement: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
    try:
        # A SAVEPOINT: what fails here must not fail what Airflow does.
        with database.begin_nested():
            database.execute(statement)
    except SQLAlchemyError:
        log.exception("What the platform knows of the connection %r is left behind", row.conn_id)
