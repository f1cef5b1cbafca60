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
    scope=service.WRITE,
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
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    query=DataKitQuery,
    response=DataKitList,
)
def list_datakits(context: RequestContext) -> pagination.Page:
    """List versions of DataKits."""
    return service.page(context.session, context.query, by=context.principal)


@endpoint(blueprint, "GET", "/schema", scope=None, dags=DagPolicy.NOT_APPLICABLE)
def get_datakit_schema(_: RequestContext) -> dict[str, Any]:
    """Get the JSON Schema of a manifest: of a registration, and of datakit.yaml."""
    return manifest.json_schema()


@endpoint(
    blueprint,
    "GET",
    "/<kit:datakit_id>",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    response=DataKitResponse,
)
def get_datakit(context: RequestContext) -> DataKit:
    """Get a DataKit by id, by name@version, or by name."""
    return service.get(context.session, context.path["datakit_id"], by=context.principal)


@endpoint(
    blueprint,
    "GET",
    "/<kit:datakit_id>/versions",
    scope=service.READ,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    query=PageQuery,
    response=DataKitList,
)
def list_datakit_versions(context: RequestContext) -> pagination.Page:
    """List the versions of a DataKit, the newest first."""
    return service.page_versions(
        context.session, context.path["datakit_id"], context.query, by=context.principal
    )


@endpoint(
    blueprint,
    "PATCH",
    "/<kit:datakit_id>",
    scope=service.WRITE,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    body=DataKitChange,
    response=DataKitResponse,
    extra_statuses=(HTTPStatus.PRECONDITION_FAILED,),
)
def update_datakit(context: RequestContext) -> DataKit:
    """Withdraw a version of a DataKit, so that it can no longer be deployed, or undo that."""
    kit = service.get_writable(context.session, context.path["datakit_id"], by=context.principal)
    context.require_match(kit)
    return service.update(context.session, kit, context.body)


@endpoint(
    blueprint,
    "DELETE",
    "/<kit:datakit_id>",
    scope=service.WRITE,
    access=Access.TENANT,
    dags=DagPolicy.NOT_APPLICABLE,
    status=HTTPStatus.NO_CONTENT,
)
def delete_datakit(context: RequestContext) -> None:
    """Delete a version of a DataKit that no deployment runs."""
    kit = service.get_writable(context.session, context.path["datakit_id"], by=context.principal)
    service.delete(context.session, kit)
