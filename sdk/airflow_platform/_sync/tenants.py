# Written by scripts/unasync from the file of this name in _async; change that one.
"""Tenants."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_platform._sync.pages import Page
from airflow_platform._sync.session import Resource
from airflow_platform._http import path
from airflow_platform.models import Tenant


class TenantPage(Page[Tenant]):
    """Some tenants."""

    collection: ClassVar = "tenants"
    tenants: list[Tenant]


class Tenants(Resource):
    """``client.tenants``."""

    def create(
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
        return self._session.fetch(Tenant, "POST", path("platform", "tenants"), json=body)

    def list(self, *, limit: int | None = None, offset: int | None = None) -> TenantPage:
        """The tenants."""
        params = {"limit": limit, "offset": offset}
        return self._session.list(TenantPage, path("platform", "tenants"), params)

    def get(self, tenant_id: str) -> Tenant:
        """One tenant."""
        return self._session.fetch(Tenant, "GET", path("platform", "tenants", tenant_id))
