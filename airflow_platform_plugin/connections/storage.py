"""Write connections: Airflow's row, the platform's row and the audit log together.

Nothing is checked here. ``service`` and ``transfer.service`` check a change before they call this module.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict

from sqlalchemy.orm import Session

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections.inputs import ConnectionChanges, NewConnection
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import COLUMNS, PLAIN_FIELDS, ConnectionRecord
from airflow_platform_plugin.core import crypto, db
from airflow_platform_plugin.core.errors import ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.http import audit

Snapshot = dict[str, Json]


def insert(
    session: Session, data: NewConnection, *, tenant_id: str | None, approved: bool, by: Principal
) -> ConnectionRecord:
    """Add a connection.

    Args:
        session: the request's transaction.
        data: its fields; its owner is not read from here.
        tenant_id: the tenant that owns it, or None to share it with all tenants.
        approved: whether a platform admin has approved its type and its extra.
        by: the caller.
    """
    row = make_row(data)
    session.add(row)
    session.flush()
    now = db.now()
    _delete_stale_metadata(session, row)
    metadata = PlatformConnection(
        id=row.id,
        connection_id=row.conn_id,
        tenant_id=tenant_id,
        approved=approved,
        created_at=now,
        created_by=by.username,
        updated_at=now,
    )
    session.add(metadata)
    session.flush()
    record = ConnectionRecord(row, metadata)
    _audit(session, record, before=None, after=_snapshot(record))
    return record


def write(
    session: Session,
    record: ConnectionRecord,
    changes: ConnectionChanges,
    *,
    approved: bool | None,
    by: Principal,
) -> ConnectionRecord:
    """Change a connection.

    Args:
        session: the request's transaction.
        record: the connection.
        changes: the fields to set; extra is replaced, not merged.
        approved: whether a platform admin has approved its type and its extra; None to leave that as it is.
        by: the caller.
    """
    metadata = record.metadata or _new_metadata(session, record.row)
    before = _snapshot(record)
    _set_fields(record.row, changes)
    metadata.updated_at = db.now()
    if "tenant_id" in changes:
        metadata.tenant_id = changes["tenant_id"]
        if metadata.created_at is None:  # the connection was created in Airflow's pages
            metadata.created_at, metadata.created_by = metadata.updated_at, by.username
    if approved is not None:
        metadata.approved = approved
    session.add(metadata)
    session.flush()
    changed = ConnectionRecord(record.row, metadata)
    _audit(session, changed, before=before, after=_snapshot(changed))
    return changed


def delete(session: Session, record: ConnectionRecord) -> None:
    """Delete a connection."""
    _audit(session, record, before=_snapshot(record), after=None)
    if record.metadata is not None:
        session.delete(record.metadata)
        session.flush()  # before Airflow's row, because its deletion deletes ours too
    session.delete(record.row)
    session.flush()


def make_row(data: NewConnection) -> Connection:
    """Return a new row of Airflow's that belongs to no session.

    Raises:
        ValidationFailed: extra is longer than every database stores.
    """
    row = Connection(conn_id=data.connection_id)
    _set_fields(row, vars(data))
    return row


def _set_fields(row: Connection, fields: Mapping[str, Json]) -> None:
    for name in PLAIN_FIELDS:
        if name in fields:
            setattr(row, COLUMNS.get(name, name), fields[name])
    if "password" in fields:
        # Airflow's setter keeps the old password if it is given None.
        row._password, row.is_encrypted = None, False  # noqa: SLF001 - there is no public way
        row.set_password(fields["password"])
    if "extra" in fields:
        text = json.dumps(fields["extra"]) if fields["extra"] else None
        if len(text or "") > crypto.LONGEST:
            raise ValidationFailed.of("extra", message=f"is longer than {crypto.LONGEST} bytes")
        row.set_extra(text)


def _new_metadata(session: Session, row: Connection) -> PlatformConnection:
    _delete_stale_metadata(session, row)
    return PlatformConnection(id=row.id, connection_id=row.conn_id)


def _delete_stale_metadata(session: Session, row: Connection) -> None:
    """Delete our row of another connection that had this id before."""
    other = session.get(PlatformConnection, row.id)
    if other is not None:
        session.delete(other)
        session.flush()


def _snapshot(record: ConnectionRecord) -> Snapshot:
    """Return all values by the names that the audit log has for them. The log gets names, and no values."""
    fields = asdict(record.stored)
    extra = fields.pop("extra")
    return {
        **fields,
        **{f"extra.{name}": value for name, value in extra.items()},
        "tenant_id": record.tenant_id,
    }


def _audit(
    session: Session, record: ConnectionRecord, *, before: Snapshot | None, after: Snapshot | None
) -> None:
    """Add a change to the audit log: the names of changed fields, and no value but the tenant."""
    old, new = before or {}, after or {}
    fields = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    names = {"fields": fields} if before and after else {}
    audit.record_change(
        session,
        "connection",
        record.connection_id,
        before=None if before is None else {"tenant_id": old["tenant_id"], **names},
        after=None if after is None else {"tenant_id": new["tenant_id"], "fields": fields},
    )
