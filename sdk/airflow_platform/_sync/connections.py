# Written by scripts/unasync from the file of this name in _async; change that one.
"""Connections."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from airflow_platform._sync.pages import Page
from airflow_platform._sync.session import Resource
from airflow_platform._http import UNSET, Unset, path
from airflow_platform.models import Connection, ConnectionTest, ConnectionUsage, ImportResult

DEFAULT_TIMEOUT = 10.0
_ANSWERING = 30.0  # seconds that the platform itself may take, beside the test


class ConnectionPage(Page[Connection]):
    """Some connections."""

    collection: ClassVar = "connections"
    connections: list[Connection]


class Connections(Resource):
    """``client.connections``."""

    def create(
        self,
        connection_id: str,
        connection_type: str,
        *,
        host: str | None = None,
        port: int | None = None,
        schema: str | None = None,
        login: str | None = None,
        password: str | None = None,
        extra: Mapping[str, Any] | None = None,
        description: str | None = None,
        tenant_id: str | None = None,
    ) -> Connection:
        """Make a connection; no answer has its secrets."""
        body = {
            "connection_id": connection_id,
            "connection_type": connection_type,
            "host": host,
            "port": port,
            "schema": schema,
            "login": login,
            "password": password,
            "extra": extra,
            "description": description,
            "tenant_id": tenant_id,
        }
        return self._session.fetch(Connection, "POST", path("platform", "connections"), json=body)

    def list(
        self,
        *,
        connection_type: str | None = None,
        tenant_id: str | None = None,
        search: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> ConnectionPage:
        """The connections; ``search`` looks into names and descriptions."""
        params = {
            "connection_type": connection_type,
            "tenant_id": tenant_id,
            "search": search,
            "order_by": order_by,
            "limit": limit,
            "offset": offset,
        }
        return self._session.list(ConnectionPage, path("platform", "connections"), params)

    def get(self, connection_id: str) -> Connection:
        """One connection, without its secrets."""
        return self._session.fetch(Connection, "GET", path("platform", "connections", connection_id))

    def update(
        self,
        connection_id: str,
        *,
        connection_type: str | Unset = UNSET,
        host: str | Unset | None = UNSET,
        port: int | Unset | None = UNSET,
        schema: str | Unset | None = UNSET,
        login: str | Unset | None = UNSET,
        password: str | Unset | None = UNSET,
        extra: Mapping[str, Any] | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
        tenant_id: str | Unset | None = UNSET,
    ) -> Connection:
        """Change a connection: None removes, ``extra`` is merged, and what is not given stays as it is."""
        body = {
            "connection_type": connection_type,
            "host": host,
            "port": port,
            "schema": schema,
            "login": login,
            "password": password,
            "extra": extra,
            "description": description,
            "tenant_id": tenant_id,
        }
        url = path("platform", "connections", connection_id)
        return self._session.fetch(Connection, "PATCH", url, json=body, nulls=True)

    def delete(self, connection_id: str, *, force: bool | None = None) -> None:
        """Delete a connection; one that is in use with ``force`` alone."""
        url = path("platform", "connections", connection_id)
        self._session.request("DELETE", url, params={"force": force})

    def test(self, connection_id: str, *, timeout_seconds: float = DEFAULT_TIMEOUT) -> ConnectionTest:
        """Test a connection; an outcome other than ``success`` is no exception."""
        return self._session.fetch(
            ConnectionTest,
            "POST",
            path("platform", "connections", connection_id, "test"),
            params={"timeout_seconds": timeout_seconds},
            timeout=timeout_seconds + _ANSWERING,
        )

    def test_unsaved(
        self,
        connection_type: str,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT,
        **fields: Any,  # noqa: ANN401 - create()'s own
    ) -> ConnectionTest:
        """Test a connection that is not stored; the fields are those of ``create``."""
        return self._session.fetch(
            ConnectionTest,
            "POST",
            path("platform", "connections", "test"),
            json={"connection_type": connection_type, **fields},
            params={"timeout_seconds": timeout_seconds},
            timeout=timeout_seconds + _ANSWERING,
        )

    def usage(self, connection_id: str) -> ConnectionUsage:
        """What names a connection."""
        url = path("platform", "connections", connection_id, "usage")
        return self._session.fetch(ConnectionUsage, "GET", url)

    def export(self, *, format: str = "yaml", passphrase: str | None = None) -> str:  # noqa: A002 - the platform's word
        """A file with the connections, in JSON or YAML.

        Without a passphrase it has no secrets. With one it holds nothing that can be read without it, and
        is JSON, which is YAML too.
        """
        url = path("platform", "connections", "export")
        if passphrase is None:
            return (self._session.request("GET", url, params={"format": format})).text
        sealed = self._session.request("POST", url, json={"passphrase": passphrase})
        return json.dumps(sealed.json(), indent=2) + "\n"

    def import_(
        self,
        content: str,
        *,
        format: str = "yaml",  # noqa: A002 - the platform's word
        on_conflict: str | None = None,
        dry_run: bool | None = None,
        tenant_id: str | None = None,
        passphrase: str | None = None,
    ) -> ImportResult:
        """Write the connections of a file, all or none: of an export, or of Airflow's own one.

        Args:
            content: The file's text.
            format: ``json``, ``yaml`` or ``env``.
            on_conflict: What becomes of those that are there: ``skip``, the platform's default, ``fail`` or
                ``overwrite``.
            dry_run: Whether to say what would become of each, and write nothing.
            tenant_id: Whose those are that name no tenant.
            passphrase: That of the export.
        """
        body = {
            "content": content,
            "format": format,
            "on_conflict": on_conflict,
            "dry_run": dry_run,
            "tenant_id": tenant_id,
            "passphrase": passphrase,
        }
        url = path("platform", "connections", "import")
        return self._session.fetch(ImportResult, "POST", url, json=body)
