"""Connections: where Airflow finds databases and services."""

import warnings
from typing import Any

from airflow_platform.models.base import Model, Timestamp


class ConnectionTest(Model):
    """The result of a connection test.

    Attributes:
        status: ``success``, ``failed`` or ``unsupported``.
        message: Description of the result, without secrets.
        latency_ms: Time that the test took, in milliseconds.
        tested_at: When the test was made, in a connection's ``last_test``.
    """

    status: str
    message: str | None = None
    latency_ms: int | None = None
    tested_at: Timestamp | None = None


with warnings.catch_warnings():
    # The API's name of the field; a deprecated method of pydantic has the same.
    warnings.filterwarnings("ignore", message='Field name "schema" in "Connection" shadows')

    class Connection(Model):
        """A connection without its secrets.

        Attributes:
            connection_id: Id of the connection.
            connection_type: Airflow's name of the type, such as ``postgres``.
            description: Description for people.
            host: Host name or address.
            port: Port number.
            schema: Name of the database.
            login: User name.
            extra: Further settings of the type; ``***`` in place of secrets.
            secrets_set: Names of the secrets that are set, such as ``password`` and ``extra.token``.
            tenant_id: Owning tenant; None if it belongs to no tenant.
            shared: Whether all tenants may query it.
            created_at: When the connection was created.
            created_by: User who created the connection.
            updated_at: When the connection was last changed.
            last_test: Result of the last test.
        """

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
    """Where a connection is used, as far as you may see it.

    Attributes:
        connection_id: Id of the connection.
        used_by: Lists of what uses it, by kind: ``dags`` and ``deployments``.
    """

    connection_id: str
    used_by: dict[str, list[dict[str, Any]]] = {}


class ImportedConnection(Model):
    """The result for one connection of an import.

    Attributes:
        connection_id: Id of the connection.
        result: ``created``, ``overwritten``, ``skipped`` or ``failed``.
        message: Why it was skipped or failed.
        missing_secrets: Names of the secrets that the import did not contain.
    """

    connection_id: str
    result: str
    message: str | None = None
    missing_secrets: list[str] = []


class ImportResult(Model):
    """The result of an import.

    Attributes:
        dry_run: Whether nothing was changed.
        connections: The result for each connection.
    """

    dry_run: bool = False
    connections: list[ImportedConnection] = []
