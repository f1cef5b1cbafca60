"""SQLAlchemy URLs of connections whose type is the name of a dialect, and has no hook."""

import re

from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from airflow_platform_plugin.airflow_compat.models import Connection
from airflow_platform_plugin.core.types import Option

# Turns off what DuckDB's SQL could do otherwise: read and write files, load extensions from the network, and
# read variables of this process.
DUCKDB_CONFIG = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "threads": "2",
    "lock_configuration": "true",
}
# With a plus before the driver. SQLAlchemy also takes a dot, but the check of types does not.
_DIALECT = re.compile(r"[a-z0-9_]+(?:\+[a-z0-9_]+)?")
_DUCKDB = {"read_only": True, "config": DUCKDB_CONFIG}


def make_url(connection: Connection) -> URL:
    """Return the SQLAlchemy URL of a connection's database.

    Raises:
        sqlalchemy.exc.ArgumentError: the type is not the name of a dialect.
    """
    if not _DIALECT.fullmatch(str(connection.conn_type)):
        raise ArgumentError("not the name of a dialect")
    if connection.schema or connection.port or connection.login:
        return URL.create(
            connection.conn_type,
            username=connection.login,
            password=connection.password,
            host=connection.host,
            port=connection.port,
            database=connection.schema,
        )
    # A database in a file: the host is its path, as in Airflow's SQLite connections.
    return URL.create(connection.conn_type, database=connection.host)


def make_engine_options(connection: Connection) -> dict[str, Option]:
    """Return more arguments for an engine of the connection, with or without a hook."""
    is_duckdb = str(connection.conn_type).partition("+")[0] == "duckdb"
    return {"connect_args": _DUCKDB} if is_duckdb else {}
