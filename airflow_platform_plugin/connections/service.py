"""Connections: made, found, changed, deleted. Airflow's row and ours are written together."""

import json
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections import (
    authorization,
    kept_secrets,
    masking,
    name_conflicts,
    reachability,
)
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import (
    COLUMNS,
    PLAIN,
    ConnectionRecord,
    attach_metadata,
    find,
    is_known,
)
from airflow_platform_plugin.core import crypto, db, pagination
from airflow_platform_plugin.core.errors import FieldError, NotFound, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.http import audit
from airflow_platform_plugin.tenants import service as tenants

_MOST_NAMED = 10


def create(session: Session, fields: dict[str, Any], *, by: Principal) -> ConnectionRecord:
    """Make a connection, of a tenant or of all.

    Raises:
        Conflict: the name is taken; the error does not say whose it is where the caller may not see that.
        ValidationFailed: there is no such tenant, a field is not the tenant's to have, or a secret is masked.
        PermissionDenied: connections of that type are not for tenants.
        ServiceUnavailable: a secrets backend does not say whether it has the name.
    """
    connection_id = fields["connection_id"]
    authorization.require_unclaimed(
        connection_id, by
    )  # first, while no transaction is open: it may ask over HTTP
    fields["tenant_id"] = tenants.resolve_owner(
        session, fields.get("tenant_id"), reach=by.reach(authorization.WRITE)
    )
    authorization.require_free(
        attach_metadata(session, name_conflicts.alike(session, [connection_id])), connection_id, by
    )
    require_complete(fields)
    fields["approved"] = authorization.require_allowed(
        session, fields["tenant_id"], fields, by, approving=True
    )
    return insert(session, fields, by=by)


def insert(session: Session, fields: dict[str, Any], *, by: Principal) -> ConnectionRecord:
    """Write a new connection, of which everything has been looked at."""
    row = Connection(conn_id=fields["connection_id"])
    set_fields(row, fields)
    session.add(row)
    session.flush()
    now = db.now()
    _forget(session, row)
    known = PlatformConnection(
        id=row.id,
        connection_id=row.conn_id,
        tenant_id=fields["tenant_id"],
        approved=fields.get("approved", False),
        created_at=now,
        created_by=by.username,
        updated_at=now,
    )
    session.add(known)
    session.flush()
    found = ConnectionRecord(row, known)
    _tell(session, found, before=None, after=found)
    return found


def get(session: Session, connection_id: str, *, by: Principal) -> ConnectionRecord:
    """A connection of the caller's tenants, or of all.

    Raises:
        NotFound: there is none that the caller may see.
    """
    found = find(session, connection_id)
    if found is None or not authorization.may_see(found, by):
        raise _not_found(connection_id)
    return found


def get_to_change(session: Session, connection_id: str, *, by: Principal) -> ConnectionRecord:
    """A connection that the caller may change; nobody else changes it before this transaction ends.

    Raises:
        NotFound: there is none that the caller may see.
        PermissionDenied: it is everybody's, and the caller's right is for some tenants alone.
    """
    found = find(session, connection_id, lock=True)
    if found is None or not authorization.may_see(found, by, authorization.WRITE):
        raise _not_found(connection_id)
    authorization.require_changeable(found, by)
    return found


def page(session: Session, query: dict[str, Any], *, by: Principal) -> pagination.Page:
    """The connections that the caller may see and that fit what is given, by name."""
    wanted = _seen(by)
    if "connection_type" in query:
        wanted = wanted.where(Connection.conn_type == query["connection_type"])
    if "tenant_id" in query:
        wanted = wanted.where(PlatformConnection.tenant_id == query["tenant_id"])
    if "search" in query:
        wanted = wanted.where(
            pagination.containing(query["search"], Connection.conn_id, Connection.description)
        )
    order_by = query.get("order_by")
    if order_by is not None:
        sign, name = ("-" if order_by.startswith("-") else ""), order_by.removeprefix("-")
        order_by = sign + COLUMNS.get(name, name)
    found = pagination.fetch(
        session, wanted, pagination.Query(limit=query["limit"], offset=query["offset"], order_by=order_by)
    )
    return found._replace(items=attach_metadata(session, found.items))


def everything(session: Session, *, by: Principal, scope: str = authorization.READ) -> list[ConnectionRecord]:
    """All connections that the caller may see, by name."""
    return attach_metadata(session, session.scalars(_seen(by, scope)).all())


def change(
    session: Session, found: ConnectionRecord, fields: dict[str, Any], *, by: Principal
) -> ConnectionRecord:
    """Set what is given; extra is merged key by key, null removes, and what is masked stays as it is.

    Raises:
        ValidationFailed: as for ``create``, or secrets have to be given again.
        PermissionDenied: as for ``create``, or it would be everybody's.
    """
    given, fields = fields, restored(found, fields)
    require_complete(fields)
    if fields.get("extra") is not None:
        merged = found.stored_extra | fields["extra"]
        fields["extra"] = {name: value for name, value in merged.items() if value is not None}
    if "tenant_id" in fields:
        fields["tenant_id"] = authorization.owner(session, fields["tenant_id"], by)
    after = {**found.stored, **fields}
    require_secrets_again(found, given, after, by)
    if fields.keys() & {"connection_type", "host", "port", "schema", "login", "extra", "tenant_id"}:
        tenant_id = fields.get("tenant_id", found.tenant_id)
        approving = _approves(found, given, after, tenant_id)
        fields["approved"] = authorization.require_allowed(session, tenant_id, after, by, approving=approving)
    return update(session, found, fields, by=by)


def update(
    session: Session, found: ConnectionRecord, fields: dict[str, Any], *, by: Principal
) -> ConnectionRecord:
    """Write a change, of which everything has been looked at."""
    known = found.known or _new(session, found.row)
    before = _snapshot(found)
    set_fields(found.row, fields)
    known.updated_at = db.now()
    if "tenant_id" in fields:
        known.tenant_id = fields["tenant_id"]
        if known.created_at is None:  # taken over from Airflow's own pages
            known.created_at, known.created_by = known.updated_at, by.username
    if "approved" in fields:
        known.approved = fields["approved"]
    session.add(known)
    session.flush()
    changed = ConnectionRecord(found.row, known)
    _tell(session, changed, before=before, after=changed)
    return changed


def delete(session: Session, found: ConnectionRecord) -> None:
    """Delete a connection."""
    _tell(session, found, before=_snapshot(found), after=None)
    if found.known is not None:
        session.delete(found.known)
        session.flush()  # before Airflow's row, whose deletion takes ours with it
    session.delete(found.row)
    session.flush()


def restored(found: ConnectionRecord, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, with what is stored in place of the masks that are shown for it."""
    shown = {"extra": found.extra, "password": masking.MASK, "host": found.host}
    return {
        name: masking.restore(value, found.stored[name], shown[name]) if name in shown else value
        for name, value in fields.items()
    }


def require_complete(fields: dict[str, Any]) -> None:
    """Refuse a mask in place of a secret that is not known.

    Raises:
        ValidationFailed: there is one.
    """
    if masked := masked_paths(fields):
        raise ValidationFailed(
            [FieldError.at(path.split("."), "is masked; give the value") for path in masked]
        )


def masked_paths(fields: dict[str, Any]) -> list[str]:
    """Where masks stand in for secrets: ``password``, ``extra.token``."""
    return [
        path
        for name in ("host", "password", "extra")
        for path in masking.masked_paths(fields.get(name), (name,))
    ]


def require_secrets_again(
    found: ConnectionRecord, given: dict[str, Any], after: dict[str, Any], by: Principal
) -> None:
    """Refuse to lead stored secrets elsewhere: the caller may write them, which is not to know them.

    Args:
        found: the connection.
        given: the change as it was sent.
        after: all fields as they would be.
        by: the caller.

    Raises:
        ValidationFailed: some have to be given again; each is named.
    """
    moved = kept_secrets.moved(found.stored, after)
    tenant_id = after.get("tenant_id", found.tenant_id)
    if tenant_id not in {None, found.tenant_id} and not by.may(authorization.EXPORT, found.tenant_id):
        moved.append("tenant_id")  # whose administrators can export them
    if not moved:
        return
    paths = kept_secrets.secrets(given, after)
    if found.hides_extra and "extra" not in given:
        paths.append(("extra",))
    message = (
        f"must be given again (or removed, with null), because this changes {', '.join(moved[:_MOST_NAMED])}"
    )
    if paths:
        raise ValidationFailed([FieldError.at(path, message) for path in paths])


def _seen(by: Principal, scope: str = authorization.READ) -> Any:  # noqa: ANN401 - a Select
    joined = select(Connection).outerjoin(PlatformConnection, is_known())
    return joined.where(authorization.visible(by, scope)).order_by(Connection.conn_id)


def set_fields(row: Connection, fields: dict[str, Any]) -> None:
    """Set what is given of Airflow's row.

    Raises:
        ValidationFailed: extra is longer than every database keeps.
    """
    for name in PLAIN:
        if name in fields:
            setattr(row, COLUMNS.get(name, name), fields[name])
    if "password" in fields:
        # Airflow's own setter leaves a password in place where it is given none.
        row._password, row.is_encrypted = None, False  # noqa: SLF001
        row.set_password(fields["password"])
    if "extra" in fields:
        text = json.dumps(fields["extra"]) if fields["extra"] else None
        if len(text or "") > crypto.LONGEST:
            raise ValidationFailed.of("extra", message=f"is longer than {crypto.LONGEST} bytes")
        row.set_extra(text)


def _not_found(connection_id: str) -> NotFound:
    return NotFound(f"Connection '{connection_id}' not found", connection_id=connection_id)


def _approves(
    found: ConnectionRecord, given: dict[str, Any], after: dict[str, Any], tenant_id: str | None
) -> bool:
    """Whether an administrator's change approves what the tenant could not write.

    It does where an administrator wrote that before, or does now: what a tenant has left there once, a change
    of something else does not approve.
    """
    if found.tenant_id is None or (found.is_approved and tenant_id == found.tenant_id):
        return True
    extra = given.get("extra") or {}
    return all(
        path[0] in given and (len(path) == 1 or path[1] in extra) for path in reachability.unapproved(after)
    )


def _new(session: Session, row: Connection) -> PlatformConnection:
    _forget(session, row)
    return PlatformConnection(id=row.id, connection_id=row.conn_id)


def _forget(session: Session, row: Connection) -> None:
    """Delete what is known of another connection that had this id."""
    other = session.get(PlatformConnection, row.id)
    if other is not None:
        session.delete(other)
        session.flush()


def _snapshot(found: ConnectionRecord) -> dict[str, Any]:
    """What of a connection changes, by the names that the audit log has; values stay here."""
    stored = found.stored
    extra = stored.pop("extra")
    return {
        **stored,
        **{f"extra.{name}": value for name, value in extra.items()},
        "tenant_id": found.tenant_id,
    }


def _tell(
    session: Session,
    found: ConnectionRecord,
    *,
    before: dict[str, Any] | None,
    after: ConnectionRecord | None,
) -> None:
    """Tell the audit log which fields have changed, and no value but the tenant's."""
    old, new = before or {}, _snapshot(after) if after else {}
    fields = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    told = {"fields": fields} if before and after else {}
    audit.record_change(
        session,
        "connection",
        found.connection_id,
        before=None if before is None else {"tenant_id": old["tenant_id"], **told},
        after=None if after is None else {"tenant_id": new["tenant_id"], "fields": fields},
    )
