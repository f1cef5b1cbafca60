"""The settings of analytics queries."""

from typing import Annotated

from pydantic import Field

from airflow_platform_plugin.core.settings import Seconds, Settings


class AnalyticsSettings(Settings):
    """The settings of analytics queries."""

    query_max_rows: Annotated[int, Field(ge=1)] = Field(
        default=10_000, description="Maximum number of rows of one analytics query."
    )
    query_max_timeout: Seconds = Field(
        default=100.0,
        description="Maximum duration of one analytics query, in seconds. Keep it below `[webserver] "
        "web_server_worker_timeout`, which ends the whole web worker.",
    )
    query_max_bytes: Annotated[int, Field(ge=1000)] = Field(
        default=10_000_000, description="Maximum size of the rows of one analytics query, in bytes of JSON."
    )
    query_max_memory: Annotated[int, Field(ge=33_554_432)] = Field(
        default=536_870_912,
        description="Maximum memory of one analytics query on a DuckDB or SQLite file, in bytes. Such a "
        "query runs on the webserver's host.",
    )
    query_database: str = Field(
        default="warehouse", description="Connection of queries that name no database."
    )
    query_functions: str = Field(
        default="",
        description="Your own functions that analytics queries may call in addition to those that are "
        "known to have no effects, separated by commas: by name, with a schema, or by a "
        "pattern such as `st_*`.",
    )

    @property
    def query_function_names(self) -> frozenset[str]:
        """Return the names in ``query_functions``."""
        return frozenset(name.strip() for name in self.query_functions.split(",") if name.strip())
