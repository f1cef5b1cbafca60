"""Who may see and change which connection, and what a tenant's may reach."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import or_
from sqlalchemy.orm import Session

from airflow_platform_plugin.connections import extra_references, name_conflicts, reachability
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import ConnectionRecord
from airflow_platform_plugin.core.errors import Conflict, PermissionDenied
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.tenants import service as tenants

READ, WRITE, EXPORT = "connections:read", "connections:write", "connections:export"

_TAKEN = "This connection_id is taken"


def may_see(found: ConnectionRecord, by: Principal, scope: str = READ) -> bool:
    """Whether the caller may know of it: of its tenants' and of everybody's."""
    return found.tenant_id is None or by.reach(scope).allows(found.tenant_id)


def visible(by: Principal, scope: str = READ) -> Any:  # noqa: ANN401 - a condition
    """The same for a query that has an outer join with our rows."""
    column = PlatformConnection.tenant_id
    return or_(column.is_(None), by.reach(scope).where(column))


def require_changeable(found: ConnectionRecord, by: Principal) -> None:
    """Let everybody's connections be changed only by who may change all.

    Raises:
        PermissionDenied: the caller's right is for some tenants alone.
    """
    if found.tenant_id is None and not by.reach(WRITE).everywhere:
        _deny(f"Connection '{found.connection_id}' is shared by all tenants; to change it")


def owner(session: Session, tenant_id: str | None, by: Principal) -> str | None:
    """The tenant that a connection is given to; to all only by who may change those.

    Raises:
        ValidationFailed: there is no such tenant that the caller reaches.
        PermissionDenied: it would be everybody's, and the caller's right is for some tenants alone.
    """
    reach = by.reach(WRITE)
    if tenant_id is None and not reach.everywhere:
        _deny("To share a connection with all tenants")
    return None if tenant_id is None else tenants.resolve_owner(session, tenant_id, by=by, scope=WRITE)


def require_unclaimed(connection_id: str, by: Principal) -> None:
    """Refuse a name that the environment or a secrets backend has. No transaction may be open.

    Raises:
        Conflict: it has. A tenant learns no more than that the name is taken.
        ServiceUnavailable: a secrets backend does not answer.
    """
    if name_conflicts.is_claimed(connection_id):
        raise claimed(connection_id, by)


def claimed(connection_id: str, by: Principal) -> Conflict:
    """The error for a name that the environment or a secrets backend has."""
    message = _TAKEN
    if by.reach(WRITE).everywhere:
        message = (
            f"Connection '{connection_id}' is in the environment or a secrets backend, which Airflow asks "
            "before the database; choose another connection_id"
        )
    return Conflict(message, connection_id=connection_id)


def require_free(taken: Iterable[ConnectionRecord], connection_id: str, by: Principal) -> None:
    """Refuse a name that a connection has, in whatever case; names are the same for all tenants.

    Raises:
        Conflict: it is taken. The error does not say that it is another tenant's; that can be guessed.
    """
    for found in taken:
        seen = may_see(found, by)
        message = f"Connection '{found.connection_id}' already exists" if seen else _TAKEN
        raise Conflict(message, connection_id=connection_id)


def require_allowed(
    session: Session, tenant_id: str | None, fields: dict[str, Any], by: Principal, *, approving: bool
) -> bool:
    """Hold a connection to what its tenant and the caller may have.

    Args:
        session: the database.
        tenant_id: whose the connection is, or will be.
        fields: all its fields.
        by: the caller.
        approving: whether the request would approve what a tenant could not write itself; the caller's right
            for all tenants makes it so.

    Returns:
        Whether the connection needs an administrator's approval, and has it.

    Raises:
        ValidationFailed: a host or a field of extra is not the tenant's to have, or extra names a connection
            that is not.
        PermissionDenied: the type is not for tenants.
    """
    if tenant_id is None:
        return False
    approved = approving and by.reach(WRITE).everywhere and bool(reachability.unapproved(fields))
    standing = reachability.rules_of(session, tenant_id, approved=approved)
    reachability.require_fields(fields, standing)
    extra = fields.get("extra") or {}
    if approved:
        extra_references.require_seen(session, extra, lambda other: may_see(other, by))
    else:
        extra_references.require_of_tenant(session, extra, tenant_id)
    return approved


def _deny(what: str) -> None:
    raise PermissionDenied(f"{what} needs {WRITE} for all of them.", scope=WRITE)
