"""Connections: create, find, change and delete them."""

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections import authorization, kept_secrets, name_conflicts, storage
from airflow_platform_plugin.connections.inputs import (
    ConnectionChanges,
    ConnectionFields,
    ConnectionFilter,
    NewConnection,
)
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import (
    COLUMNS,
    ConnectionRecord,
    attach_metadata,
    find,
    metadata_join,
)
from airflow_platform_plugin.connections.references import find_references
from airflow_platform_plugin.connections.tenant_rules import reachability
from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.errors import Conflict, NotFound
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.tenants import service as tenants

READ, WRITE, EXPORT = authorization.READ, authorization.WRITE, authorization.EXPORT

# A change of one of these is checked against the rules for tenants.
_CHECKED = {"connection_type", "host", "port", "schema", "login", "extra", "tenant_id"}


def create(session: Session, data: NewConnection, *, by: Principal) -> ConnectionRecord:
    """Create a connection of a tenant, or one that all tenants share.

    Raises:
        Conflict: the name is taken. The error names the owner only to callers who may see it.
        ValidationFailed: there is no such tenant, the tenant may not have a field, or a secret is masked.
        PermissionDenied: tenants may not have connections of that type.
        ServiceUnavailable: a secrets backend does not answer whether it has the name.
    """
    # First, while no transaction is open: this may ask over HTTP.
    name_conflicts.require_not_shadowed(data.connection_id, by)
    tenant_id = tenants.resolve_owner(session, data.tenant_id, by=by, scope=WRITE)
    alike = name_conflicts.find_alike(session, [data.connection_id])
    name_conflicts.require_free(alike, data.connection_id, by)
    kept_secrets.require_no_masks(data)
    approved = reachability.require_writable(session, tenant_id, data, by, approving=True)
    return storage.insert(session, data, tenant_id=tenant_id, approved=approved, by=by)


def get(session: Session, connection_id: str, *, by: Principal) -> ConnectionRecord:
    """Return a connection that the caller may read: one of its tenants', or a shared one.

    Raises:
        NotFound: there is no such connection.
    """
    record = find(session, connection_id)
    if record is None or not authorization.is_visible(record, by):
        raise _not_found(connection_id)
    return record


def get_writable(session: Session, connection_id: str, *, by: Principal) -> ConnectionRecord:
    """Return a connection that the caller may change, and lock its row until this transaction ends.

    Raises:
        NotFound: there is no such connection that the caller may see.
        PermissionDenied: it is shared, and the caller may write connections of some tenants only.
    """
    record = find(session, connection_id, lock=True)
    if record is None or not authorization.is_visible(record, by, WRITE):
        raise _not_found(connection_id)
    authorization.require_changeable(record, by)
    return record


def page(session: Session, query: ConnectionFilter, *, by: Principal) -> pagination.Page:
    """Return a page of the connections that the caller may read, by default ordered by name."""
    rows = _select_visible(by, READ)
    if query.connection_type is not None:
        rows = rows.where(Connection.conn_type == query.connection_type)
    if query.tenant_id is not None:
        rows = rows.where(PlatformConnection.tenant_id == query.tenant_id)
    if query.search is not None:
        rows = rows.where(pagination.containing(query.search, Connection.conn_id, Connection.description))
    if query.order_by is not None:
        name = query.order_by.removeprefix("-")
        query = replace(query, order_by=query.order_by.replace(name, COLUMNS.get(name, name)))
    found = pagination.fetch(session, rows, query)
    return found._replace(items=attach_metadata(session, found.items))


def list_all(session: Session, *, by: Principal, scope: str) -> list[ConnectionRecord]:
    """Return all shared connections, and those of tenants in which the caller holds the scope, by name."""
    return attach_metadata(session, session.scalars(_select_visible(by, scope)).all())


def update(
    session: Session, record: ConnectionRecord, data: ConnectionChanges, *, by: Principal
) -> ConnectionRecord:
    """Set what is given. Extra is merged key by key, None removes a key, and a mask keeps the stored secret.

    Raises:
        ValidationFailed: as for ``create``, or secrets must be sent again.
        PermissionDenied: as for ``create``, or the connection would be shared.
    """
    changes = kept_secrets.restore_masked(record, data)
    kept_secrets.require_no_masks(changes)
    if changes.get("extra") is not None:
        merged = record.stored_extra | (changes["extra"] or {})
        changes["extra"] = {name: value for name, value in merged.items() if value is not None}
    tenant_id = record.tenant_id
    if "tenant_id" in changes:
        tenant_id = changes["tenant_id"] = authorization.resolve_new_owner(session, changes["tenant_id"], by)
    after = apply_changes(record.stored, changes)
    kept_secrets.require_secrets_again(record, data, after, tenant_id, by)
    approved = None
    if changes.keys() & _CHECKED:
        approving = _is_approval(record, data, after, tenant_id)
        approved = reachability.require_writable(session, tenant_id, after, by, approving=approving)
    return storage.write(session, record, changes, approved=approved, by=by)


def delete(session: Session, record: ConnectionRecord, *, force: bool, by: Principal) -> None:
    """Delete a connection that nothing refers to; with ``force`` any connection.

    Raises:
        Conflict: something that the caller may read refers to it; ``details.used_by`` names it.
    """
    used_by = {} if force else find_references(session, record, by=by)
    if any(used_by.values()):
        raise Conflict(
            f"Connection '{record.connection_id}' is in use; ?force=true deletes it anyway.",
            used_by=used_by,
        )
    storage.delete(session, record)


def apply_changes(fields: ConnectionFields, changes: ConnectionChanges) -> ConnectionFields:
    """Return the fields with the changes; extra is replaced, not merged."""
    given: dict[str, Json] = {name: value for name, value in changes.items() if name != "tenant_id"}
    return replace(fields, **given)


def _select_visible(by: Principal, scope: str) -> Select:
    joined = select(Connection).outerjoin(PlatformConnection, metadata_join())
    return joined.where(authorization.where_visible(by, scope)).order_by(Connection.conn_id)


def _is_approval(
    record: ConnectionRecord, given: ConnectionChanges, after: ConnectionFields, tenant_id: str | None
) -> bool:
    """Return whether a platform admin's change approves the fields that the tenant could not write itself.

    It does if such fields were approved before, or if the change sends all of them. A change of something
    else approves nothing that the tenant left there.
    """
    if record.tenant_id is None or (record.is_approved and tenant_id == record.tenant_id):
        return True
    extra = given.get("extra") or {}
    return all(
        path[0] in given and (len(path) == 1 or path[1] in extra)
        for path in reachability.find_fields_to_approve(after)
    )


def _not_found(connection_id: str) -> NotFound:
    return NotFound(f"Connection '{connection_id}' not found", connection_id=connection_id)
