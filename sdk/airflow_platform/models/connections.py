"""Connections: where Airflow finds databases and services."""

import warnings
from typing import Any

from airflow_platform.models.base import Model, Timestamp


class ConnectionTest(Model):
    """What a test of a connection has shown."""

    status: str
    message: str | None = None
    latency_ms: int | None = None
    tested_at: Timestamp | None = None


with warnings.catch_warnings():
    # The platform's word for it, which pydantic once used for a method.
    warnings.filterwarnings("ignore", message='Field name "schema" in "Connection" shadows')

    class Connection(Model):
        """A connection without its secrets; ``secrets_set`` names those that are set."""

        connection_id: str
        connection_type: str
        description: str | None = None
        host: str | None = None
        port: int | None = None
        schema: str | None = None  # type: ignore[assignment]
        login: str | None = None
        extra: dict[str, Any] = {}
        secrets_set: list[str] = []
        tenant_id: str | None = None
        shared: bool | None = None
        created_at: Timestamp | None = None
        created_by: str | None = None
        updated_at: Timestamp | None = None
        last_test: ConnectionTest | None = None


class ConnectionUsage(Model):
    """What names a connection, of what the caller may read, by kind."""

    connection_id: str
    used_by: dict[str, list[dict[str, Any]]] = {}


class ImportedConnection(Model):
    """What has become of one connection of an import, or would."""

    connection_id: str
    result: str
    message: str | None = None
    missing_secrets: list[str] = []


class ImportResult(Model):
    """What an import has done, or would do."""

    dry_run: bool = False
    connections: list[ImportedConnection] = []
