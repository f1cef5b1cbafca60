"""The settings of analytics queries."""

from typing import Annotated

from pydantic import Field

from airflow_platform_plugin.core.settings import Seconds, Settings


class AnalyticsSettings(Settings):
    """The settings of analytics queries."""

    query_max_rows: Annotated[int, Field(ge=1)] = Field(
        default=10_000, description="The most rows one analytics query may return."
    )
    query_max_timeout: Seconds = Field(
        default=100.0,
        description="The longest that one analytics query may run, in seconds. "
        "Keep it below `[webserver] web_server_worker_timeout`, which ends the whole web worker.",
    )
    query_max_bytes: Annotated[int, Field(ge=1000)] = Field(
        default=10_000_000, description="The longest that the rows of one analytics query may be, as JSON."
    )
    query_max_memory: Annotated[int, Field(ge=33_554_432)] = Field(
        default=536_870_912,
        description="The bytes of memory that one analytics query on a DuckDB or SQLite file may use: it "
        "runs on the webserver's host.",
    )
    query_database: str = Field(
        default="warehouse", description="The connection that queries go to which name no database."
    )
    query_functions: str = Field(
        default="",
        description="Functions, separated by commas, that analytics queries may call in addition to those "
        "that are known to have no effects: your own, by name, with a schema, or by a pattern such as "
        "`st_*`.",
    )

    @property
    def query_function_names(self) -> frozenset[str]:
        """Return the names in ``query_functions``."""
        return frozenset(name.strip() for name in self.query_functions.split(",") if name.strip())
