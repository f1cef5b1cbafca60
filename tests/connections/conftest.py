"""A connection, and callers of one tenant."""

from collections.abc import Callable
from typing import Any

import pytest
from calls import client

URL = "/api/v1/platform/connections"


@pytest.fixture
def connection() -> dict[str, Any]:
    """Return the connection of the API reference."""
    return {
        "connection_id": "warehouse_prod",
        "connection_type": "postgres",
        "host": "warehouse.example.com",
        "port": 5432,
        "schema": "analytics",
        "login": "airflow_user",
        "password": "encrypted_password",
        "extra": {"sslmode": "require", "connect_timeout": 10},
    }


@pytest.fixture
def tenant_caller(app: Any, session: Any, user_id: Callable[[str], int], call: Callable[..., Any]) -> Any:
    """Create a tenant, and a caller that reaches only it.

    Example: ``tenant_caller("a", external_connections=True)``.
    """
    from airflow_platform_plugin.auth import service

    def make(tenant_id: str, scopes: list[str] | None = None, **features: bool) -> Callable[..., Any]:
        if call("GET", f"/api/v1/platform/tenants/{tenant_id}").status == 404:
            body = {"tenant_id": tenant_id, "features": features}
            assert call("POST", "/api/v1/platform/tenants", json=body).status == 201
        _, key = service.issue(
            session, name="t", user_id=user_id("admin"), tenant_id=tenant_id, scopes=scopes
        )
        return client(app, {"X-API-Key": key})

    return make
