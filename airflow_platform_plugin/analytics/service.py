"""Queries: who may query which connection, what the audit log records, and what is returned."""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import AirflowNotFoundException
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.analytics.inputs import NewQuery
from airflow_platform_plugin.analytics.settings import AnalyticsSettings
from airflow_platform_plugin.connections import authorization
from airflow_platform_plugin.connections.records import (
    ConnectionRecord,
    DetachedConnection,
    find,
    find_metadata,
)
from airflow_platform_plugin.connections.tenant_rules import reachability
from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.core.errors import NotFound, PermissionDenied, PlatformError
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.http import audit

if TYPE_CHECKING:
    from airflow_platform_plugin.analytics.engines.base import Limits, Source
    from airflow_platform_plugin.analytics.execution import Result

READ = "analytics:read"


def query(data: NewQuery, *, by: Principal, abandoned: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """Run a query to its end, and record it in the audit log. No transaction of ours is open meanwhile.

    Args:
        data: the query.
        by: the caller.
        abandoned: returns whether the client has gone away; called again and again.

    Returns:
        The fields of ``QueryResponse``.

    Raises:
        NotFound: the caller knows no connection of that name.
        PermissionDenied: the caller may not query the connection.
        PlatformError: as for ``execution.execute``.
    """
    from airflow_platform_plugin.analytics import execution  # with the parser: a web worker starts without it

    config = settings.get(AnalyticsSettings)
    query_id, database = db.new_id("q"), data.database or config.query_database
    entry = {"query_id": query_id, "sql_sha256": hashlib.sha256(data.query.encode()).hexdigest()}
    try:
        source = _authorize(database, by)
        limits = _limits(data, config)
        result = execution.execute(source, data.query, data.parameters, limits, abandoned=abandoned)
    except PlatformError as error:
        _audit(database, {**entry, "status": error.code}, by)
        raise
    _audit(database, {**entry, "status": "completed", "rows": len(result.rows), "tables": result.tables}, by)
    return _response(query_id, database, result, warnings=_warnings(data, config, result))


def _response(query_id: str, database: str, result: "Result", *, warnings: list[str]) -> dict[str, Any]:
    names = [column.name for column in result.columns]
    return {
        "query_id": query_id,
        "status": "completed",
        "rows_returned": len(result.rows),
        "truncated": result.truncated,
        "execution_time_ms": round(result.seconds * 1000),
        "data": [dict(zip(names, row, strict=True)) for row in result.rows],
        "metadata": {
            "database": database,
            "schema": result.schema,
            "tables_accessed": result.tables,
            "columns": [column._asdict() for column in result.columns],
            "warnings": warnings,
            "bytes_scanned": None,  # none of the engines reports it
            "cache_hit": False,
        },
    }


def _limits(data: NewQuery, config: AnalyticsSettings) -> "Limits":
    from airflow_platform_plugin.analytics.engines.base import Limits

    return Limits(
        rows=min(data.limit, config.query_max_rows) + 1,
        bytes=config.query_max_bytes,
        seconds=min(data.timeout_seconds, config.query_max_timeout),
        memory=config.query_max_memory,
    )


def _warnings(data: NewQuery, config: AnalyticsSettings, result: "Result") -> list[str]:
    warnings = list(result.warnings)
    if result.truncated and data.limit > config.query_max_rows:
        warnings.append(
            f"limit was lowered from {data.limit} to {config.query_max_rows}, the maximum that "
            "[platform] query_max_rows allows."
        )
    if data.timeout_seconds > config.query_max_timeout:
        warnings.append(
            f"timeout_seconds was lowered from {data.timeout_seconds:g} to {config.query_max_timeout:g}, the "
            "maximum that [platform] query_max_timeout allows."
        )
    return warnings


def _authorize(database: str, by: Principal) -> "Source":
    """Return the connection that the caller may query. It is read once, and its name not looked up again.

    Raises:
        NotFound: the caller knows no connection of that name.
        PermissionDenied: the caller may see the connection, but it is not shared with tenants, or tenants may
            not use its type.
        ValidationFailed: a tenant's connection leads to a host that tenants may not reach.
    """
    from airflow_platform_plugin.analytics.engines.base import Source

    for_all = by.reach(READ).everywhere
    checked = _find_any(database) if for_all else _find_of_tenants(database, by)
    airflow_compat.web.end_request_transaction()  # it has read the caller's permissions
    destination = reachability.require_reachable(checked, look_up=False)
    trusted = checked.tenant_id is None or checked.approved
    return Source(checked.connection, trusted, for_all, destination.hosts)


def _find_any(database: str) -> DetachedConnection:
    """Return the connection that Airflow itself would use: of secrets backends, environment, or database."""
    try:
        connection = Connection.get_connection_from_secrets(database)
    except AirflowNotFoundException as error:
        raise _no_connection(database) from error
    if connection.id is None:
        return DetachedConnection(connection, tenant_id=None)
    with db.transaction() as session:
        return ConnectionRecord(connection, find_metadata(session, connection)).detach()


def _find_of_tenants(database: str, by: Principal) -> DetachedConnection:
    """Return the connection of that name if it is shared, or belongs to one of the caller's tenants."""
    with db.transaction() as session:
        found = find(session, database)
        if found is None or not authorization.is_visible(found, by, READ):
            raise _no_connection(database)
        _require_shared(found, by)
        return found.detach()


def _require_shared(found: ConnectionRecord, by: Principal) -> None:
    """Refuse a connection without an owner that no administrator has shared with tenants.

    Connections that are created in Airflow's own pages are not shared at first: they may lead anywhere.
    """
    if found.is_assigned:
        return
    if not by.reach(authorization.READ):
        raise _no_connection(found.connection_id)  # the caller does not see it in lists either
    raise PermissionDenied(
        f"Connection '{found.connection_id}' is not shared with tenants; an administrator can share it "
        f'with PATCH /api/v1/platform/connections/{found.connection_id} with {{"tenant_id": null}}.',
        database=found.connection_id,
    )


def _no_connection(database: str) -> NotFound:
    """Return the error for a connection that does not exist, or that the caller may not know of."""
    return NotFound(f"Connection '{database}' not found", database=database)


def _audit(database: str, entry: dict[str, Any], by: Principal) -> None:
    """Record who has queried which connection; its SQL as tables and a hash, since it may hold secrets."""
    with db.transaction() as session:
        trail = audit.AuditTrail(session)
        audit.record_change(session, "connection", database, before=None, after={"queried": entry})
        trail.write(by, "execute_query")
