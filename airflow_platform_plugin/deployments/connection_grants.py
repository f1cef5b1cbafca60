"""Connections that are handed to kits: which a deployment may have, and that it goes on having no others.

A kit that is handed a connection knows its secrets. Names are freed and taken again, so whose a connection is
counts each time: a tenant's kit gets the tenant's own, and of those that no tenant has the very rows that it
was granted. Another connection that has the name since is not one of them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import metadata_join
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
    """Those of the names that are shared by all tenants, if ``by`` may hand all of them to the tenant's kit.

    Who may read the tenant's own may hand those over, and who may read all, the shared ones too. What a
    deployment has been given once, it keeps when it is deployed again or rolled back.

    Args:
        session: the database.
        names: those that the kit is to have.
        tenant_id: whose it is; None for the platform's own.
        by: the caller.
        granted: the rows that may be meant, by name; None for whichever has the name now.

    Returns:
        The ids of the shared ones' rows, by name.

    Raises:
        ValidationFailed: there is no such connection that the kit may have.
        PermissionDenied: the caller may not hand it over.
    """
    found = _found(session, names, tenant_id, granted)
    for name in names:
        if not (_reads_all(by) if found[name].tenant_id is None else by.may(_READ, tenant_id)):
            raise PermissionDenied(
                f"To hand connection '{name}' to a kit needs the right to read it; "
                "and to read all, if it is not one of the tenant's own.",
                scope=_READ,
                connection_id=name,
            )
    return {name: row.connection.id for name, row in found.items() if row.tenant_id is None}


def find(
    session: Session, names: Sequence[str], tenant_id: str | None, granted: Mapping[str, int]
) -> dict[str, Connection]:
    """The connections of a deployment as they are now, by name.

    Args:
        session: the database.
        names: those that it wants.
        tenant_id: whose it is; None for the platform's own.
        granted: of the names, what it may have though it is shared: the ids of the rows.

    Raises:
        ValidationFailed: one is gone, or it is another's or a shared one now, or another one of that name.
    """
    found = _found(session, names, tenant_id, granted)
    return {name: row.connection for name, row in found.items()}


class _Row(NamedTuple):
    """A connection and the tenant that has it."""

    connection: Connection
    tenant_id: str | None


def _found(
    session: Session, names: Sequence[str], tenant_id: str | None, granted: Mapping[str, int] | None
) -> dict[str, _Row]:
    """The connections and whose they are, all or an error; ``granted`` is None for any that is shared."""
    if not names:
        return {}
    wanted = (
        select(Connection, PlatformConnection.tenant_id)
        .outerjoin(PlatformConnection, metadata_join())
        .where(Connection.conn_id.in_(names))
    )
    found = {
        row.conn_id: _Row(row, owner)
        for row, owner in session.execute(wanted)
        if owner == tenant_id or (owner is None and (granted is None or granted.get(row.conn_id) == row.id))
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
    return granted and ("can_read", "Connections") in airflow_compat.users.permissions(by.user)
