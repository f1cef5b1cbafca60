"""Export and import of connections."""

import json

from airflow_platform._async.session import AsyncResource
from airflow_platform._http import build_path
from airflow_platform.models import ImportResult


class AsyncConnectionTransfer(AsyncResource):
    """The methods of ``client.connections`` that export and import."""

    async def export(self, *, format: str = "yaml", passphrase: str | None = None) -> str:  # noqa: A002 - the API's name
        """Export connections, without their secrets or with them encrypted.

        Args:
            format: ``yaml`` or ``json``; an encrypted export is always JSON, which is valid YAML too.
            passphrase: Passphrase of at least 12 characters that encrypts the export. By default the export
                is not encrypted and has ``***`` in place of secrets.

        Returns:
            The content of a file that ``import_`` takes.

        Raises:
            PermissionDeniedError: An encrypted export needs the scope ``connections:export``.
            ValidationError: The passphrase is too short.

        Example:
            content = await client.connections.export(passphrase="a long passphrase")
        """
        path = build_path("platform", "connections", "export")
        if passphrase is None:
            return (await self._session.request("GET", path, params={"format": format})).text
        encrypted = await self._session.request("POST", path, json={"passphrase": passphrase})
        return json.dumps(encrypted.json(), indent=2) + "\n"

    async def import_(
        self,
        content: str,
        *,
        format: str = "yaml",  # noqa: A002 - the API's name
        on_conflict: str | None = None,
        dry_run: bool | None = None,
        tenant_id: str | None = None,
        passphrase: str | None = None,
    ) -> ImportResult:
        """Import connections from an export of the platform or of Airflow itself: all of them, or none.

        Args:
            content: Content of the file.
            format: Format of the content: ``json``, ``yaml`` or ``env``.
            on_conflict: What to do if a connection exists already: ``skip`` (the default), ``fail`` or
                ``overwrite``.
            dry_run: Whether to return the result without changing anything; by default false.
            tenant_id: Owning tenant of connections that name no tenant.
            passphrase: Passphrase of an encrypted export.

        Raises:
            ConflictError: A connection exists already, and ``on_conflict`` is ``fail``.
            PermissionDeniedError: You may not create or overwrite one of the connections.
            ValidationError: The content, a connection in it or the passphrase is invalid.

        Example:
            result = await client.connections.import_(content, on_conflict="skip", dry_run=True)
            for connection in result.connections:
                print(connection.connection_id, connection.result, connection.missing_secrets)
        """
        body = {
            "content": content,
            "format": format,
            "on_conflict": on_conflict,
            "dry_run": dry_run,
            "tenant_id": tenant_id,
            "passphrase": passphrase,
        }
        path = build_path("platform", "connections", "import")
        return await self._session.fetch(ImportResult, "POST", path, json=body)
