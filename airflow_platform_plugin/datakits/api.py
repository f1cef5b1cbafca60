"""``/api/v1/datakits``: the registry."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.principal import Access
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.datakits import manifest, service
from airflow_platform_plugin.datakits.manifest import Registration
from airflow_platform_plugin.datakits.models import DataKit
from airflow_platform_plugin.datakits.schemas import DataKitChange, DataKitList, DataKitQuery, DataKitResponse
from airflow_platform_plugin.http import path_converters
from airflow_platform_plugin.http.endpoint import RequestContext, Result, endpoint
from airflow_platform_plugin.http.schemas import PageQuery

blueprint = Blueprint("platform_datakits", __name__, url_prefix="/api/v1/datakits")
path_converters.exclude_reserved(blueprint, "kit", service.RESERVED)


@endpoint(
    blueprint,
    "POST",
    "",
    scope="datakits:write",
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    body=Registration,
    response=DataKitResponse,
    extra_statuses=(HTTPStatus.CREATED,),
)
def register_datakit(context: RequestContext) -> Result:
    """Register a version of a DataKit."""
    kit, is_new = service.register(context.session, context.body, by=context.principal)
    return Result(kit, HTTPStatus.CREATED if is_new else HTTPStatus.OK)


@endpoint(
    blueprint,
    "GET",
    "",
    scope="datakits:read",
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    query=DataKitQuery,
    response=DataKitList,
)
def list_datakits(context: RequestContext) -> pagination.Page:
    """List versions of DataKits."""
    return service.page(context.session, reach=context.principal.reach("datakits:read"), **context.query)


@endpoint(blueprint, "GET", "/schema", scope=None, dags=DagPolicy.NOT_APPLICABLE)
def get_datakit_schema(_: RequestContext) -> dict[str, Any]:
    """Get the JSON Schema of a manifest, as it is registered and as datakit.yaml has it."""
    return manifest.json_schema()


def _find(context: RequestContext) -> DataKit:
    return service.get(
        context.session, context.path["datakit_id"], reach=context.principal.reach("datakits:read")
    )


@endpoint(
    blueprint,
    "GET",
    "/<kit:datakit_id>",
    scope="datakits:read",
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    response=DataKitResponse,
)
def get_datakit(context: RequestContext) -> DataKit:
    """Get a DataKit by id, by name@version, or by name."""
    return _find(context)


@endpoint(
    blueprint,
    "GET",
    "/<kit:datakit_id>/versions",
    scope="datakits:read",
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    query=PageQuery,
    response=DataKitList,
)
def list_datakit_versions(context: RequestContext) -> pagination.Page:
    """List the versions of a DataKit, the newest first."""
    reach = context.principal.reach("datakits:read")
    return service.versions(context.session, context.path["datakit_id"], reach=reach, query=context.query)


@endpoint(
    blueprint,
    "PATCH",
    "/<kit:datakit_id>",
    scope="datakits:write",
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    body=DataKitChange,
    response=DataKitResponse,
    extra_statuses=(HTTPStatus.PRECONDITION_FAILED,),
)
def update_datakit(context: RequestContext) -> DataKit:
    """Withdraw a version of a DataKit, so that nobody deploys it any more, or take that back."""
    kit = _find(context)
    service.require_owner(kit, context.principal)
    context.require_match(kit)
    service.withdraw(kit, **context.body)
    return kit


@endpoint(
    blueprint,
    "DELETE",
    "/<kit:datakit_id>",
    scope="datakits:write",
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    status=HTTPStatus.NO_CONTENT,
)
def delete_datakit(context: RequestContext) -> None:
    """Delete a version of a DataKit that no deployment runs."""
    kit = _find(context)
    service.require_owner(kit, context.principal)
    service.delete(context.session, kit)
