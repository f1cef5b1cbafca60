"""Names of connections that somebody else has: another row, the environment, a secrets backend.

Airflow looks into the environment and the secrets backends first; the environment knows no lower case.
"""

from collections.abc import Collection

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.core.errors import ServiceUnavailable

_AT_ONCE = 500


def is_claimed(connection_id: str) -> bool:
    """Whether the environment or a secrets backend has a connection of that name. Some are asked over HTTP.

    Raises:
        ServiceUnavailable: a backend does not answer, so that nothing can be said.
    """
    try:
        return airflow_compat.connections.is_claimed(connection_id)
    except Exception as error:  # a backend may raise anything
        raise ServiceUnavailable("A secrets backend of Airflow does not answer.") from error


def alike(session: Session, wanted: Collection[str], *, lock: bool = False) -> list[Connection]:
    """The rows that have one of the names, in whatever case; ``lock`` keeps others from changing them."""
    lowered = sorted({name.lower() for name in wanted})
    found: list[Connection] = []
    for start in range(0, len(lowered), _AT_ONCE):
        some = lowered[start : start + _AT_ONCE]
        rows = select(Connection).where(func.lower(Connection.conn_id).in_(some)).order_by(Connection.id)
        found += session.scalars(rows.with_for_update() if lock else rows)
    return found
