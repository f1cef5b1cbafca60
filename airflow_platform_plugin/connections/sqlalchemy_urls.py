"""Connections of types without a hook, which are taken for the names of SQLAlchemy dialects."""

import re
from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from airflow_platform_plugin.airflow_compat.models import Connection

# DuckDB's SQL can read and write files, load extensions from the network, and read the variables of the
# program around it. Not from here.
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
# With a plus before the driver; SQLAlchemy takes a dot for one, and what compares types does not.
_DIALECT = re.compile(r"[a-z0-9_]+(?:\+[a-z0-9_]+)?")
_DUCKDB = {"read_only": True, "config": DUCKDB_CONFIG}


def url(connection: Connection) -> URL:
    """Where SQLAlchemy finds the database.

    Raises:
        sqlalchemy.exc.ArgumentError: the type is no dialect's name.
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
    # A database in a file: its path is where servers have their host, as in Airflow's SQLite connections.
    return URL.create(connection.conn_type, database=connection.host)


def options(connection: Connection) -> dict[str, Any]:
    """What an engine for the connection takes beside, with or without a hook."""
    is_duckdb = str(connection.conn_type).partition("+")[0] == "duckdb"
    return {"connect_args": _DUCKDB} if is_duckdb else {}
