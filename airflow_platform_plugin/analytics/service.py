"""Queries."""

from typing import Any

from airflow_platform_plugin import db, settings
from airflow_platform_plugin.analytics import engine


def query(request: dict[str, Any]) -> dict[str, Any]:
    """Run a query to its end. No transaction of the platform's is open meanwhile.

    Raises:
        PlatformError: as ``engine.execute``.
    """
    config = settings.get()
    database = request.get("database", config.query_database)
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
