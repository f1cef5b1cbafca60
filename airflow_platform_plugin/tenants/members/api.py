"""``/api/v1/platform/tenants/{tenant_id}/members``."""

from http import HTTPStatus

from flask import Blueprint

from airflow_platform_plugin.core.naming import TenantRole
from airflow_platform_plugin.core.principal import Access
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.http import path_converters
from airflow_platform_plugin.http.endpoint import RequestContext, Result, endpoint
from airflow_platform_plugin.tenants.members import service
from airflow_platform_plugin.tenants.members.inputs import Member, MemberPage
from airflow_platform_plugin.tenants.members.schemas import (
    MemberInput,
    MemberList,
    MemberQuery,
    MemberResponse,
)

blueprint = Blueprint(
    "platform_tenant_members", __name__, url_prefix="/api/v1/platform/tenants/<tenant_id>/members"
)
path_converters.allow_slashes(blueprint, "user_name")


@endpoint(
    blueprint,
    "GET",
    "",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    query=MemberQuery,
    response=MemberList,
)
def list_tenant_members(context: RequestContext) -> MemberPage:
    """List the members of a tenant."""
    return service.page(context.session, context.path["tenant_id"], context.query, by=context.principal)


@endpoint(
    blueprint,
    "GET",
    "/<user_name:username>",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    response=MemberResponse,
)
def get_tenant_member(context: RequestContext) -> Member:
    """Get a member of a tenant."""
    return service.get(context.session, **context.path, by=context.principal)


@endpoint(
    blueprint,
    "PUT",
    "/<user_name:username>",
    scope=service.WRITE,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    body=MemberInput,
    response=MemberResponse,
    extra_statuses=(HTTPStatus.CREATED,),
)
def set_tenant_member(context: RequestContext) -> Result:
    """Give a user one role in a tenant, in place of any other role there."""
    role = TenantRole(context.body["role"])
    member, is_new = service.assign(context.session, **context.path, role=role, by=context.principal)
    return Result(member, HTTPStatus.CREATED if is_new else HTTPStatus.OK)


@endpoint(
    blueprint,
    "DELETE",
    "/<user_name:username>",
    scope=service.WRITE,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    status=HTTPStatus.NO_CONTENT,
)
def remove_tenant_member(context: RequestContext) -> None:
    """Remove a user from a tenant."""
    service.remove(context.session, **context.path, by=context.principal)
