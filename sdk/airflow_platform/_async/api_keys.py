"""API keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from airflow_platform._async.pages import AsyncPage
from airflow_platform._async.session import AsyncResource
from airflow_platform._http import UNSET, Unset, build_path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import ApiKey
from airflow_platform.types import AllowedDags


class AsyncApiKeyPage(AsyncPage[ApiKey]):
    """One page of API keys."""

    collection: ClassVar = "api_keys"
    api_keys: list[ApiKey]


class AsyncApiKeys(AsyncResource):
    """API keys, as ``client.api_keys``. Other users' keys need the scope ``api_keys:read`` or ``:write``."""

    async def create(
        self,
        name: str,
        *,
        owner: str | None = None,
        scopes: Sequence[str] | None = None,
        allowed_dags: AllowedDags | None = None,
        allowed_networks: Sequence[str] | None = None,
        expires_at: datetime | None = None,
        tenant_id: str | None = None,
    ) -> ApiKey:
        """Create an API key.

        Args:
            name: Name of the key, to recognize it by.
            owner: User that the key acts as; by default you.
            scopes: Scopes such as ``["dags:read"]``; by default everything that the owner may do.
            allowed_dags: DAGs that the key is limited to, such as
                ``{"dag_ids": ["sales_*"], "tags": ["sales"]}``; by default all DAGs.
            allowed_networks: Networks that the key works from, in CIDR notation such as
                ``["10.0.0.0/8"]``; by default all networks.
            expires_at: When the key expires, with a time zone; by default when this client's own key or
                token expires.
            tenant_id: Tenant that the key is limited to; by default none.

        Returns:
            The new key. Only this response contains its secret text, in ``key``.

        Raises:
            ConflictError: The owner has as many keys as the platform allows.
            PermissionDeniedError: You may not create keys for this owner or tenant, or the key would have
                more rights than this client's own credentials.
            ValidationError: A value is invalid.

        Example:
            key = await client.api_keys.create("ci", scopes=["dag_runs:write"])
            print(key.key)
        """
        body = {
            "name": name,
            "owner": owner,
            "scopes": scopes,
            "allowed_dags": allowed_dags,
            "allowed_networks": allowed_networks,
            "expires_at": expires_at,
            "tenant_id": tenant_id,
        }
        return await self._session.fetch(ApiKey, "POST", build_path("platform", "api-keys"), json=body)

    def list(
        self,
        *,
        owner: str | None = None,
        tenant_id: str | None = None,
        revoked: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> AsyncListing[AsyncApiKeyPage]:
        """List API keys, the newest first.

        Args:
            owner: Only keys of this user.
            tenant_id: Only keys of this tenant.
            revoked: Whether to include revoked keys; by default false.
            limit: Maximum number of keys over all pages; by default all.
            offset: Number of keys to skip; by default 0.

        Returns:
            The first page when awaited; ``async for`` iterates over the keys of all pages.
        """
        params = {
            "owner": owner,
            "tenant_id": tenant_id,
            "revoked": revoked,
            "limit": limit,
            "offset": offset,
        }
        return self._session.list(AsyncApiKeyPage, build_path("platform", "api-keys"), params)

    async def get(self, key_id: str) -> ApiKey:
        """Return an API key, without its secret text.

        Args:
            key_id: Id of the key.

        Raises:
            ResourceNotFoundError: The key does not exist, or you may not see it.
        """
        return await self._session.fetch(ApiKey, "GET", build_path("platform", "api-keys", key_id))

    async def update(
        self,
        key_id: str,
        *,
        name: str | Unset = UNSET,
        scopes: Sequence[str] | Unset | None = UNSET,
        allowed_dags: AllowedDags | Unset | None = UNSET,
        allowed_networks: Sequence[str] | Unset | None = UNSET,
        expires_at: datetime | Unset | None = UNSET,
        tenant_id: str | Unset | None = UNSET,
    ) -> ApiKey:
        """Change an API key. Arguments that you leave out stay unchanged; None removes a limit.

        Args:
            key_id: Id of the key.
            name: New name.
            scopes: New scopes; None allows everything that the owner may do.
            allowed_dags: New limit to DAGs; None allows all DAGs.
            allowed_networks: New networks in CIDR notation; None allows all networks.
            expires_at: New time of expiry, with a time zone; None for never.
            tenant_id: New tenant that the key is limited to; None for no limit.

        Raises:
            PermissionDeniedError: The key would have more rights than this client's own credentials.
            ResourceNotFoundError: The key does not exist, or you may not see it.
            ValidationError: A value is invalid.
        """
        body = {
            "name": name,
            "scopes": scopes,
            "allowed_dags": allowed_dags,
            "allowed_networks": allowed_networks,
            "expires_at": expires_at,
            "tenant_id": tenant_id,
        }
        path = build_path("platform", "api-keys", key_id)
        return await self._session.fetch(ApiKey, "PATCH", path, json=body, keep_none=True)

    async def rotate(self, key_id: str, *, overlap_seconds: int = 3600) -> ApiKey:
        """Replace the secret text of an API key.

        Args:
            key_id: Id of the key.
            overlap_seconds: Seconds that the old text still works; at most 30 days, by default an hour.

        Returns:
            The key. Only this response contains its new secret text, in ``key``.

        Raises:
            ConflictError: The key is revoked.
            ResourceNotFoundError: The key does not exist, or you may not see it.
        """
        body = {"overlap_seconds": overlap_seconds}
        path = build_path("platform", "api-keys", key_id, "rotate")
        return await self._session.fetch(ApiKey, "POST", path, json=body)

    async def revoke(self, key_id: str) -> None:
        """Revoke an API key, at once and permanently.

        Args:
            key_id: Id of the key.

        Raises:
            ResourceNotFoundError: The key does not exist, or you may not see it.
        """
        await self._session.request("DELETE", build_path("platform", "api-keys", key_id))
