# Written by scripts/unasync from the file of this name in _async; change that one.
"""SQL on the platform's databases."""

import warnings
from collections.abc import Mapping
from typing import Any

from airflow_platform._sync.session import Resource
from airflow_platform._http import path
from airflow_platform.exceptions import TruncatedResultWarning
from airflow_platform.models import QueryResult

ANSWER_MARGIN = 15.0


class Analytics(Resource):
    """``client.analytics``."""

    def query(
        self,
        query: str,
        parameters: Mapping[str, Any] | None = None,
        database: str | None = None,
        limit: int | None = None,
        timeout_seconds: float | None = None,
    ) -> QueryResult:
        """Run a SQL query and return its rows.

        Args:
            query: One statement that reads; ``:name`` stands for a parameter.
            parameters: Their values: text, numbers, dates, Decimals, booleans, None, or a list of them.
            database: The Airflow connection to query; the platform's default unless given.
            limit: Rows, at most; by default 1000.
            timeout_seconds: Seconds that the query may take; by default 30.

        Warns:
            TruncatedResultWarning: The query has more rows, and ``limit`` did not ask for so few.

        Raises:
            ValidationError: The query or a parameter does not fit, or the database refuses it.
            ResourceNotFoundError: There is no such connection for the caller.
        """
        result = self._session.fetch(
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
        if result.truncated and len(result.data) != limit:
            reason = " ".join(result.warnings) or "give a limit to get more, or ask for fewer."
            cut = f"The query has more rows than the {len(result.data)} that were returned: {reason}"
            warnings.warn(cut, TruncatedResultWarning, stacklevel=2)
        return result
