"""Queries."""

from typing import Any

from airflow_platform_plugin import db, settings
from airflow_platform_plugin.analytics import engine
from airflow_platform_plugin.connections import access
from airflow_platform_plugin.connections.found import find
from airflow_platform_plugin.principal import Principal

SCOPE = "analytics:read"


def query(request: dict[str, Any], *, by: Principal) -> dict[str, Any]:
    """Run a query to its end. No transaction of the platform's is open meanwhile.

    Raises:
        PlatformError: as ``engine.execute``; NotFound also where the connection is not the caller's to query.
    """
    config = settings.get()
    database = request.get("database", config.query_database)
    if by.reach(SCOPE) is not None:
        _require_own(database, by)
    result = engine.execute(
        database,
        request["query"],
        request["parameters"],
        limit=min(request["limit"], config.query_max_rows),
        timeout=min(request["timeout_seconds"], config.query_max_timeout),
    )
    return {
        "query_id": db.new_id("q"),
        "status": "completed",
        "rows_returned": len(result.rows),
        "truncated": result.truncated,
        "execution_time_ms": round(result.seconds * 1000),
        "data": result.rows,
        "metadata": {
            "database": database,
            "schema": result.schema,
            "tables_accessed": result.tables,
            # Few databases tell, and none of those that this first version knows.
            "bytes_scanned": None,
            "cache_hit": False,
        },
    }


def _require_own(database: str, by: Principal) -> None:
    """Let a tenant query its own connections and those that were given to all.

    One that was made in Airflow's own pages was given to nobody yet: it may lead anywhere.
    """
    with db.transaction() as session:
        found = find(session, database)
        if found is None or found.own is None or not access.may_see(found, by, SCOPE):
            raise engine.no_connection(database)
