"""Test connections for callers: check rights, run the test, store its result.

No transaction is open while a connection's host is asked.
"""

import json
import logging
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from sqlalchemy import delete as sql_delete
from sqlalchemy import update as sql_update
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections import authorization, kept_secrets, masking, service, storage
from airflow_platform_plugin.connections.inputs import Extra, UnsavedConnection
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import COLUMNS, DetachedConnection, find
from airflow_platform_plugin.connections.tenant_rules import destinations, linked_connections, reachability
from airflow_platform_plugin.connections.tenant_rules.destinations import Destination
from airflow_platform_plugin.connections.testing import runner
from airflow_platform_plugin.connections.testing.results import TestResult
from airflow_platform_plugin.connections.testing.runner import PreparedConnection
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import PermissionDenied, ServiceUnavailable
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.http import audit, responses
from airflow_platform_plugin.tenants import service as tenants

log = logging.getLogger(__name__)


def test_stored(connection_id: str, *, by: Principal, timeout: float) -> TestResult:
    """Test a connection that the caller may read, and store the result.

    Args:
        connection_id: its name.
        by: the caller.
        timeout: seconds.

    Raises:
        PermissionDenied: the operator has turned tests off, or tenants may not have connections of its type.
        NotFound: there is no such connection that the caller may read.
        ValidationFailed: it leads where its tenant must not go, or its extra names a connection that the
            caller may not see.
        ServiceUnavailable: too many tests have not ended.
    """
    _require_enabled()
    with db.transaction() as session:
        record = service.get(session, connection_id, by=by)
        checked = record.detach()
        linked = _load_linked(session, record.stored_extra, by)
    destination = reachability.require_reachable(checked, look_up=False)
    result = _run(checked, destination, linked, timeout)
    with db.transaction() as session:
        now = find(session, checked.connection.conn_id)
        if now is not None and now.row.id == checked.connection.id:
            _store_result(session, checked.connection, result)
        _audit(session, checked.connection, result, by, "test_connection")
    return result


def test_unsaved(data: UnsavedConnection, *, by: Principal, timeout: float) -> TestResult:
    """Test a connection without storing it.

    Args:
        data: its fields.
        by: the caller.
        timeout: seconds.

    Raises:
        PermissionDenied: the operator has turned tests off, or as for ``service.create``.
        ValidationFailed: as for ``service.create``, or its extra names a connection that the caller may
            not see.
        ServiceUnavailable: too many tests have not ended.
    """
    _require_enabled()
    with db.transaction() as session:
        tenant_id = tenants.resolve_owner(session, data.tenant_id, by=by, scope=authorization.WRITE)
        kept_secrets.require_no_masks(data)
        approved = reachability.require_writable(session, tenant_id, data, by, approving=True)
        restrictions = reachability.find_restrictions(session, tenant_id, approved=approved)
        linked = _load_linked(session, data.extra or {}, by)
    checked = DetachedConnection(storage.make_row(data), tenant_id, approved=approved)
    destination = Destination(reachability.require_fields(data, restrictions))
    result = _run(checked, destination, linked, timeout)
    with db.transaction() as session:
        _audit(session, checked.connection, result, by, "test_connection_body")
    return result


def _require_enabled() -> None:
    if not airflow_compat.config.may_test_connections():
        raise PermissionDenied(
            "Testing connections is turned off here; [core] test_connection = Enabled turns it on."
        )


def _load_linked(session: Session, extra: Extra, by: Principal) -> dict[str, Connection]:
    """Return copies of the connections that extra names: a hook uses them with the server's rights."""
    linked = linked_connections.require_visible(session, extra, by)
    return {name: record.detach().connection for name, record in linked.items()}


def _run(
    checked: DetachedConnection, destination: Destination, linked: dict[str, Connection], timeout: float
) -> TestResult:
    connection = checked.connection
    airflow_compat.web.end_request_transaction()  # the caller's rights were read in it
    secrets = [text for text in (connection.password, *_find_secrets(connection)) if text]

    def prepare() -> PreparedConnection:
        """Look the hosts' names up, in the test's thread because that takes time too."""
        if checked.tenant_id is None:
            return PreparedConnection(connection, linked=linked)
        try:
            resolved = destinations.resolve_hosts(destination.hosts)
        except ServiceUnavailable as error:
            raise OSError("failed to resolve the name of the host") from error  # a result, as from a driver
        pinned = destinations.pin_to_addresses(connection, resolved)
        return PreparedConnection(pinned, resolved.addresses, linked=linked, strict=True)

    result = runner.run(prepare, timeout=timeout)
    if result.detail:
        log.warning(
            "Test of connection %r failed (request %s): %s",
            connection.conn_id,
            responses.request_id(),
            _redact(result.detail, secrets),
        )
    return result


def _redact(detail: str, secrets: list[str]) -> str:
    """Return a driver's message on one line, without the connection's secrets in any encoding."""
    encodings = (str, quote, quote_plus, lambda text: json.dumps(text)[1:-1])
    forms = {encode(text) for text in secrets for encode in encodings}
    for form in sorted(forms, key=len, reverse=True):
        detail = detail.replace(form, masking.MASK)
    return " ".join(masking.mask_text(detail).split())


def _find_secrets(connection: Connection) -> Iterator[str]:
    extra = connection.extra_dejson
    yield from masking.find_hidden_texts(extra, masking.mask_extra(extra))


def _store_result(session: Session, row: Connection, result: TestResult) -> None:
    # Without a new version of our row: a concurrent change of the connection must not fail by its test.
    table = PlatformConnection.__table__
    mine = (table.c.id == row.id) & (table.c.connection_id == row.conn_id)
    new = {"id": row.id, "connection_id": row.conn_id, "row_version": 1}
    session.execute(sql_delete(table).where(table.c.id == row.id, table.c.connection_id != row.conn_id))
    db.insert_absent(session.connection(), table, [new])
    session.execute(
        sql_update(table)
        .where(mine)
        .values(
            last_tested_at=db.now(),
            last_test_status=result.status,
            last_test_message=result.message,
            last_test_latency_ms=result.latency_ms,
        )
    )


def _audit(
    session: Session, connection: Connection, result: TestResult, by: Principal, operation: str
) -> None:
    trail = audit.AuditTrail(session)
    tested = {COLUMNS["connection_type"]: connection.conn_type, "status": result.status}
    audit.record_change(session, "connection", connection.conn_id, before=None, after={"tested": tested})
    trail.write(by, operation)
