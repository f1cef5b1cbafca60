"""Results of SQL queries."""

from typing import Any

from airflow_platform.models.base import Model


class Column(Model):
    """A column of a result.

    Attributes:
        name: As in the rows; a name that occurs twice has a number from its second time on: ``id``, ``id_2``.
        type: The database's name for its type, if it is known.
    """

    name: str
    type: str | None = None


class QueryResult(Model):
    """The rows that a query returned, and the query itself.

    Attributes:
        data: The rows, each a dictionary in the order of the query's columns.
        truncated: Whether the query has more rows than these.
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
        """The columns in the query's order, also where there are no rows."""
        known = self.metadata.get("columns")
        if known is None:  # an older platform
            return [Column(name=name) for name in (self.data[0] if self.data else ())]
        return [Column.model_validate(column) for column in known]

    @property
    def warnings(self) -> list[str]:
        """What the platform says of the result, such as a limit that it has lowered; a sentence each."""
        return [str(sentence) for sentence in self.metadata.get("warnings") or ()]
