"""Queries: who may query which connection, what is kept of it, and what is answered."""

import hashlib
from collections.abc import Callable
from typing import Any

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.airflow_compat.exceptions import AirflowNotFoundException
from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.analytics import execution
from airflow_platform_plugin.analytics.engines.base import Limits, Source
from airflow_platform_plugin.analytics.execution import Result
from airflow_platform_plugin.analytics.settings import AnalyticsSettings
from airflow_platform_plugin.connections import authorization
from airflow_platform_plugin.connections.models import PlatformConnection
from airflow_platform_plugin.connections.records import ConnectionRecord, copy_detached, find, find_metadata
from airflow_platform_plugin.connections.tenant_rules import reachability
from airflow_platform_plugin.core import db, settings
from airflow_platform_plugin.core.errors import NotFound, PermissionDenied, PlatformError
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.http import audit

SCOPE = "analytics:read"


def query(
    request: dict[str, Any], *, by: Principal, abandoned: Callable[[], bool] = lambda: False
) -> dict[str, Any]:
    """Run a query to its end. No transaction of the platform's is open meanwhile.

    Args:
        request: as ``QueryInput`` loads it.
        by: the caller.
        abandoned: whether nobody waits for the answer any more.

    Raises:
        PlatformError: as ``execution.execute``; NotFound and PermissionDenied also where the connection is
        not the
            caller's to query.
    """
    config = settings.get(AnalyticsSettings)
    query_id, database = db.new_id("q"), request.get("database", config.query_database)
    noted = {"query_id": query_id, "sql_sha256": hashlib.sha256(request["query"].encode()).hexdigest()}
    try:
        source = _authorised(database, by)
        result = execution.execute(
            source,
            request["query"],
            request["parameters"],
            _limits(request, config),
            abandoned=abandoned,
        )
    except PlatformError as error:
        _audit(database, {**noted, "status": error.code}, by)
        raise
    _audit(database, {**noted, "status": "completed", "rows": len(result.rows), "tables": result.tables}, by)
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
            "warnings": _warnings(request, config, result),
            # Few databases report it, and none of those that this first version knows.
            "bytes_scanned": None,
            "cache_hit": False,
        },
    }


def _limits(request: dict[str, Any], config: AnalyticsSettings) -> Limits:
    return Limits(
        rows=min(request["limit"], config.query_max_rows) + 1,
        bytes=config.query_max_bytes,
        seconds=min(request["timeout_seconds"], config.query_max_timeout),
        memory=config.query_max_memory,
    )


def _warnings(request: dict[str, Any], config: AnalyticsSettings, result: Result) -> list[str]:
    warnings = list(result.warnings)
    if result.truncated and request["limit"] > config.query_max_rows:
        warnings.append(
            f"limit was lowered from {request['limit']} to {config.query_max_rows}, which is the most that "
            "[platform] query_max_rows allows."
        )
    if request["timeout_seconds"] > config.query_max_timeout:
        warnings.append(
            f"timeout_seconds was lowered from {request['timeout_seconds']:g} to "
            f"{config.query_max_timeout:g}, which is the most that [platform] query_max_timeout allows."
        )
    return warnings


def _authorised(database: str, by: Principal) -> Source:
    """The connection itself, which is read once.

    Raises:
        NotFound: there is none of that name for the caller.
        PermissionDenied: the caller knows of it, but it was not shared; or a tenant's is of a type that is
            not for tenants.
        ValidationFailed: a tenant's leads where the tenant must not go.
    """
    for_all = by.reach(SCOPE).everywhere
    connection, known = _any(database) if for_all else _of_tenants(database, by)
    airflow_compat.web.end_request_transaction()  # the caller's rights were read in it
    tenant_id = known.tenant_id if known else None
    destination = reachability.require_reachable(connection, tenant_id, look_up=False)
    trusted = tenant_id is None or bool(known and known.approved)
    return Source(connection, trusted, for_all, destination.hosts)


def _any(database: str) -> tuple[Connection, PlatformConnection | None]:
    """A connection by Airflow's own order of places: secrets backends, environment, database."""
    try:
        connection = Connection.get_connection_from_secrets(database)
    except AirflowNotFoundException as error:
        raise _no_connection(database) from error
    if connection.id is None:
        return connection, None
    with db.transaction() as session:
        known = find_metadata(session, connection)
        if known is not None:
            session.expunge(known)
        return connection, known


def _of_tenants(database: str, by: Principal) -> tuple[Connection, PlatformConnection | None]:
    """The row of that name, where it is one of the caller's tenants' or was given to all."""
    with db.transaction() as session:
        found = find(session, database)
        if found is None or not authorization.is_visible(found, by, SCOPE):
            raise _no_connection(database)
        _require_shared(found, by)
        if found.metadata is not None:
            session.expunge(found.metadata)
        return copy_detached(found.row), found.metadata


def _require_shared(found: ConnectionRecord, by: Principal) -> None:
    """Let a tenant query, of those that no tenant has, what an administrator has given to all.

    One that was made in Airflow's own pages was given to nobody yet: it may lead anywhere.
    """
    if found.is_assigned:
        return
    if not by.reach(authorization.READ):
        raise _no_connection(found.connection_id)  # nor do the lists show it to the caller
    raise PermissionDenied(
        f"Connection '{found.connection_id}' was not shared with tenants yet; an administrator can share it "
        f'by PATCH /api/v1/platform/connections/{found.connection_id} with {{"tenant_id": null}}.',
        database=found.connection_id,
    )


def _no_connection(database: str) -> NotFound:
    """What is said of a connection that is not there, or not for the caller."""
    return NotFound(f"Connection '{database}' not found", database=database)


def _audit(database: str, noted: dict[str, Any], by: Principal) -> None:
    """Keep who has queried which connection; of the SQL its tables and a hash, as it may hold anything."""
    with db.transaction() as session:
        trail = audit.Trail(session)
        audit.record_change(session, "connection", database, before=None, after={"queried": noted})
        trail.write(by, "execute_query")
