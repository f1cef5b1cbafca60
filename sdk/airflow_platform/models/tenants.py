"""Tenants: teams that share the platform."""

from typing import Any

from airflow_platform.models.base import Model, Timestamp


class Tenant(Model):
    """A team, its limits and its features."""

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
    """What a tenant owns, and what of its limits its active deployments need, as quantities."""

    tenant_id: str
    resource_limits: dict[str, Any] = {}
    used: dict[str, Any] = {}
    left: dict[str, Any] = {}
    owned: dict[str, int] = {}
