"""Export and import connections."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import cast

from sqlalchemy.orm import Session

from airflow_platform_plugin.connections import (
    authorization,
    kept_secrets,
    masking,
    name_conflicts,
    service,
    storage,
)
from airflow_platform_plugin.connections.inputs import (
    ConnectionChanges,
    ConnectionFields,
    ImportRequest,
    NewConnection,
)
from airflow_platform_plugin.connections.records import PLAIN_FIELDS, ConnectionRecord
from airflow_platform_plugin.connections.schemas import MOST_IMPORTED, ConnectionInput
from airflow_platform_plugin.connections.tenant_rules import reachability
from airflow_platform_plugin.connections.transfer import encryption, formats
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import Conflict, FieldError, PlatformError, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.http import audit, body
from airflow_platform_plugin.tenants import service as tenants

_SKIPPED = "already exists and was skipped; on_conflict 'overwrite' replaces it"


def export_masked(session: Session, *, by: Principal) -> formats.ConnectionDocument:
    """Return all connections that the caller may read, with masks for secrets, as Airflow's export does."""
    records = service.list_all(session, by=by, scope=authorization.READ)
    return {record.connection_id: _render_masked(record) for record in records}


def export_encrypted(session: Session, *, passphrase: str, by: Principal) -> encryption.Envelope:
    """Return the connections whose secrets the caller may export, encrypted with a passphrase.

    Shared connections are included only for a caller with the right to export in all tenants: tenants use
    them, and need not know their secrets.
    """
    visible = service.list_all(session, by=by, scope=authorization.EXPORT)
    records = [record for record in visible if by.may(authorization.EXPORT, record.tenant_id)]
    exported = [record.connection_id for record in records]
    audit.record_change(session, "connection", "*", before=None, after={"exported": exported})
    document = {record.connection_id: _render(record, asdict(record.stored)) for record in records}
    return encryption.encrypt(document, passphrase)


@dataclass
class ImportRow:
    """One connection of an import, and what happens to it.

    Attributes:
        connection_id: its name.
        stored: the connection that exists with that name.
        alike: the connections that exist with names that differ only in case.
        result: ``created``, ``overwritten``, ``skipped`` or ``failed``.
        missing_secrets: the secrets that the document masks, and that are not stored: ``extra.token``.
        write: writes the connection; None if there is nothing to write.
        error: why it cannot be imported.
        note: why it was skipped.
    """

    connection_id: str
    stored: ConnectionRecord | None
    alike: list[ConnectionRecord]
    result: str = "failed"
    missing_secrets: list[str] = field(default_factory=list)
    write: Callable[[], ConnectionRecord] | None = None
    error: PlatformError | None = None
    note: str | None = None

    @property
    def message(self) -> str | None:
        """The error or the note."""
        return self.error.message if self.error else self.note


@dataclass(frozen=True)
class ImportReport:
    """What an import has done, or would do.

    Attributes:
        dry_run: whether nothing was written.
        connections: one row for each connection of the document.
    """

    dry_run: bool
    connections: list[ImportRow]


def import_document(session: Session, request: ImportRequest, *, by: Principal) -> ImportReport:
    """Write all connections of a document, or none of them; with ``dry_run`` none.

    Raises:
        ValidationFailed: the document cannot be read, or a connection is invalid or not allowed.
        Conflict: names are taken, and nothing else is wrong.
    """
    document = _read(request)
    shadowed = _find_shadowed(list(document))  # while no transaction is open: this may ask over HTTP
    stored = name_conflicts.find_alike(session, list(document), lock=True)
    rows = [_start_row(name, stored) for name in document]
    for row in rows:
        try:
            if row.stored is None and row.connection_id in shadowed:
                raise name_conflicts.make_shadowed_error(row.connection_id, by)
            _plan(session, row, document[row.connection_id], request, by)
        except PlatformError as error:
            row.error = error
    _require_distinct(rows)
    report = ImportReport(dry_run=request.dry_run, connections=rows)
    if request.dry_run:
        return report
    if failed := [row for row in rows if row.error]:
        raise _failure(failed)
    for row in rows:
        if row.write is not None:
            row.write()
    return report


def _read(request: ImportRequest) -> formats.ConnectionDocument:
    if (request.content is None) == (request.connections is None):
        raise ValidationFailed.of("content", message="send either content or connections")
    document: formats.ConnectionDocument = request.connections or {}
    if request.content is not None:
        document = formats.parse(request.content, request.format)
    if encryption.is_encrypted(document):
        if request.passphrase is None:
            raise ValidationFailed.of("passphrase", message="is needed, because the export is encrypted")
        try:
            document = encryption.decrypt(document, request.passphrase)
        except ValueError as error:
            raise ValidationFailed.of("passphrase", message=str(error)) from error
    if len(document) > MOST_IMPORTED:
        raise ValidationFailed.of(
            "content", message=f"has more than {MOST_IMPORTED} connections; import them in parts"
        )
    return document


def _find_shadowed(names: list[str]) -> set[str]:
    """Return the names that no row has, and that the environment or a secrets backend has."""
    with db.transaction() as session:
        stored = name_conflicts.find_stored_names(session, names)
    return {name for name in names if name not in stored and name_conflicts.is_shadowed(name)}


def _start_row(connection_id: str, stored: list[ConnectionRecord]) -> ImportRow:
    alike = [record for record in stored if record.connection_id.lower() == connection_id.lower()]
    exact = next((record for record in alike if record.connection_id == connection_id), None)
    return ImportRow(connection_id, exact, [record for record in alike if record is not exact])


def _require_distinct(rows: list[ImportRow]) -> None:
    """Refuse new names that differ from one another only in case."""
    seen: set[str] = set()
    for row in rows:
        lowered = row.connection_id.lower()
        if row.result == "created" and lowered in seen and row.error is None:
            row.error = ValidationFailed.of(
                message="differs only in upper and lower case from another name of the document"
            )
            row.result = "failed"
        seen.add(lowered)


def _plan(session: Session, row: ImportRow, value: Json, request: ImportRequest, by: Principal) -> None:
    """Decide what happens to one connection; nothing is written yet.

    Raises:
        PlatformError: the connection cannot be imported.
    """
    stored = row.stored
    # Another tenant's connection cannot be skipped: the caller would take it for the one in the document.
    if stored is not None and (request.on_conflict == "fail" or not authorization.is_visible(stored, by)):
        name_conflicts.require_free([stored], row.connection_id, by)
    if stored is not None and request.on_conflict == "skip":
        row.result, row.note = "skipped", _SKIPPED
        return
    data = _load(row.connection_id, value)
    owner = data.tenant_id or request.tenant_id
    if stored is None:
        _plan_new(session, row, replace(data, tenant_id=owner), by)
    else:
        _plan_overwrite(session, row, stored, replace(data, tenant_id=owner), by)


def _plan_new(session: Session, row: ImportRow, data: NewConnection, by: Principal) -> None:
    name_conflicts.require_free(row.alike, row.connection_id, by)
    tenant_id = tenants.resolve_owner(session, data.tenant_id, by=by, scope=authorization.WRITE)
    row.missing_secrets = [".".join(path) for path in kept_secrets.find_masked_fields(data)]
    data = kept_secrets.remove_masks(data)
    approved = reachability.require_writable(session, tenant_id, data, by, approving=False)
    row.write = partial(storage.insert, session, data, tenant_id=tenant_id, approved=approved, by=by)
    row.result = "created"


def _plan_overwrite(
    session: Session, row: ImportRow, stored: ConnectionRecord, data: NewConnection, by: Principal
) -> None:
    """Replace all fields but the secrets that the document masks."""
    authorization.require_changeable(stored, by)
    fields = {name: getattr(data, name) for name in ConnectionFields.__dataclass_fields__}
    given = cast("ConnectionChanges", fields)
    changes = kept_secrets.restore_masked(stored, given)
    tenant_id = stored.tenant_id
    if data.tenant_id is not None:
        tenant_id = authorization.resolve_new_owner(session, data.tenant_id, by)
        changes["tenant_id"] = tenant_id
    row.missing_secrets = [".".join(path) for path in kept_secrets.find_masked_fields(changes)]
    after = kept_secrets.remove_masks(service.apply_changes(stored.stored, changes))
    changes |= cast("ConnectionChanges", asdict(after))
    kept_secrets.require_secrets_again(stored, given, after, tenant_id, by)
    # A document approves nothing: it may contain what a tenant has written elsewhere.
    approving = stored.is_approved and not kept_secrets.find_target_changes(stored.stored, after)
    approved = reachability.require_writable(session, tenant_id, after, by, approving=approving)
    row.write = partial(storage.write, session, stored, changes, approved=approved, by=by)
    row.result = "overwritten"


def _load(connection_id: str, value: Json) -> NewConnection:
    """Load one connection of a document.

    Raises:
        ValidationFailed: its fields are invalid.
    """
    try:
        given = formats.parse_connection(value)
    except ValueError as error:
        raise ValidationFailed.of(message=str(error)) from error
    if given.pop("conn_id", connection_id) != connection_id:
        raise ValidationFailed.of("conn_id", message="differs from the connection's name")
    if "conn_type" in given:
        given["connection_type"] = given.pop("conn_type")
    loaded: NewConnection = body.load(ConnectionInput, {**given, "connection_id": connection_id})
    return loaded


def _failure(failed: list[ImportRow]) -> PlatformError:
    """Return the error for an import with invalid connections. Nothing of it was written."""
    listed = [{"connection_id": row.connection_id, "message": row.message} for row in failed]
    if all(isinstance(row.error, Conflict) for row in failed):
        return Conflict(
            "Nothing was imported, because some of the names are taken; details.connections names them.",
            connections=listed,
        )
    errors = []
    for row in failed:
        at = FieldError.at(("connections", row.connection_id), str(row.message))
        inner = row.error.details["errors"] if isinstance(row.error, ValidationFailed) else []
        errors += [FieldError(at.pointer + item["pointer"], item["message"]) for item in inner] or [at]
    failure = ValidationFailed(errors)
    failure.details["connections"] = listed
    return failure


def _render_masked(record: ConnectionRecord) -> formats.ConnectionDocument:
    values = {name: getattr(record, name) for name in (*PLAIN_FIELDS, "extra")}
    return _render(record, {**values, "password": masking.MASK if record.has_password else None})


def _render(record: ConnectionRecord, values: dict[str, Json]) -> formats.ConnectionDocument:
    """Return a connection with Airflow's names of its fields, and its tenant if it has one."""
    document = {"conn_type": values.pop("connection_type"), **values}
    return document if record.tenant_id is None else {**document, "tenant_id": record.tenant_id}
