"""Who may see and change which connection.

A connection belongs to one tenant, or is shared by all tenants. Every caller with the scope sees the shared
ones. Only callers with the right to write in all tenants change them.
"""

from sqlalchemy import or_
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import ConnectionRecord
from airflow_platform_plugin.core.errors import PermissionDenied
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.tenants import service as tenants

READ, WRITE, EXPORT = "connections:read", "connections:write", "connections:export"


def is_visible(record: ConnectionRecord, by: Principal, scope: str = READ) -> bool:
    """Return whether a connection is shared, or belongs to a tenant in which the caller holds the scope."""
    return record.tenant_id is None or by.reach(scope).allows(record.tenant_id)


def where_visible(by: Principal, scope: str = READ) -> ColumnElement[bool]:
    """Return the condition of ``is_visible`` for a query that has an outer join with our rows."""
    column = PlatformConnection.tenant_id
    return or_(column.is_(None), by.reach(scope).where(column))


def require_changeable(record: ConnectionRecord, by: Principal) -> None:
    """Refuse changes of a shared connection to callers who may not write in all tenants.

    Raises:
        PermissionDenied: the caller may write connections of some tenants only.
    """
    if record.tenant_id is None:
        name = record.connection_id
        _require_all_tenants(by, f"Connection '{name}' is shared by all tenants, so changing it")


def resolve_new_owner(session: Session, tenant_id: str | None, by: Principal) -> str | None:
    """Return the tenant that gets a connection by a change, or None to share it with all tenants.

    Raises:
        ValidationFailed: the caller may not write connections of such a tenant.
        PermissionDenied: it would be shared, and the caller may write connections of some tenants only.
    """
    if tenant_id is None:
        _require_all_tenants(by, "Sharing a connection with all tenants")
        return None
    return tenants.resolve_owner(session, tenant_id, by=by, scope=WRITE)


def _require_all_tenants(by: Principal, what: str) -> None:
    if not by.reach(WRITE).everywhere:
        raise PermissionDenied(f"{what} needs {WRITE} in all tenants.", scope=WRITE)
