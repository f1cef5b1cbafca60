"""What is deleted in Airflow's own pages or by its API leaves nothing of ours behind.

PostgreSQL and MySQL never give out an id again; SQLite does, and a tenant would own what is somebody else's.
"""

import logging
from typing import Any

from sqlalchemy import delete, event
from sqlalchemy.engine import Connection as DatabaseConnection
from sqlalchemy.exc import SQLAlchemyError

from airflow_platform_plugin.airflow_compat import Connection
from airflow_platform_plugin.connections.models import PlatformConnection

log = logging.getLogger(__name__)


def install() -> None:
    """Delete our row with Airflow's, in the same transaction, wherever this process does that."""
    if not event.contains(Connection, "after_delete", _follow):
        event.listen(Connection, "after_delete", _follow)


def _follow(_mapper: object, database: DatabaseConnection, row: Any) -> None:  # noqa: ANN401 - Airflow's row
    table = PlatformConnection.__table__
    try:
        # A SAVEPOINT: what fails here must not fail what Airflow does.
        with database.begin_nested():
            database.execute(delete(table).where(table.c.id == row.id))
    except SQLAlchemyError:
        log.exception("What the platform knows of the connection %r is left behind", row.conn_id)
