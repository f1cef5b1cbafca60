"""Engines: execute a query on each kind of database, so that the database itself allows only one query.

    engine = engines.of(source, limits)
    engine.open()
    columns = engine.execute(statement, parameters)
    for row in engine.rows(): ...
    engine.close()

One engine serves one query, on its own connection. Another thread may call ``cancel`` at any moment. An
engine reads only allowed options of the connection's ``extra``: others may run programs, read files or follow
another connection with the server's rights.
"""

import re

from airflow_platform_plugin.analytics.engines.base import Engine, Limits, Source, Unsupported
from airflow_platform_plugin.analytics.engines.clickhouse import ClickHouse
from airflow_platform_plugin.analytics.engines.embedded import DuckDB, SQLite
from airflow_platform_plugin.analytics.engines.generic import GenericEngine
from airflow_platform_plugin.analytics.engines.mysql import MySQL
from airflow_platform_plugin.analytics.engines.postgresql import PostgreSQL

_ENGINES: dict[str, type[Engine]] = {
    "postgres": PostgreSQL,
    "postgresql": PostgreSQL,
    "mysql": MySQL,
    "mariadb": MySQL,
    "sqlite": SQLite,
    "duckdb": DuckDB,
    "clickhouse": ClickHouse,
}


def of(source: Source, limits: Limits) -> Engine:
    """Return the engine for a connection; it has not connected yet.

    Raises:
        Unsupported: a connection of that type cannot be queried, or not by that caller.
    """
    # SQLAlchemy accepts `dialect+driver` and `dialect.driver`; here the engine chooses the driver.
    kind = re.split(r"[+.]", str(source.connection.conn_type or "").strip().lower())[0]
    engine = _ENGINES.get(kind)
    if engine is not None:
        return engine(source, limits)
    if not (source.trusted and source.for_all):
        raise Unsupported(
            f"its type is {source.connection.conn_type}, which only callers who may query all connections "
            f"can query; a tenant's connection must have one of the types {', '.join(sorted(_ENGINES))}"
        )
    return GenericEngine(source, limits)
