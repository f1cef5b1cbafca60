"""API keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from airflow_platform._async.pages import AsyncPage
from airflow_platform._async.session import AsyncResource
from airflow_platform._http import UNSET, Unset, path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import ApiKey


class AsyncApiKeyPage(AsyncPage[ApiKey]):
    """Some API keys."""

    collection: ClassVar = "api_keys"
    api_keys: list[ApiKey]


class AsyncApiKeys(AsyncResource):
    """``client.api_keys``: one's own, and others' with the permission."""

    async def create(
        self,
        name: str,
        *,
        owner: str | None = None,
        scopes: Sequence[str] | None = None,
        allowed_dags: Mapping[str, Sequence[str]] | None = None,
        allowed_networks: Sequence[str] | None = None,
        expires_at: datetime | None = None,
        tenant_id: str | None = None,
    ) -> ApiKey:
        """Make a key; the answer alone holds its text, as ``key``.

        Args:
            name: What to call it.
            owner: As whom it acts; by default the caller.
            scopes: Such as ``["dags:read"]``; by default all that the caller may.
            allowed_dags: ``{"dag_ids": ["sales_*"], "tags": ["sales"]}``; by default every DAG.
            allowed_networks: Such as ``["10.0.0.0/8"]``; by default it is good from everywhere.
            expires_at: When it ends, with a zone; by default when the key or token of this client does.
            tenant_id: For which tenant it is.
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
        return await self._session.fetch(ApiKey, "POST", path("platform", "api-keys"), json=body)

    def list(
        self,
        *,
        owner: str | None = None,
        tenant_id: str | None = None,
        revoked: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> AsyncListing[AsyncApiKeyPage]:
        """The keys, the newest first; revoked ones are among them if asked for."""
        params = {
            "owner": owner,
            "tenant_id": tenant_id,
            "revoked": revoked,
            "limit": limit,
            "offset": offset,
        }
        return self._session.list(AsyncApiKeyPage, path("platform", "api-keys"), params)

    async def get(self, key_id: str) -> ApiKey:
        """One key, without its text."""
        return await self._session.fetch(ApiKey, "GET", path("platform", "api-keys", key_id))

    async def update(
        self,
        key_id: str,
        *,
        name: str | Unset = UNSET,
        scopes: Sequence[str] | Unset | None = UNSET,
        allowed_dags: Mapping[str, Sequence[str]] | Unset | None = UNSET,
        allowed_networks: Sequence[str] | Unset | None = UNSET,
        expires_at: datetime | Unset | None = UNSET,
        tenant_id: str | Unset | None = UNSET,
    ) -> ApiKey:
        """Change a key; None removes a limit, and what is not given stays as it is."""
        body = {
            "name": name,
            "scopes": scopes,
            "allowed_dags": allowed_dags,
            "allowed_networks": allowed_networks,
            "expires_at": expires_at,
            "tenant_id": tenant_id,
        }
        url = path("platform", "api-keys", key_id)
        return await self._session.fetch(ApiKey, "PATCH", url, json=body, nulls=True)

    async def rotate(self, key_id: str, *, overlap_seconds: int = 3600) -> ApiKey:
        """Give a key a new text, which the answer alone holds; the old one works on for a while."""
        body = {"overlap_seconds": overlap_seconds}
        url = path("platform", "api-keys", key_id, "rotate")
        return await self._session.fetch(ApiKey, "POST", url, json=body)

    async def revoke(self, key_id: str) -> None:
        """End a key at once and for good."""
        await self._session.request("DELETE", path("platform", "api-keys", key_id))
