"""What the service of tenants takes."""

from dataclasses import dataclass, field
from typing import TypedDict

from airflow_platform_plugin.core import pagination


@dataclass(frozen=True, kw_only=True)
class NewTenant:
    """A tenant to create.

    Attributes:
        tenant_id: the id, which never changes.
        display_name: for people; the id if None.
        namespace: where its DataKits are deployed; the id if None.
        resource_limits: Kubernetes quantities by name: ``{"cpu": "4000m", "memory": "16Gi"}``.
        features: features that are turned on or off, by name; others have the defaults of
            ``TENANT_FEATURES``.
        admin_users: user names and mail addresses of its administrators.
        metadata: the platform admin's own labels, by name.
        rate_limits: limits such as ``100/minute`` by class of request; the settings' limits if None.
    """

    tenant_id: str
    display_name: str | None = None
    namespace: str | None = None
    resource_limits: dict[str, str] = field(default_factory=dict)
    features: dict[str, bool] = field(default_factory=dict)
    admin_users: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    rate_limits: dict[str, str] | None = None


class TenantChanges(TypedDict, total=False):
    """What to change of a tenant. Its fields are some of ``NewTenant``'s: id and namespace never change.

    Objects are merged key by key. A key with the value None is removed.
    """

    display_name: str
    resource_limits: dict[str, str | None]
    features: dict[str, bool | None]
    admin_users: list[str]
    metadata: dict[str, str | None]
    rate_limits: dict[str, str] | None


@dataclass(frozen=True, kw_only=True)
class TenantFilter(pagination.Query):
    """Which tenants to list.

    Attributes:
        namespace: the namespace that the tenant owns; any if None.
        search: text in the id or the display name, in any case; any if None.
    """

    namespace: str | None = None
    search: str | None = None


@dataclass(frozen=True)
class TenantUsage:
    """What a tenant owns and uses.

    Attributes:
        tenant_id: the tenant.
        resource_limits: its limits, as Kubernetes quantities by name.
        used: what its active deployments need in all, as Kubernetes quantities by name.
        left: for each limit, what is not used.
        owned: how many things of each kind it owns: ``{"webhooks": 2}``.
    """

    tenant_id: str
    resource_limits: dict[str, str]
    used: dict[str, str]
    left: dict[str, str]
    owned: dict[str, int]
