"""Tests of connections, as the API has them: who may, what is kept of them, what is told."""

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

from sqlalchemy import delete as sql_delete
from sqlalchemy import update as sql_update
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.connections import (
    authorization,
    extra_references,
    masking,
    reachability,
    service,
)
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import COLUMNS, PLAIN, detached, find
from airflow_platform_plugin.connections.testing import runner
from airflow_platform_plugin.connections.testing.results import TestResult
from airflow_platform_plugin.core import db
from airflow_platform_plugin.core.errors import PermissionDenied, ServiceUnavailable
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.http import audit, responses
from airflow_platform_plugin.tenants import service as tenants

log = logging.getLogger(__name__)


def test_stored(connection_id: str, *, by: Principal, timeout: float) -> TestResult:
    """Test a connection that the caller may see, and keep what comes of it.

    No transaction is open while its host is asked; nor in the next.

    Raises:
        PermissionDenied: the operator has turned tests off, or the type is not for tenants.
        NotFound: there is no such connection that the caller may see.
        ValidationFailed: it leads where its tenant must not go, or its extra names a connection that the
            caller may not see.
        ServiceUnavailable: too many tests have not ended.
    """
    _require_switched_on()
    with db.transaction() as session:
        found = service.get(session, connection_id, by=by)
        connection, tenant_id = detached(found.row), found.tenant_id
        known = require_known(session, found.stored_extra, by)
    reached = reachability.require_reachable(connection, tenant_id, look_up=False)
    outcome = _run(connection, tenant_id, reached, known, timeout)
    with db.transaction() as session:
        found_again = find(session, connection.conn_id)
        if found_again is not None and found_again.row.id == connection.id:
            _keep(session, connection, outcome)
        _tell(session, connection, outcome, by, "test_connection")
    return outcome


def test_given(fields: dict[str, Any], *, by: Principal, timeout: float) -> TestResult:
    """Test a connection that is not stored.

    Raises:
        PermissionDenied: the operator has turned tests off, or as for ``service.create``.
        ValidationFailed: as for ``service.create``, or its extra names a connection that the caller may
            not see.
        ServiceUnavailable: too many tests have not ended.
    """
    _require_switched_on()
    with db.transaction() as session:
        tenant_id = tenants.resolve_owner(session, fields.get("tenant_id"), by=by, scope=authorization.WRITE)
        service.require_complete(fields)
        approved = authorization.require_allowed(session, tenant_id, fields, by, approving=True)
        standing = reachability.rules_of(session, tenant_id, approved=approved)
        known = require_known(session, fields.get("extra") or {}, by)
    connection = copy_of(fields.get("connection_id", "untested"), fields)
    reached = reachability.Reached(reachability.require_fields(fields, standing))
    outcome = _run(connection, tenant_id, reached, known, timeout)
    with db.transaction() as session:
        _tell(session, connection, outcome, by, "test_connection_body")
    return outcome


def _require_switched_on() -> None:
    if not airflow_compat.config.may_test_connections():
        raise PermissionDenied(
            "Testing connections is turned off here; [core] test_connection = Enabled turns it on."
        )


def copy_of(connection_id: str, fields: dict[str, Any]) -> Connection:
    """A connection of those fields that belongs to no session; ``found.detached`` copies a row."""
    connection = Connection(conn_id=connection_id)
    service.set_fields(connection, {name: fields.get(name) for name in (*PLAIN, "password", "extra")})
    return connection


def require_known(session: Session, extra: dict[str, Any], by: Principal) -> dict[str, Connection]:
    """The connections that extra names, which a hook follows with the server's rights: copies of the rows.

    Raises:
        ValidationFailed: the caller may not see one of them.
    """
    extra_references.require_seen(session, extra, lambda other: authorization.may_see(other, by))
    found = {name: find(session, name) for _, name in extra_references.of(extra)}
    return {name: detached(other.row) for name, other in found.items() if other is not None}


def _run(
    connection: Connection,
    tenant_id: str | None,
    reached: reachability.Reached,
    known: dict[str, Connection],
    timeout: float,
) -> TestResult:
    airflow_compat.web.end_request_transaction()  # the caller's rights were read in it
    secrets = [text for text in (connection.password, *_hidden(connection)) if text]

    def prepare() -> runner.Prepared:
        """Look the names up, in the test's own thread: that takes time too."""
        if tenant_id is None:
            return runner.Prepared(connection, known=known, strict=False)
        try:
            found = reachability.look_up_hosts(reached.named)
        except ServiceUnavailable as error:
            raise OSError("failed to resolve the name of the host") from error  # the outcome, as of a driver
        return runner.Prepared(
            reachability.pinned(connection, found), found.addresses, known=known, strict=True
        )

    outcome = runner.run(prepare, timeout=timeout)
    if outcome.detail:
        log.warning(
            "Test of connection %r failed (request %s): %s",
            connection.conn_id,
            responses.request_id(),
            _for_log(outcome.detail, secrets),
        )
    return outcome


def _for_log(detail: str, secrets: list[str]) -> str:
    """What a driver said, on one line and without the connection's secrets, however they are written."""
    writings = (str, quote, quote_plus, lambda text: json.dumps(text)[1:-1])
    forms = {write(text) for text in secrets for write in writings}
    for form in sorted(forms, key=len, reverse=True):
        detail = detail.replace(form, masking.MASK)
    return " ".join(masking.mask_text(detail).split())


def _hidden(connection: Connection) -> Iterator[str]:
    extra = connection.extra_dejson
    yield from masking.secrets(extra, masking.mask(extra))


def _keep(session: Session, row: Connection, outcome: TestResult) -> None:
    # Past the row's version: whoever changes the connection at this moment has nothing to do with its test.
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
            last_test_status=outcome.status,
            last_test_message=outcome.message,
            last_test_latency_ms=outcome.latency_ms,
        )
    )


def _tell(session: Session, connection: Connection, outcome: TestResult, by: Principal, name: str) -> None:
    trail = audit.Trail(session)
    told = {"tested": {COLUMNS["connection_type"]: connection.conn_type, "status": outcome.status}}
    audit.record_change(session, "connection", connection.conn_id, before=None, after=told)
    trail.write(by, name)
