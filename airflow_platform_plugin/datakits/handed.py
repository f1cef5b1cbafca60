"""Connections that are handed to kits: which a deployment may have, and that it goes on having no others.

A kit that is handed a connection knows its secrets. Names are freed and taken again, so whose a connection is
counts each time: a tenant's kit gets the tenant's own, and of those that no tenant has the ones that it was
granted by name.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat, scopes
from airflow_platform_plugin.airflow_compat import Connection
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.errors import FieldError, PermissionDenied, ValidationFailed
from airflow_platform_plugin.principal import Principal

_READ = "connections:read"


def grant(session: Session, names: Sequence[str], tenant_id: str | None, by: Principal) -> list[str]:
    """Those of the names that are shared by all tenants, if ``by`` may hand all of them to the tenant's kit.

    Who may read the tenant's own may hand those over, and who may read all, the shared ones too. What a
    deployment has been given once, it keeps when it is deployed again or rolled back.

    Raises:
        ValidationFailed: there is no such connection that the kit may have.
        PermissionDenied: the caller may not hand it over.
    """
    found = _found(session, names, tenant_id, granted=names)
    shared = [name for name in names if found[name][1] is None]
    for name in names:
        if not (_reads_all(by) if name in shared else by.may(_READ, tenant_id)):
            raise PermissionDenied(
                f"To hand connection '{name}' to a kit needs the right to read it; "
                "and to read all, if it is not one of the tenant's own.",
                scope=_READ,
            )
    return shared


def find(
    session: Session, names: Sequence[str], tenant_id: str | None, granted: Collection[str]
) -> dict[str, Connection]:
    """The connections of a deployment as they are now, by name.

    Args:
        session: the database.
        names: those that it wants.
        tenant_id: whose it is; None for the platform's own.
        granted: of the names, what it may have though it is shared.

    Raises:
        ValidationFailed: one is gone, or it is another's or a shared one now.
    """
    found = _found(session, names, tenant_id, granted)
    return {name: connection for name, (connection, _) in found.items()}


def _found(
    session: Session, names: Sequence[str], tenant_id: str | None, granted: Collection[str]
) -> dict[str, tuple[Connection, str | None]]:
    """The connections and whose they are; all of them, or an error."""
    if not names:
        return {}
    wanted = (
        select(Connection, PlatformConnection.tenant_id)
        .outerjoin(PlatformConnection, PlatformConnection.id == Connection.id)
        .where(Connection.conn_id.in_(names))
    )
    found = {
        row.conn_id: (row, owner)
        for row, owner in session.execute(wanted)
        if owner == tenant_id or (owner is None and row.conn_id in granted)
    }
    errors = [
        FieldError.at(("connections", place), f"there is no connection {name!r} that the kit may have")
        for place, name in enumerate(names)
        if name not in found
    ]
    if errors:
        raise ValidationFailed(errors)
    return found


def _reads_all(by: Principal) -> bool:
    credential = by.credential
    granted = credential is None or (credential.tenant_id is None and scopes.covers(credential.scopes, _READ))
    return granted and ("can_read", "Connections") in airflow_compat.permissions(by.user)
