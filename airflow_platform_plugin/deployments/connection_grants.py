"""Grants of connections to deployments.

A kit that gets a connection knows its secrets. Names can be deleted and used again, so the owner of a
connection is checked each time: a tenant's kit gets connections of that tenant. Of the connections that
belong to no tenant, it gets exactly the rows that were granted, and not a later connection of the same name.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import ConnectionRecord, metadata_join
from airflow_platform_plugin.core import scopes
from airflow_platform_plugin.core.errors import FieldError, PermissionDenied, ValidationFailed
from airflow_platform_plugin.core.principal import Principal

_READ = "connections:read"


def grant(
    session: Session,
    names: Sequence[str],
    tenant_id: str | None,
    by: Principal,
    granted: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Grant connections to a deployment, if the caller may.

    A caller who may read the tenant's connections may grant those. A caller who may read all connections may
    grant shared ones, too. A deployment keeps its grants when it is deployed again or rolled back.

    Args:
        session: the transaction.
        names: the ids of the connections.
        tenant_id: the tenant that owns the deployment; None for the platform.
        by: the caller.
        granted: the ids of the rows that are allowed, by name; None for any row of that name.

    Returns:
        The ids of the rows of shared connections, by name.

    Raises:
        ValidationFailed: the kit may not have a connection of that name.
        PermissionDenied: the caller may not grant it.
    """
    found = _find_rows(session, names, tenant_id, granted)
    for name in names:
        if not (_may_read_all(by) if found[name].tenant_id is None else by.may(_READ, tenant_id)):
            raise PermissionDenied(
                f"You may not give connection '{name}' to a kit: you need the right to read it, "
                "and to read all connections if it is not the tenant's.",
                scope=_READ,
                connection_id=name,
            )
    return {name: record.row.id for name, record in found.items() if record.tenant_id is None}


def find(
    session: Session, names: Sequence[str], tenant_id: str | None, granted: Mapping[str, int]
) -> dict[str, ConnectionRecord]:
    """Return the current connections of a deployment by name.

    Args:
        session: the transaction.
        names: the ids of the connections.
        tenant_id: the tenant that owns the deployment; None for the platform.
        granted: the ids of the rows of shared connections that were granted, by name.

    Raises:
        ValidationFailed: a connection was deleted or replaced, or it has another owner.
    """
    return _find_rows(session, names, tenant_id, granted)


def _find_rows(
    session: Session, names: Sequence[str], tenant_id: str | None, granted: Mapping[str, int] | None
) -> dict[str, ConnectionRecord]:
    """Return all connections with their owners, or raise; ``granted`` is None for any shared row."""
    if not names:
        return {}
    rows = (
        select(Connection, PlatformConnection)
        .outerjoin(PlatformConnection, metadata_join())
        .where(Connection.conn_id.in_(names))
    )
    records = [ConnectionRecord(row, metadata) for row, metadata in session.execute(rows)]
    found = {
        record.connection_id: record
        for record in records
        if record.tenant_id == tenant_id
        or (
            record.tenant_id is None
            and (granted is None or granted.get(record.connection_id) == record.row.id)
        )
    }
    errors = [
        FieldError.at(("connections", place), f"the kit may use no connection {name!r}")
        for place, name in enumerate(names)
        if name not in found
    ]
    if errors:
        raise ValidationFailed(errors)
    return found


def _may_read_all(by: Principal) -> bool:
    credential = by.credential
    granted = credential is None or (credential.tenant_id is None and scopes.covers(credential.scopes, _READ))
    return granted and ("can_read", "Connections") in airflow_compat.users.permissions(by.user)
