"""Tenants."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_platform._async.pages import AsyncPage
from airflow_platform._async.session import AsyncResource
from airflow_platform._http import UNSET, Unset, path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import Tenant, TenantUsage


class AsyncTenantPage(AsyncPage[Tenant]):
    """Some tenants."""

    collection: ClassVar = "tenants"
    tenants: list[Tenant]


class AsyncTenants(AsyncResource):
    """``client.tenants``."""

    async def create(
        self,
        tenant_id: str,
        *,
        display_name: str | None = None,
        namespace: str | None = None,
        resource_limits: Mapping[str, Any] | None = None,
        features: Mapping[str, bool] | None = None,
        admin_users: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        **more: Any,  # noqa: ANN401 - whatever else the platform's tenants hold
    ) -> Tenant:
        """Create a tenant."""
        body = {
            "tenant_id": tenant_id,
            "display_name": display_name,
            "namespace": namespace,
            "resource_limits": resource_limits,
            "features": features,
            "admin_users": admin_users,
            "metadata": metadata,
            **more,
        }
        return await self._session.fetch(Tenant, "POST", path("platform", "tenants"), json=body)

    def list(
        self,
        *,
        namespace: str | None = None,
        search: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> AsyncListing[AsyncTenantPage]:
        """The tenants; ``search`` looks into ids and names."""
        params = {
            "namespace": namespace,
            "search": search,
            "order_by": order_by,
            "limit": limit,
            "offset": offset,
        }
        return self._session.list(AsyncTenantPage, path("platform", "tenants"), params)

    async def get(self, tenant_id: str) -> Tenant:
        """One tenant."""
        return await self._session.fetch(Tenant, "GET", path("platform", "tenants", tenant_id))

    async def update(
        self,
        tenant_id: str,
        *,
        display_name: str | Unset = UNSET,
        resource_limits: Mapping[str, Any] | Unset = UNSET,
        features: Mapping[str, bool | None] | Unset = UNSET,
        admin_users: Sequence[str] | Unset = UNSET,
        metadata: Mapping[str, Any] | Unset = UNSET,
        rate_limits: Mapping[str, Any] | Unset | None = UNSET,
        **more: Any,  # noqa: ANN401 - whatever else the platform's tenants hold
    ) -> Tenant:
        """Change a tenant: objects are merged key by key, and None removes a key of one."""
        body = {
            "display_name": display_name,
            "resource_limits": resource_limits,
            "features": features,
            "admin_users": admin_users,
            "metadata": metadata,
            "rate_limits": rate_limits,
            **more,
        }
        url = path("platform", "tenants", tenant_id)
        return await self._session.fetch(Tenant, "PATCH", url, json=body, nulls=True)

    async def delete(self, tenant_id: str, *, cascade: bool | None = None) -> None:
        """Delete a tenant; one that owns something with ``cascade`` alone, and all of that with it."""
        url = path("platform", "tenants", tenant_id)
        await self._session.request("DELETE", url, params={"cascade": cascade})

    async def usage(self, tenant_id: str) -> TenantUsage:
        """What a tenant owns, and what of its limits that needs."""
        return await self._session.fetch(TenantUsage, "GET", path("platform", "tenants", tenant_id, "usage"))
