"""``/api/v1/platform/tenants``."""

from http import HTTPStatus

from flask import Blueprint

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.principal import Access
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.http.endpoint import RequestContext, endpoint
from airflow_platform_plugin.tenants import service
from airflow_platform_plugin.tenants.inputs import TenantUsage
from airflow_platform_plugin.tenants.models import Tenant
from airflow_platform_plugin.tenants.schemas import (
    DeleteTenantQuery,
    TenantChange,
    TenantInput,
    TenantList,
    TenantQuery,
    TenantResponse,
    TenantUsageResponse,
)

blueprint = Blueprint("platform_tenants", __name__, url_prefix="/api/v1/platform/tenants")


@endpoint(
    blueprint,
    "POST",
    "",
    scope=service.WRITE,
    dags=DagPolicy.NOT_APPLICABLE,
    body=TenantInput,
    response=TenantResponse,
    status=HTTPStatus.CREATED,
)
def create_tenant(context: RequestContext) -> Tenant:
    """Create a tenant."""
    return service.create(context.session, context.body, by=context.principal)


@endpoint(
    blueprint,
    "GET",
    "",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    query=TenantQuery,
    response=TenantList,
)
def list_tenants(context: RequestContext) -> pagination.Page:
    """List tenants."""
    return service.page(context.session, context.query, by=context.principal)


@endpoint(
    blueprint,
    "GET",
    "/<tenant_id>",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    response=TenantResponse,
)
def get_tenant(context: RequestContext) -> Tenant:
    """Get a tenant."""
    return service.get(context.session, context.path["tenant_id"], by=context.principal)


@endpoint(
    blueprint,
    "GET",
    "/<tenant_id>/usage",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    response=TenantUsageResponse,
)
def get_tenant_usage(context: RequestContext) -> TenantUsage:
    """Get what a tenant owns, and how much of its limits is in use."""
    tenant = service.get(context.session, context.path["tenant_id"], by=context.principal)
    return service.get_usage(context.session, tenant)


@endpoint(
    blueprint,
    "PATCH",
    "/<tenant_id>",
    scope=service.WRITE,
    dags=DagPolicy.NOT_APPLICABLE,
    body=TenantChange,
    response=TenantResponse,
    extra_statuses=(HTTPStatus.PRECONDITION_FAILED,),
)
def update_tenant(context: RequestContext) -> Tenant:
    """Change a tenant; objects are merged key by key, and null removes a key."""
    tenant = service.get_writable(context.session, context.path["tenant_id"], by=context.principal)
    context.require_match(tenant)
    return service.update(context.session, tenant, context.body)


@endpoint(
    blueprint,
    "DELETE",
    "/<tenant_id>",
    scope=service.WRITE,
    dags=DagPolicy.NOT_APPLICABLE,
    query=DeleteTenantQuery,
    status=HTTPStatus.NO_CONTENT,
)
def delete_tenant(context: RequestContext) -> None:
    """Delete a tenant that owns nothing, or with cascade also everything that it owns."""
    tenant = service.get_writable(context.session, context.path["tenant_id"], by=context.principal)
    service.delete(context.session, tenant, cascade=context.query["cascade"])
