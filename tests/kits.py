"""Fixtures for kits: callers of several tenants, and deployments of the reference's kit."""

from collections.abc import Callable
from typing import Any

import pytest
from calls import client

URL = "/api/v1/datakits"


@pytest.fixture
def as_tenant(
    app: Any, session: Any, call: Callable[..., Any], user_id: Callable[[str], int]
) -> Callable[[str], Callable[..., Any]]:
    """Return a caller for a tenant, which is created if needed: ``as_tenant("blue")("GET", "/api/v1/…")``."""
    from airflow_platform_plugin.auth import service

    def requests(tenant_id: str) -> Callable[..., Any]:
        call(
            "POST",
            "/api/v1/platform/tenants",
            json={"tenant_id": tenant_id, "features": {"custom_operators": True}},
        )
        _, key = service.issue(session, name="t", user_id=user_id("admin"), tenant_id=tenant_id)
        return client(app, {"X-API-Key": key})

    return requests


@pytest.fixture
def deploy(
    call: Callable[..., Any], tenant: dict[str, Any], manifest: dict[str, Any], deployment: dict[str, Any]
) -> Callable[..., Any]:
    """Return a function that deploys the reference's kit for its tenant, with changes to the request."""
    call("POST", "/api/v1/platform/tenants", json=tenant)
    call("POST", URL, json=manifest)

    def request(kit: str = manifest["name"], **change: Any) -> Any:
        return call("POST", f"{URL}/{kit}/deploy", json=deployment | change)

    return request
