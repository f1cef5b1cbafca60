"""SQL on the platform's databases."""

from collections.abc import Mapping
from typing import Any

from airflow_platform._async.session import AsyncResource
from airflow_platform._http import path
from airflow_platform.models import QueryResult

ANSWER_MARGIN = 15.0


class AsyncAnalytics(AsyncResource):
    """``client.analytics``."""

    async def query(
        self,
        query: str,
        parameters: Mapping[str, Any] | None = None,
        database: str | None = None,
        limit: int | None = None,
        timeout_seconds: float | None = None,
    ) -> QueryResult:
        """Run a SQL query and return its rows, at most ``limit`` of them."""
        result = await self._session.fetch(
            QueryResult,
            "POST",
            path("analytics", "query"),
            json={
                "query": query,
                "parameters": parameters,
                "database": database,
                "limit": limit,
                "timeout_seconds": timeout_seconds,
            },
            # The platform ends the query; giving up on it earlier would hide how it ended.
            timeout=None if timeout_seconds is None else timeout_seconds + ANSWER_MARGIN,
        )
        result.query = query
        result.parameters = dict(parameters or {})
        return result
