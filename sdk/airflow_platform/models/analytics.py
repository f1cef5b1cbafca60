"""Results of SQL queries."""

from typing import Any

from airflow_platform.models.base import Model


class QueryResult(Model):
    """The rows that a query returned, beside the query itself."""

    query_id: str
    status: str
    rows_returned: int | None = None
    execution_time_ms: int | None = None
    data: list[dict[str, Any]] = []
    metadata: dict[str, Any] = {}
    truncated: bool = False
    query: str = ""
    parameters: dict[str, Any] = {}
