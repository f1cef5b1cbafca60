"""Tenants: teams that share the platform."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import Field

from airflow_platform._async.pages import AsyncPage
from airflow_platform._async.session import AsyncResource
from airflow_platform._http import UNSET, Unset, build_path
from airflow_platform._listing import AsyncListing
from airflow_platform.models import GroupRole, Tenant, TenantMember, TenantUsage
from airflow_platform.types import Json


class AsyncTenantPage(AsyncPage[Tenant]):
    """One page of tenants."""

    collection: ClassVar = "tenants"
    tenants: list[Tenant]


class AsyncTenantMemberPage(AsyncPage[TenantMember]):
    """One page of members of a tenant.

    Attributes:
        groups: Groups of the identity provider that give roles in the tenant at each login.
    """

    collection: ClassVar = "members"
    members: list[TenantMember]
    groups: list[GroupRole] = Field(default_factory=list)


class AsyncTenants(AsyncResource):
    """Tenants, as ``client.tenants``. Creating, changing and deleting them is for platform admins.

    The members of a tenant are changed by its admins too, unless the operator turns that off.
    """

    async def create(
        self,
        tenant_id: str,
        *,
        display_name: str | None = None,
        namespace: str | None = None,
        resource_limits: Mapping[str, str] | None = None,
        features: Mapping[str, bool] | None = None,
        admin_users: Sequence[str] | None = None,
        metadata: Mapping[str, str] | None = None,
        **more: Json,
    ) -> Tenant:
        """Create a tenant.

        Args:
            tenant_id: Id of the tenant: at most 50 lower-case letters, digits and hyphens. It never changes.
            display_name: Name for people; by default the id.
            namespace: Namespace of the tenant's deployments; by default the id. It never changes.
            resource_limits: Kubernetes quantities of ``cpu``, ``memory``, ``gpu`` and ``storage``, such as
                ``{"cpu": "4000m", "memory": "16Gi"}``; by default no limits.
            features: Features to turn on (true) or off (false): ``datakits``, ``gpu_support``,
                ``external_connections`` and ``custom_operators``.
            admin_users: User names or email addresses of the tenant's admins; by default none.
            metadata: Labels, such as ``{"cost_center": "CC-123"}``.
            more: Further fields of the API, such as
                ``rate_limits={"read": "5000/minute"}``.

        Raises:
            ConflictError: The tenant exists already, or another tenant has this namespace.
            PermissionDeniedError: You are not a platform admin.
            ValidationError: A value is invalid.

        Example:
            await client.tenants.create(
                "analytics-team",
                resource_limits={"cpu": "4000m", "memory": "16Gi"},
                admin_users=["alice@example.com"],
            )
        """
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
        return await self._session.fetch(Tenant, "POST", build_path("platform", "tenants"), json=body)

    def list(
        self,
        *,
        namespace: str | None = None,
        search: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> AsyncListing[AsyncTenantPage]:
        """List tenants.

        Args:
            namespace: Only the tenant with this namespace.
            search: Only tenants with this text in the id or name.
            order_by: Column to sort by, such as ``created_at``; with ``-`` in front in descending order.
            limit: Maximum number of tenants over all pages; by default all.
            offset: Number of tenants to skip; by default 0.

        Returns:
            The first page when awaited; ``async for`` iterates over the tenants of all pages.
        """
        params = {
            "namespace": namespace,
            "search": search,
            "order_by": order_by,
            "limit": limit,
            "offset": offset,
        }
        return self._session.list(AsyncTenantPage, build_path("platform", "tenants"), params)

    async def get(self, tenant_id: str) -> Tenant:
        """Return a tenant.

        Args:
            tenant_id: Id of the tenant.

        Raises:
            ResourceNotFoundError: The tenant does not exist, or you may not see it.
        """
        return await self._session.fetch(Tenant, "GET", build_path("platform", "tenants", tenant_id))

    async def update(
        self,
        tenant_id: str,
        *,
        display_name: str | Unset = UNSET,
        resource_limits: Mapping[str, str | None] | Unset = UNSET,
        features: Mapping[str, bool | None] | Unset = UNSET,
        admin_users: Sequence[str] | Unset = UNSET,
        metadata: Mapping[str, str | None] | Unset = UNSET,
        rate_limits: Mapping[str, str] | Unset | None = UNSET,
        **more: Json,
    ) -> Tenant:
        """Change a tenant. Arguments that you leave out stay unchanged.

        ``resource_limits``, ``features`` and ``metadata`` are merged key by key; None as a value removes a
        key.

        Args:
            tenant_id: Id of the tenant.
            display_name: New name for people.
            resource_limits: Limits to change, as Kubernetes quantities.
            features: Features to turn on (true) or off (false).
            admin_users: New list of admins, which replaces the old one.
            metadata: Labels to change.
            rate_limits: New rate limits by class of request, such as ``{"read": "5000/minute"}``; None
                removes them all.
            more: Further fields of the API.

        Raises:
            PermissionDeniedError: You are not a platform admin.
            ResourceNotFoundError: The tenant does not exist.
            ValidationError: A value is invalid.

        Example:
            await client.tenants.update("analytics-team", features={"gpu_support": True})
        """
        body = {
            "display_name": display_name,
            "resource_limits": resource_limits,
            "features": features,
            "admin_users": admin_users,
            "metadata": metadata,
            "rate_limits": rate_limits,
            **more,
        }
        path = build_path("platform", "tenants", tenant_id)
        return await self._session.fetch(Tenant, "PATCH", path, json=body, keep_none=True)

    async def delete(self, tenant_id: str, *, cascade: bool | None = None) -> None:
        """Delete a tenant.

        Args:
            tenant_id: Id of the tenant.
            cascade: Whether to delete what the tenant owns as well; by default false.

        Raises:
            ConflictError: The tenant still owns something. ``details["owned"]`` of the error names it.
            PermissionDeniedError: You are not a platform admin.
            ResourceNotFoundError: The tenant does not exist.
        """
        path = build_path("platform", "tenants", tenant_id)
        await self._session.request("DELETE", path, params={"cascade": cascade})

    async def usage(self, tenant_id: str) -> TenantUsage:
        """Return what a tenant owns, and how much of its limits its active deployments use.

        Args:
            tenant_id: Id of the tenant.

        Raises:
            ResourceNotFoundError: The tenant does not exist, or you may not see it.
        """
        path = build_path("platform", "tenants", tenant_id, "usage")
        return await self._session.fetch(TenantUsage, "GET", path)

    def members(
        self,
        tenant_id: str,
        *,
        role: str | None = None,
        search: str | None = None,
        order_by: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> AsyncListing[AsyncTenantMemberPage]:
        """List the members of a tenant.

        Args:
            tenant_id: Id of the tenant.
            role: Only members with this role: ``admin``, ``member`` or ``viewer``.
            search: Only members with this text in the user name.
            order_by: ``username``, or ``-username`` for descending order.
            limit: Maximum number of members over all pages; by default all.
            offset: Number of members to skip; by default 0.

        Returns:
            The first page when awaited; ``async for`` iterates over the members of all pages.

        Raises:
            ResourceNotFoundError: The tenant does not exist, or you may not see it.
        """
        params = {
            "role": role,
            "search": search,
            "order_by": order_by,
            "limit": limit,
            "offset": offset,
        }
        path = build_path("platform", "tenants", tenant_id, "members")
        return self._session.list(AsyncTenantMemberPage, path, params)

    async def set_member(self, tenant_id: str, username: str, role: str) -> TenantMember:
        """Give a user a role in a tenant, in place of any other role there.

        Args:
            tenant_id: Id of the tenant.
            username: Name of the Airflow user, who must exist.
            role: ``admin``, ``member`` or ``viewer``.

        Raises:
            ConflictError: The user's next login would undo it.
            PermissionDeniedError: You may not change the members of this tenant.
            ResourceNotFoundError: The tenant or the user does not exist.

        Example:
            await client.tenants.set_member("analytics-team", "alice", "member")
        """
        path = build_path("platform", "tenants", tenant_id, "members", username)
        return await self._session.fetch(TenantMember, "PUT", path, json={"role": role})

    async def remove_member(self, tenant_id: str, username: str) -> None:
        """Remove a user from a tenant.

        Args:
            tenant_id: Id of the tenant.
            username: Name of the Airflow user.

        Raises:
            ConflictError: A group of the identity provider gives the role at each login.
            PermissionDeniedError: You may not change the members of this tenant.
            ResourceNotFoundError: The tenant does not exist, or the user is not a member.
        """
        path = build_path("platform", "tenants", tenant_id, "members", username)
        await self._session.request("DELETE", path)
