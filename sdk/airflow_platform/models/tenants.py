"""Tenants: teams that share the platform."""

from typing import Any

from airflow_platform.models.base import Model, Moment


class Tenant(Model):
    """A team, its limits and its features."""

    tenant_id: str
    display_name: str | None = None
    namespace: str | None = None
    resource_limits: dict[str, Any] = {}
    features: dict[str, Any] = {}
    admin_users: list[str] = []
    metadata: dict[str, Any] = {}
    created_at: Moment | None = None
    updated_at: Moment | None = None
