"""Connections out of documents and into them."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from airflow_platform_plugin.connections import authorization, kept_secrets, masking, name_conflicts, service
from airflow_platform_plugin.connections.records import PLAIN, ConnectionRecord, attach_metadata
from airflow_platform_plugin.connections.schemas import ConnectionInput
from airflow_platform_plugin.connections.transfer import encryption, formats
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import Conflict, FieldError, PlatformError, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.http import audit, body
from airflow_platform_plugin.tenants import service as tenants

MOST = 1000

_SKIPPED = "is there already, and was left as it is; on_conflict 'overwrite' replaces it"
_MASKABLE = ("host", "password", "extra")


def export(session: Session, *, by: Principal) -> formats.ConnectionDocument:
    """Every connection that the caller may see, without secrets, as Airflow's own command writes them."""
    return {found.connection_id: _shown(found) for found in service.everything(session, by=by)}


def export_encrypted(session: Session, *, passphrase: str, by: Principal) -> encryption.Envelope:
    """The connections whose secrets the caller may take along, with these, under a passphrase.

    Everybody's are among them only where the right is for all: a tenant uses them, and need not know them.
    """
    seen = service.everything(session, by=by, scope=authorization.EXPORT)
    taken = [found for found in seen if by.may(authorization.EXPORT, found.tenant_id)]
    audit.record_change(
        session, "connection", "*", before=None, after={"exported": [row.connection_id for row in taken]}
    )
    return encryption.encrypt(
        {found.connection_id: _document(found, found.stored) for found in taken}, passphrase
    )


@dataclass
class ImportRow:
    """One connection of an import, and what becomes of it; ``error`` where that is nothing."""

    connection_id: str
    stored: ConnectionRecord | None
    alike: list[ConnectionRecord] = field(default_factory=list)
    result: str = "failed"
    missing_secrets: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    error: PlatformError | None = None
    note: str | None = None

    @property
    def message(self) -> str | None:
        """What is wrong, or why nothing was done."""
        return self.error.message if self.error else self.note


def import_(session: Session, request: dict[str, Any], *, by: Principal) -> list[ImportRow]:
    """Write the connections of a document, all of them or none; with ``dry_run`` none.

    Raises:
        ValidationFailed: the document cannot be read, or something in it does not fit or is not allowed.
        Conflict: some are there already, or their names are taken, and nothing else is wrong.
    """
    document = _read(request)
    claimed = _claimed(list(document))  # while no transaction is open: it may ask over HTTP
    stored = _lock(session, list(document))
    rows = [ImportRow(name, *_of_name(stored, name)) for name in document]
    for row in rows:
        try:
            if row.stored is None and row.connection_id in claimed:
                raise authorization.claimed(row.connection_id, by)
            _plan(session, row, document[row.connection_id], request, by)
        except PlatformError as error:
            row.error = error
    _require_distinct(rows)
    if request["dry_run"]:
        return rows
    if any(row.error for row in rows):
        raise _failure([row for row in rows if row.error])
    for row in rows:
        if row.result == "created":
            service.insert(session, row.fields, by=by)
        elif row.result == "overwritten" and row.stored is not None:
            service.update(session, row.stored, row.fields, by=by)
    return rows


def _read(request: dict[str, Any]) -> formats.ConnectionDocument:
    if ("content" in request) == ("connections" in request):
        raise ValidationFailed.of("content", message="either this or connections is needed")
    document: formats.ConnectionDocument = request.get("connections", {})
    if "content" in request:
        document = formats.parse(request["content"], request["format"])
    if encryption.is_encrypted(document):
        if "passphrase" not in request:
            raise ValidationFailed.of("passphrase", message="is needed: the export is encrypted")
        try:
            document = encryption.decrypt(document, request["passphrase"])
        except ValueError as error:
            raise ValidationFailed.of("passphrase", message=str(error)) from error
    if len(document) > MOST:
        raise ValidationFailed.of("content", message=f"has more than {MOST} connections")
    return document


def _claimed(wanted: list[str]) -> set[str]:
    """Those of the names, of which no row is there, that the environment or a secrets backend has."""
    with db.transaction() as session:
        stored = {row.conn_id for row in name_conflicts.alike(session, wanted)}
    return {name for name in wanted if name not in stored and name_conflicts.is_claimed(name)}


def _lock(session: Session, wanted: list[str]) -> list[ConnectionRecord]:
    """Those of the connections that are there, whosesoever; nobody else changes them meanwhile."""
    rows = name_conflicts.alike(session, wanted, lock=True)
    return attach_metadata(session, rows)


def _of_name(
    stored: list[ConnectionRecord], connection_id: str
) -> tuple[ConnectionRecord | None, list[ConnectionRecord]]:
    """The connection of a name, and those whose names differ from it in case alone."""
    alike = [found for found in stored if found.connection_id.lower() == connection_id.lower()]
    exact = next((found for found in alike if found.connection_id == connection_id), None)
    return exact, [found for found in alike if found is not exact]


def _require_distinct(rows: list[ImportRow]) -> None:
    """Refuse new names that differ from one another in case alone."""
    seen: set[str] = set()
    for row in rows:
        lowered = row.connection_id.lower()
        if row.result == "created" and lowered in seen and row.error is None:
            row.error = ValidationFailed.of(
                message="differs in upper and lower case alone from another name here"
            )
            row.result = "failed"
        seen.add(lowered)


def _plan(session: Session, row: ImportRow, value: Any, request: dict[str, Any], by: Principal) -> None:  # noqa: ANN401 - any JSON
    """Decide what becomes of one connection, and write nothing.

    Raises:
        PlatformError: nothing can become of it.
    """
    stored = row.stored
    # What is another tenant's cannot be skipped: the caller would take it for the one in the document.
    if stored is not None and (request["on_conflict"] == "fail" or not authorization.may_see(stored, by)):
        authorization.require_free([stored], row.connection_id, by)
    if stored is not None and request["on_conflict"] == "skip":
        row.result, row.note = "skipped", _SKIPPED
        return
    given = _fields(row.connection_id, value)
    wanted = given.pop("tenant_id", None) or request.get("tenant_id")
    if stored is None:
        authorization.require_free(row.alike, row.connection_id, by)
        given["tenant_id"] = tenants.resolve_owner(session, wanted, by=by, scope=authorization.WRITE)
        fields = given
    else:
        authorization.require_changeable(stored, by)
        # Everything is replaced but secrets of which the document has the masks alone.
        given = {**dict.fromkeys((*PLAIN, "password", "extra")), **given}
        fields = service.restored(stored, given)
        if wanted is not None:
            fields["tenant_id"] = authorization.owner(session, wanted, by)
    row.missing_secrets = service.masked_paths(fields)
    row.fields = fields | {name: masking.without_masks(fields.get(name)) for name in _MASKABLE}
    if stored is not None:
        service.require_secrets_again(stored, given, row.fields, by)
    tenant_id = row.fields.get("tenant_id", stored and stored.tenant_id)
    # A document approves nothing: it may hold what a tenant has written elsewhere.
    approving = (
        stored is not None and stored.is_approved and not kept_secrets.moved(stored.stored, row.fields)
    )
    row.fields["approved"] = authorization.require_allowed(
        session, tenant_id, row.fields, by, approving=approving
    )
    row.result = "created" if stored is None else "overwritten"


def _fields(connection_id: str, value: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """The fields of a connection of a document, under our names.

    Raises:
        ValidationFailed: they do not fit.
    """
    try:
        given = formats.fields_of(value)
    except ValueError as error:
        raise ValidationFailed.of(message=str(error)) from error
    if given.pop("conn_id", connection_id) != connection_id:
        raise ValidationFailed.of("conn_id", message="is another than the connection's name")
    if "conn_type" in given:
        given["connection_type"] = given.pop("conn_type")
    loaded: dict[str, Any] = body.load(ConnectionInput, {**given, "connection_id": connection_id})
    return loaded


def _failure(failed: list[ImportRow]) -> PlatformError:
    """The answer for an import in which something is wrong; nothing of it was written."""
    told = [{"connection_id": row.connection_id, "message": row.message} for row in failed]
    if all(isinstance(row.error, Conflict) for row in failed):
        return Conflict("Nothing was imported: some of the names are there already.", connections=told)
    errors = []
    for row in failed:
        at = FieldError.at(("connections", row.connection_id), str(row.message))
        inner = row.error.details["errors"] if isinstance(row.error, ValidationFailed) else []
        errors += [FieldError(at.pointer + item["pointer"], item["message"]) for item in inner] or [at]
    failure = ValidationFailed(errors)
    failure.details["connections"] = told
    return failure


def _shown(found: ConnectionRecord) -> formats.ConnectionDocument:
    values = {name: getattr(found, name) for name in (*PLAIN, "extra")}
    return _document(found, {**values, "password": masking.MASK if found.has_password else None})


def _document(found: ConnectionRecord, values: dict[str, Any]) -> formats.ConnectionDocument:
    """One connection under Airflow's names of its fields; its tenant only where it has one."""
    document = {"conn_type": values.pop("connection_type"), **values}
    return document if found.tenant_id is None else {**document, "tenant_id": found.tenant_id}
