"""Connections."""

from collections.abc import Mapping
from typing import ClassVar

from airflow_platform._async.connection_transfer import AsyncConnectionTransfer
from airflow_platform._async.pages import AsyncPage
from airflow_platform._http import UNSET, Unset, build_path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import Connection, ConnectionTest, ConnectionUsage
from airflow_platform.types import Json

DEFAULT_TEST_TIMEOUT = 10.0  # seconds
RESPONSE_MARGIN = 30.0  # seconds for the response, in addition to the test's own timeout


class AsyncConnectionPage(AsyncPage[Connection]):
    """One page of connections."""

    collection: ClassVar = "connections"
    connections: list[Connection]


class AsyncConnections(AsyncConnectionTransfer):
    """Airflow connections, as ``client.connections``. No response contains their secrets."""

    async def create(
        self,
        connection_id: str,
        connection_type: str,
        *,
        host: str | None = None,
        port: int | None = None,
        schema: str | None = None,
        login: str | None = None,
        password: str | None = None,
        extra: Mapping[str, Json] | None = None,
        description: str | None = None,
        tenant_id: str | None = None,
    ) -> Connection:
        """Create a connection.

        Args:
            connection_id: Id of the connection, unique in this Airflow.
            connection_type: Airflow's name of the type, such as ``postgres``.
            host: Host name or address; some types use it for something else, such as a file.
            port: Port number.
            schema: Name of the database; some types use it for something else.
            login: User name.
            password: Password.
            extra: Further settings of the type, such as ``{"sslmode": "require"}``.
            description: Description for people.
            tenant_id: Owning tenant; by default your own, or all tenants if you are a platform admin.

        Raises:
            ConflictError: The id is taken.
            PermissionDeniedError: You may not create such a connection, or not for this tenant.
            ValidationError: A value is invalid.

        Example:
            await client.connections.create(
                "warehouse", "postgres", host="db.internal", login="airflow", password="secret"
            )
        """
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
        return await self._session.fetch(Connection, "POST", build_path("platform", "connections"), json=body)

    def list(
        self,
        *,
        connection_type: str | None = None,
        tenant_id: str | None = None,
        search: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> AsyncListing[AsyncConnectionPage]:
        """List connections.

        Args:
            connection_type: Only connections of this type.
            tenant_id: Only connections of this tenant.
            search: Only connections with this text in the id or description.
            order_by: Column to sort by: ``connection_id``, ``connection_type`` or ``host``; with ``-`` in
                front in descending order.
            limit: Maximum number of connections over all pages; by default all.
            offset: Number of connections to skip; by default 0.

        Returns:
            The first page when awaited; ``async for`` iterates over the connections of all pages.
        """
        params = {
            "connection_type": connection_type,
            "tenant_id": tenant_id,
            "search": search,
            "order_by": order_by,
            "limit": limit,
            "offset": offset,
        }
        return self._session.list(AsyncConnectionPage, build_path("platform", "connections"), params)

    async def get(self, connection_id: str) -> Connection:
        """Return a connection, without its secrets.

        Args:
            connection_id: Id of the connection.

        Raises:
            ResourceNotFoundError: The connection does not exist, or belongs to another tenant.
        """
        path = build_path("platform", "connections", connection_id)
        return await self._session.fetch(Connection, "GET", path)

    async def update(
        self,
        connection_id: str,
        *,
        connection_type: str | Unset = UNSET,
        host: str | Unset | None = UNSET,
        port: int | Unset | None = UNSET,
        schema: str | Unset | None = UNSET,
        login: str | Unset | None = UNSET,
        password: str | Unset | None = UNSET,
        extra: Mapping[str, Json] | Unset | None = UNSET,
        description: str | Unset | None = UNSET,
        tenant_id: str | Unset | None = UNSET,
    ) -> Connection:
        """Change a connection. Arguments that you leave out stay unchanged; None removes a value.

        If the connection then leads to another target, you must give its secrets again.

        Args:
            connection_id: Id of the connection.
            connection_type: New type.
            host: New host.
            port: New port number.
            schema: New database.
            login: New user name.
            password: New password.
            extra: Settings to change, merged key by key; None as a value removes a key.
            description: New description.
            tenant_id: New owning tenant; None shares the connection with all tenants.

        Raises:
            PermissionDeniedError: You may not change this connection.
            ResourceNotFoundError: The connection does not exist, or belongs to another tenant.
            ValidationError: A value is invalid, or a secret must be given again.

        Example:
            await client.connections.update("warehouse", extra={"sslmode": "require"}, description=None)
        """
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
        path = build_path("platform", "connections", connection_id)
        return await self._session.fetch(Connection, "PATCH", path, json=body, keep_none=True)

    async def delete(self, connection_id: str, *, force: bool | None = None) -> None:
        """Delete a connection.

        Args:
            connection_id: Id of the connection.
            force: Whether to delete it even if it is in use; by default false.

        Raises:
            ConflictError: The connection is in use. ``usage`` shows where.
            PermissionDeniedError: You may not delete this connection.
            ResourceNotFoundError: The connection does not exist, or belongs to another tenant.
        """
        path = build_path("platform", "connections", connection_id)
        await self._session.request("DELETE", path, params={"force": force})

    async def test(
        self, connection_id: str, *, timeout_seconds: float = DEFAULT_TEST_TIMEOUT
    ) -> ConnectionTest:
        """Test a connection.

        Args:
            connection_id: Id of the connection.
            timeout_seconds: Seconds that the test may take, at most 60; by default 10.

        Returns:
            The result. A failed test raises no error: its ``status`` is ``failed``, or ``unsupported`` if
            there is no test for the connection's type.

        Raises:
            PermissionDeniedError: Tests are turned off, or you may not test this connection.
            ResourceNotFoundError: The connection does not exist, or belongs to another tenant.
            ServiceUnavailableError: Too many tests are running.

        Example:
            result = await client.connections.test("warehouse")
            print(result.status, result.message)
        """
        return await self._session.fetch(
            ConnectionTest,
            "POST",
            build_path("platform", "connections", connection_id, "test"),
            params={"timeout_seconds": timeout_seconds},
            timeout=timeout_seconds + RESPONSE_MARGIN,
        )

    async def test_unsaved(
        self,
        connection_type: str,
        *,
        timeout_seconds: float = DEFAULT_TEST_TIMEOUT,
        **fields: Json,
    ) -> ConnectionTest:
        """Test a connection without storing it.

        Args:
            connection_type: Airflow's name of the type, such as ``postgres``.
            timeout_seconds: Seconds that the test may take, at most 60; by default 10.
            fields: Fields of the connection, as ``create`` takes them.

        Returns:
            The result. A failed test raises no error: its ``status`` is ``failed``, or ``unsupported`` if
            there is no test for the type.

        Raises:
            PermissionDeniedError: Tests are turned off, or you may not create such a connection.
            ServiceUnavailableError: Too many tests are running.
            ValidationError: A field is invalid.
        """
        return await self._session.fetch(
            ConnectionTest,
            "POST",
            build_path("platform", "connections", "test"),
            json={"connection_type": connection_type, **fields},
            params={"timeout_seconds": timeout_seconds},
            timeout=timeout_seconds + RESPONSE_MARGIN,
        )

    async def usage(self, connection_id: str) -> ConnectionUsage:
        """List the DAGs and deployments that use a connection, as far as you may see them.

        Args:
            connection_id: Id of the connection.

        Raises:
            ResourceNotFoundError: The connection does not exist, or belongs to another tenant.
        """
        path = build_path("platform", "connections", connection_id, "usage")
        return await self._session.fetch(ConnectionUsage, "GET", path)
