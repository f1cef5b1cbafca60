"""Results of SQL queries."""

from typing import Any

from airflow_platform.models.base import Model


class Column(Model):
    """A column of a result.

    Attributes:
        name: Name, as in the rows. Repeated names are numbered: ``id``, ``id_2``.
        type: The database's name of the type; None if it is unknown.
    """

    name: str
    type: str | None = None


class QueryResult(Model):
    """The rows of a query, and the query itself.

    Attributes:
        query_id: Id of the query.
        status: State of the query: ``completed``.
        rows_returned: Number of rows.
        execution_time_ms: Time that the query took, in milliseconds.
        data: The rows, each a dictionary in the order of the query's columns.
        metadata: Further information, such as ``database``, ``schema`` and ``tables_accessed``.
        truncated: Whether the query has more rows than these.
        query: The SQL that was run.
        parameters: The parameters that were given.
    """

    query_id: str
    status: str
    rows_returned: int | None = None
    execution_time_ms: int | None = None
    data: list[dict[str, Any]] = []
    metadata: dict[str, Any] = {}
    truncated: bool = False
    query: str = ""
    parameters: dict[str, Any] = {}

    @property
    def columns(self) -> list[Column]:
        """The columns in the query's order, even if there are no rows."""
        columns = self.metadata.get("columns")
        if columns is None:  # an older platform
            return [Column(name=name) for name in (self.data[0] if self.data else ())]
        return [Column.model_validate(column) for column in columns]

    @property
    def warnings(self) -> list[str]:
        """The platform's warnings about the result, such as a limit that it has lowered."""
        return [str(warning) for warning in self.metadata.get("warnings") or ()]
