"""Who may see and change which connection, and what a tenant's may reach."""

from typing import Any

from sqlalchemy import or_, true
from sqlalchemy.orm import Session

from airflow_platform_plugin import settings
from airflow_platform_plugin.connections import hosts
from airflow_platform_plugin.connections.found import Found
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.errors import FieldError, PermissionDenied, ValidationFailed
from airflow_platform_plugin.principal import Principal
from airflow_platform_plugin.tenants import service as tenants

READ, WRITE, EXPORT = "connections:read", "connections:write", "connections:export"


def may_see(found: Found, by: Principal, scope: str = READ) -> bool:
    """Whether the caller may know of it: of its tenants' and of everybody's."""
    reach = by.reach(scope)
    return reach is None or found.tenant_id is None or found.tenant_id in reach


def visible(by: Principal, scope: str = READ) -> Any:  # noqa: ANN401 - a condition
    """The same for a query that has an outer join with our rows."""
    reach = by.reach(scope)
    if reach is None:
        return true()
    return or_(PlatformConnection.tenant_id.is_(None), PlatformConnection.tenant_id.in_(reach))


def require_changeable(found: Found, by: Principal) -> None:
    """Let everybody's connections be changed only by who may change all.

    Raises:
        PermissionDenied: the caller's right is for some tenants alone.
    """
    if found.tenant_id is None and by.reach(WRITE) is not None:
        _deny(f"Connection '{found.connection_id}' is shared by all tenants; to change it")


def owner(session: Session, tenant_id: str | None, by: Principal) -> str | None:
    """The tenant that a connection is given to; to all only by who may change those.

    Raises:
        ValidationFailed: there is no such tenant that the caller reaches.
        PermissionDenied: it would be everybody's, and the caller's right is for some tenants alone.
    """
    reach = by.reach(WRITE)
    if tenant_id is None and reach is not None:
        _deny("To share a connection with all tenants")
    return None if tenant_id is None else tenants.of_new(session, tenant_id, reach=reach)


def require_allowed(session: Session, tenant_id: str | None, fields: dict[str, Any], by: Principal) -> None:
    """Hold a connection against what its tenant and the caller may use.

    Raises:
        ValidationFailed: a host is outside, and the tenant has not the feature ``external_connections``.
        PermissionDenied: it opens files of the server, and the caller's right is for some tenants alone.
    """
    if hosts.is_file(fields["connection_type"]):
        if by.reach(WRITE) is not None:
            _deny(f"A connection of type {fields['connection_type']} opens files of the server; to make one")
        return
    if tenant_id is None or tenants.has_feature(tenants.get(session, tenant_id), "external_connections"):
        return
    message = "is not among the internal hosts, and the tenant has not the feature external_connections"
    outside = hosts.outside(fields, settings.get().internal_hosts)
    if outside:
        raise ValidationFailed([FieldError.at(path, message) for path in outside])


def _deny(what: str) -> None:
    raise PermissionDenied(f"{what} needs {WRITE} for all of them.", scope=WRITE)
