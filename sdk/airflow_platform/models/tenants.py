"""Tenants: teams that share the platform."""

from typing import Any

from airflow_platform.models.base import Model, Timestamp


class Tenant(Model):
    """A tenant with its limits and features.

    Attributes:
        tenant_id: Id of the tenant.
        display_name: Name for people.
        namespace: Namespace of the tenant's deployments.
        resource_limits: Kubernetes quantities of ``cpu``, ``memory``, ``gpu`` and ``storage``.
        features: Features that are turned on (true) or off (false), by name.
        admin_users: User names or email addresses of the tenant's admins.
        metadata: Labels, by name.
        rate_limits: Rate limits by class of request, such as ``{"read": "5000/minute"}``; None for the
            platform's limits.
        created_at: When the tenant was created.
        updated_at: When the tenant was last changed.
    """

    tenant_id: str
    display_name: str | None = None
    namespace: str | None = None
    resource_limits: dict[str, Any] = {}
    features: dict[str, Any] = {}
    admin_users: list[str] = []
    metadata: dict[str, Any] = {}
    rate_limits: dict[str, Any] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class TenantUsage(Model):
    """What a tenant owns, and what its active deployments need of its limits.

    Attributes:
        tenant_id: Id of the tenant.
        resource_limits: The limits, as Kubernetes quantities by resource.
        used: What the active deployments need, in the same form.
        left: What is left of the limits, in the same form.
        owned: Number of resources that the tenant owns, by kind, such as ``connections``.
    """

    tenant_id: str
    resource_limits: dict[str, Any] = {}
    used: dict[str, Any] = {}
    left: dict[str, Any] = {}
    owned: dict[str, int] = {}


class GroupRole(Model):
    """A group of the identity provider that gives a role in a tenant at each login.

    Attributes:
        group: Name of the group in Airflow's ``AUTH_ROLES_MAPPING``.
        role: Role that its users get: ``admin``, ``member`` or ``viewer``.
    """

    group: str
    role: str


class TenantMember(Model):
    """A user who belongs to a tenant.

    Attributes:
        username: Name of the Airflow user.
        role: Strongest role of the user in the tenant: ``admin``, ``member`` or ``viewer``.
        source: Where the role comes from: ``admin_users`` of the tenant, a ``group`` of the identity
            provider, or ``assigned`` by the API or in Airflow.
        editable: Whether the API may change or remove the member; false if a group gives the role.
    """

    username: str
    role: str
    source: str | None = None
    editable: bool = True
