"""``/api/v1/platform/tenants``."""

from http import HTTPStatus

from flask import Blueprint

from airflow_platform_plugin import paging
from airflow_platform_plugin.endpoint import Call, endpoint
from airflow_platform_plugin.scopes import Dags
from airflow_platform_plugin.tenants import service
from airflow_platform_plugin.tenants.models import Tenant
from airflow_platform_plugin.tenants.schemas import TenantAnswer, TenantInput, TenantList, TenantQuery

blueprint = Blueprint("platform_tenants", __name__, url_prefix="/api/v1/platform/tenants")


@endpoint(
    blueprint,
    "POST",
    "",
    scope="tenants:write",
    dags=Dags.NONE,
    body=TenantInput,
    answer=TenantAnswer,
    status=HTTPStatus.CREATED,
)
def create_tenant(call: Call) -> Tenant:
    """Create a tenant."""
    return service.create(call.session, call.body)


@endpoint(blueprint, "GET", "", scope="tenants:read", dags=Dags.NONE, query=TenantQuery, answer=TenantList)
def list_tenants(call: Call) -> paging.Page:
    """List tenants."""
    return service.page(call.session, **call.query)


@endpoint(blueprint, "GET", "/<tenant_id>", scope="tenants:read", dags=Dags.NONE, answer=TenantAnswer)
def get_tenant(call: Call) -> Tenant:
    """Get a tenant."""
    return service.get(call.session, call.path["tenant_id"])
