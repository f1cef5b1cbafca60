"""Tests of connections, as the API has them: who may, what is kept of them, what is told."""

import logging
from collections.abc import Iterator
from typing import Any

from sqlalchemy import update as sql_update
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat, audit, db, http
from airflow_platform_plugin.airflow_compat import Connection
from airflow_platform_plugin.connections import access, masking, service, trial
from airflow_platform_plugin.connections.found import COLUMNS, PLAIN, find
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.outcomes import Outcome
from airflow_platform_plugin.errors import PermissionDenied, ValidationFailed
from airflow_platform_plugin.principal import Principal
from airflow_platform_plugin.tenants import service as tenants

log = logging.getLogger(__name__)


def test_stored(connection_id: str, *, by: Principal, timeout: float) -> Outcome:
    """Test a connection that the caller may see, and keep what comes of it.

    No transaction is open while its host is asked; nor in the next.

    Raises:
        PermissionDenied: the operator has turned tests off.
        NotFound: there is no such connection that the caller may see.
        ValidationFailed: its extra names a connection that the caller may not see.
        ServiceUnavailable: too many tests have not ended.
    """
    _require_switched_on()
    with db.transaction() as session:
        found = service.get(session, connection_id, by=by)
        connection, row_id = copy_of(found.connection_id, found.stored), found.row.id
        require_known(session, found.stored["extra"], by)
    outcome = _run(connection, timeout)
    with db.transaction() as session:
        found_again = find(session, connection.conn_id)
        if found_again is not None and found_again.row.id == row_id:
            _keep(session, row_id, outcome)
        _tell(session, connection, outcome, by, "test_connection")
    return outcome


def test_given(fields: dict[str, Any], *, by: Principal, timeout: float) -> Outcome:
    """Test a connection that is not stored.

    Raises:
        PermissionDenied: the operator has turned tests off, or as for ``service.create``.
        ValidationFailed: as for ``service.create``, or its extra names a connection that the caller may
            not see.
        ServiceUnavailable: too many tests have not ended.
    """
    _require_switched_on()
    with db.transaction() as session:
        tenant_id = tenants.of_new(session, fields.get("tenant_id"), reach=by.reach(access.WRITE))
        service.require_complete(fields)
        access.require_allowed(session, tenant_id, fields, by)
        require_known(session, fields.get("extra") or {}, by)
    connection = copy_of(fields.get("connection_id", "untested"), fields)
    outcome = _run(connection, timeout)
    with db.transaction() as session:
        _tell(session, connection, outcome, by, "test_connection_body")
    return outcome


def _require_switched_on() -> None:
    if not airflow_compat.may_test_connections():
        raise PermissionDenied(
            "Testing connections is turned off here; [core] test_connection = Enabled turns it on."
        )


def copy_of(connection_id: str, fields: dict[str, Any]) -> Connection:
    """A connection that belongs to no session, for another thread."""
    connection = Connection(conn_id=connection_id)
    service.set_fields(connection, {name: fields.get(name) for name in (*PLAIN, "password", "extra")})
    return connection


def require_known(session: Session, extra: dict[str, Any], by: Principal) -> None:
    """Refuse names of other connections, which a hook follows with the server's rights, but the caller's.

    Raises:
        ValidationFailed: there is one that the caller may not see.
    """
    for path, name in _references(extra, ("extra",)):
        other = find(session, name)
        if other is None or not access.may_see(other, by):
            raise ValidationFailed.of(*path, message=f"there is no connection {name!r} of yours")


def _references(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:  # noqa: ANN401 - any JSON
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if isinstance(inner, str) and inner and name.lower().endswith("conn_id"):
            yield (*path, name), inner
        yield from _references(inner, (*path, name))


def _run(connection: Connection, timeout: float) -> Outcome:
    airflow_compat.end_request_transaction()  # the caller's rights were read in it
    secrets = [text for text in (connection.password, *_hidden(connection)) if text]
    outcome = trial.run(connection, timeout=timeout)
    if outcome.detail:
        detail = outcome.detail
        for secret in sorted(secrets, key=len, reverse=True):
            detail = detail.replace(secret, masking.MASK)
        log.warning(
            "Test of connection %r failed (request %s): %s",
            connection.conn_id,
            http.request_id(),
            masking.mask_text(detail),
        )
    return outcome


def _hidden(connection: Connection) -> Iterator[str]:
    extra = connection.extra_dejson
    yield from masking.secrets(extra, masking.mask(extra))


def _keep(session: Session, row_id: int, outcome: Outcome) -> None:
    # Past the row's version: whoever changes the connection at this moment has nothing to do with its test.
    table = PlatformConnection.__table__
    db.insert_absent(session.connection(), table, [{"id": row_id, "row_version": 1}])
    session.execute(
        sql_update(table)
        .where(table.c.id == row_id)
        .values(
            last_tested_at=db.now(),
            last_test_status=outcome.status,
            last_test_message=outcome.message,
            last_test_latency_ms=outcome.latency_ms,
        )
    )


def _tell(session: Session, connection: Connection, outcome: Outcome, by: Principal, name: str) -> None:
    trail = audit.Trail(session)
    told = {"tested": {COLUMNS["connection_type"]: connection.conn_type, "status": outcome.status}}
    audit.note(session, "connection", connection.conn_id, before=None, after=told)
    trail.write(by, name)
