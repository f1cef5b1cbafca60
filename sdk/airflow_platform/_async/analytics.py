"""SQL queries."""

import warnings
from collections.abc import Mapping

from airflow_platform._async.session import AsyncResource
from airflow_platform._http import build_path
from airflow_platform.exceptions import TruncatedResultWarning
from airflow_platform.models import QueryResult
from airflow_platform.types import QueryParameter

RESPONSE_MARGIN = 15.0  # seconds for the response, in addition to the query's own timeout


class AsyncAnalytics(AsyncResource):
    """SQL queries, as ``client.analytics``."""

    async def query(
        self,
        query: str,
        parameters: Mapping[str, QueryParameter] | None = None,
        database: str | None = None,
        limit: int | None = None,
        timeout_seconds: float | None = None,
    ) -> QueryResult:
        """Run a SQL query and return its rows.

        Args:
            query: One SQL statement that only reads. ``:name`` stands for a parameter.
            parameters: Values of the query's parameters, by name. A list may stand after ``IN``.
            database: Id of the Airflow connection to query; by default the platform's default database.
            limit: Maximum number of rows; by default 1000. The platform may lower it.
            timeout_seconds: Seconds that the query may take; by default 30. The platform may lower it.

        Warns:
            TruncatedResultWarning: The query has more rows than were returned, and you did not ask for
                exactly that many with ``limit``.

        Raises:
            ValidationError: The platform or the database rejects the query or a parameter.
            PermissionDeniedError: You may not query this connection.
            ResourceNotFoundError: The connection does not exist, or belongs to another tenant.
            ServerError: The query took too long (code ``TIMEOUT``).
            ServiceUnavailableError: The platform runs too many queries, or cannot reach the database.

        Example:
            result = await client.analytics.query(
                "SELECT day, SUM(total) AS revenue FROM orders WHERE day >= :since GROUP BY day",
                parameters={"since": "2024-01-01"},
            )
            for row in result.data:
                print(row["day"], row["revenue"])
        """
        result = await self._session.fetch(
            QueryResult,
            "POST",
            build_path("analytics", "query"),
            json={
                "query": query,
                "parameters": parameters,
                "database": database,
                "limit": limit,
                "timeout_seconds": timeout_seconds,
            },
            # The platform ends the query; if the client gave up earlier, it would not learn how it ended.
            timeout=None if timeout_seconds is None else timeout_seconds + RESPONSE_MARGIN,
        )
        result.query = query
        result.parameters = dict(parameters or {})
        if result.truncated and len(result.data) != limit:
            reason = " ".join(result.warnings) or "give a limit to get more, or ask for fewer."
            message = f"The query has more rows than the {len(result.data)} that were returned: {reason}"
            warnings.warn(message, TruncatedResultWarning, stacklevel=2)
        return result
