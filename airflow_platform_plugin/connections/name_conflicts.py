"""Names that are taken: by another connection, by the environment or by a secrets backend.

Airflow asks the environment and the secrets backends first, so a connection there shadows one in the
database. Names in the environment are in upper case, so names that differ only in case are the same.
"""

from collections.abc import Collection, Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections import authorization
from airflow_platform_plugin.connections.records import ConnectionRecord, attach_metadata
from airflow_platform_plugin.core.errors import Conflict, ServiceUnavailable
from airflow_platform_plugin.core.principal import Principal

_AT_ONCE = 500
_TAKEN = "This connection_id is taken"


def find_alike(session: Session, names: Collection[str], *, lock: bool = False) -> list[ConnectionRecord]:
    """Return the connections of any tenant that have one of the names, in any case.

    Args:
        session: the request's transaction.
        names: the names.
        lock: select Airflow's rows FOR UPDATE.
    """
    return attach_metadata(session, _find_rows(session, names, lock=lock))


def find_stored_names(session: Session, names: Collection[str]) -> set[str]:
    """Return the names of the connections that have one of the names, in any case."""
    return {str(row.conn_id) for row in _find_rows(session, names)}


def _find_rows(session: Session, names: Collection[str], *, lock: bool = False) -> list[Connection]:
    lowered = sorted({name.lower() for name in names})
    found: list[Connection] = []
    for start in range(0, len(lowered), _AT_ONCE):
        some = lowered[start : start + _AT_ONCE]
        rows = select(Connection).where(func.lower(Connection.conn_id).in_(some)).order_by(Connection.id)
        found += session.scalars(rows.with_for_update() if lock else rows)
    return found


def require_free(taken: Iterable[ConnectionRecord], connection_id: str, by: Principal) -> None:
    """Refuse a name that a connection has; names are the same for all tenants.

    Args:
        taken: the connections with that name, in any case.
        connection_id: the name.
        by: the caller.

    Raises:
        Conflict: the name is taken. The error does not say that another tenant has it; that can be guessed.
    """
    for record in taken:
        is_visible = authorization.is_visible(record, by)
        message = f"Connection '{record.connection_id}' already exists" if is_visible else _TAKEN
        raise Conflict(message, connection_id=connection_id)


def is_shadowed(connection_id: str) -> bool:
    """Return whether the environment or a secrets backend has a connection of that name.

    No transaction may be open: some backends are asked over HTTP.

    Raises:
        ServiceUnavailable: a backend does not answer.
    """
    try:
        return airflow_compat.connections.is_shadowed(connection_id)
    except Exception as error:  # a backend may raise anything
        raise ServiceUnavailable("A secrets backend of Airflow does not answer; try again later.") from error


def require_not_shadowed(connection_id: str, by: Principal) -> None:
    """Refuse a name that the environment or a secrets backend has. No transaction may be open.

    Raises:
        Conflict: it has the name.
        ServiceUnavailable: a secrets backend does not answer.
    """
    if is_shadowed(connection_id):
        raise make_shadowed_error(connection_id, by)


def make_shadowed_error(connection_id: str, by: Principal) -> Conflict:
    """Return the error for a name that is shadowed. A tenant learns only that the name is taken."""
    message = _TAKEN
    if by.reach(authorization.WRITE).everywhere:
        message = (
            f"Connection '{connection_id}' is in the environment or a secrets backend, which Airflow asks "
            "before the database; choose another connection_id"
        )
    return Conflict(message, connection_id=connection_id)
