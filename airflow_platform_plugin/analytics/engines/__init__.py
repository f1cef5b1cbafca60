"""How a query is executed on each kind of database, so that the database itself holds it to one query.

    engine = engines.of(source, limits)
    engine.open()
    columns = engine.execute(statement, parameters)
    for row in engine.rows(): ...
    engine.close()

One engine serves one query on one connection of its own. ``cancel`` may be called from another thread at
any moment. What an engine reads of the connection's ``extra`` is an allow-list: an option may run programs,
read files or follow another connection with the server's rights.
"""

import re

from airflow_platform_plugin.analytics.engines.base import Engine, Limits, Source, Unsupported
from airflow_platform_plugin.analytics.engines.clickhouse import ClickHouse
from airflow_platform_plugin.analytics.engines.embedded import DuckDB, SQLite
from airflow_platform_plugin.analytics.engines.mysql import MySQL
from airflow_platform_plugin.analytics.engines.other import Other
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
    """The engine for a connection, which has connected to nothing yet.

    Raises:
        Unsupported: queries cannot run on a connection of that type, or not for that caller.
    """
    # SQLAlchemy takes `dialect+driver` and `dialect.driver`; the driver is the engine's own choice here.
    kind = re.split(r"[+.]", str(source.connection.conn_type or "").strip().lower())[0]
    engine = _ENGINES.get(kind)
    if engine is not None:
        return engine(source, limits)
    if not (source.trusted and source.for_all):
        raise Unsupported(
            f"connections of type {source.connection.conn_type} can be queried only by those who may query "
            f"all connections; a tenant's may be of type {', '.join(sorted(_ENGINES))}"
        )
    return Other(source, limits)
