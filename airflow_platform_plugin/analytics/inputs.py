"""What the query service takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Scalar = str | int | float | bool | None
Parameters = Mapping[str, Scalar | Sequence[Scalar]]


@dataclass(frozen=True, kw_only=True)
class NewQuery:
    """A query to run.

    Attributes:
        query: one SQL query, with placeholders such as ``:name``.
        database: the Airflow connection to query; None for the one that the settings name.
        limit: the most rows that the caller wants.
        timeout_seconds: how long the query may run.
        parameters: the placeholders' values by name.
    """

    query: str
    database: str | None = None
    limit: int
    timeout_seconds: float
    parameters: Parameters = field(default_factory=dict)
