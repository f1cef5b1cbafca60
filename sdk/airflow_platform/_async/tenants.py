"""Tenants."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_platform._async.pages import AsyncPage
from airflow_platform._async.session import AsyncResource
from airflow_platform._http import path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import Tenant


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

    def list(self, *, limit: int | None = None, offset: int | None = None) -> AsyncListing[AsyncTenantPage]:
        """The tenants."""
        params = {"limit": limit, "offset": offset}
        return self._session.list(AsyncTenantPage, path("platform", "tenants"), params)

    async def get(self, tenant_id: str) -> Tenant:
        """One tenant."""
        return await self._session.fetch(Tenant, "GET", path("platform", "tenants", tenant_id))
