"""``/api/v1/platform/tenants``."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.http.endpoint import RequestContext, endpoint
from airflow_platform_plugin.tenants import service
from airflow_platform_plugin.tenants.models import Tenant
from airflow_platform_plugin.tenants.schemas import (
    DeleteTenantQuery,
    TenantAnswer,
    TenantChange,
    TenantInput,
    TenantList,
    TenantQuery,
    TenantUsageAnswer,
)

blueprint = Blueprint("platform_tenants", __name__, url_prefix="/api/v1/platform/tenants")


@endpoint(
    blueprint,
    "POST",
    "",
    scope="tenants:write",
    dags=DagPolicy.NONE,
    body=TenantInput,
    answer=TenantAnswer,
    status=HTTPStatus.CREATED,
)
def create_tenant(call: RequestContext) -> Tenant:
    """Create a tenant."""
    return service.create(call.session, call.body)


@endpoint(
    blueprint,
    "GET",
    "",
    scope="tenants:read",
    tenanted=True,
    dags=DagPolicy.NONE,
    query=TenantQuery,
    answer=TenantList,
)
def list_tenants(call: RequestContext) -> pagination.Page:
    """List tenants."""
    return service.page(call.session, call.query, reach=call.principal.reach("tenants:read"))


@endpoint(
    blueprint,
    "GET",
    "/<tenant_id>",
    scope="tenants:read",
    tenanted=True,
    dags=DagPolicy.NONE,
    answer=TenantAnswer,
)
def get_tenant(call: RequestContext) -> Tenant:
    """Get a tenant."""
    return service.get(call.session, call.path["tenant_id"], reach=call.principal.reach("tenants:read"))


@endpoint(
    blueprint,
    "GET",
    "/<tenant_id>/usage",
    scope="tenants:read",
    tenanted=True,
    dags=DagPolicy.NONE,
    answer=TenantUsageAnswer,
)
def get_tenant_usage(call: RequestContext) -> dict[str, Any]:
    """Get what a tenant owns, and what of its limits that needs."""
    reach = call.principal.reach("tenants:read")
    return service.usage(call.session, service.get(call.session, call.path["tenant_id"], reach=reach))


@endpoint(
    blueprint,
    "PATCH",
    "/<tenant_id>",
    scope="tenants:write",
    dags=DagPolicy.NONE,
    body=TenantChange,
    answer=TenantAnswer,
    also=(HTTPStatus.PRECONDITION_FAILED,),
)
def update_tenant(call: RequestContext) -> Tenant:
    """Change a tenant; objects are merged key by key, and null removes a key."""
    tenant = service.get(call.session, call.path["tenant_id"])
    call.require_match(tenant)
    service.change(call.session, tenant, call.body)
    return tenant


@endpoint(
    blueprint,
    "DELETE",
    "/<tenant_id>",
    scope="tenants:write",
    dags=DagPolicy.NONE,
    query=DeleteTenantQuery,
    status=HTTPStatus.NO_CONTENT,
)
def delete_tenant(call: RequestContext) -> None:
    """Delete a tenant that owns nothing, or with cascade all that it owns."""
    service.delete(call.session, call.path["tenant_id"], cascade=call.query["cascade"])
