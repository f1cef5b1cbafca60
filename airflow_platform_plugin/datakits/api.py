"""``/api/v1/datakits``: the registry."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.scopes import DagPolicy
from airflow_platform_plugin.datakits import manifest, service
from airflow_platform_plugin.datakits.manifest import Registration
from airflow_platform_plugin.datakits.models import DataKit
from airflow_platform_plugin.datakits.schemas import (
    DataKitAnswer,
    DataKitChange,
    DataKitList,
    DataKitQuery,
)
from airflow_platform_plugin.http import path_converters
from airflow_platform_plugin.http.endpoint import RequestContext, Result, endpoint
from airflow_platform_plugin.http.fields import PageQuery

blueprint = Blueprint("platform_datakits", __name__, url_prefix="/api/v1/datakits")
path_converters.exclude_reserved(blueprint, "kit", service.RESERVED)


@endpoint(
    blueprint,
    "POST",
    "",
    scope="datakits:write",
    tenanted=True,
    dags=DagPolicy.NONE,
    body=Registration,
    answer=DataKitAnswer,
    also=(HTTPStatus.CREATED,),
)
def register_datakit(call: RequestContext) -> Result:
    """Register a version of a DataKit."""
    kit, is_new = service.register(call.session, call.body, by=call.principal)
    return Result(kit, HTTPStatus.CREATED if is_new else HTTPStatus.OK)


@endpoint(
    blueprint,
    "GET",
    "",
    scope="datakits:read",
    tenanted=True,
    dags=DagPolicy.NONE,
    query=DataKitQuery,
    answer=DataKitList,
)
def list_datakits(call: RequestContext) -> pagination.Page:
    """List versions of DataKits."""
    return service.page(call.session, reach=call.principal.reach("datakits:read"), **call.query)


@endpoint(blueprint, "GET", "/schema", scope=None, dags=DagPolicy.NONE)
def get_datakit_schema(_: RequestContext) -> dict[str, Any]:
    """Get the JSON Schema of a manifest, as it is registered and as datakit.yaml has it."""
    return manifest.json_schema()


def _find(call: RequestContext) -> DataKit:
    return service.get(call.session, call.path["datakit_id"], reach=call.principal.reach("datakits:read"))


@endpoint(
    blueprint,
    "GET",
    "/<kit:datakit_id>",
    scope="datakits:read",
    tenanted=True,
    dags=DagPolicy.NONE,
    answer=DataKitAnswer,
)
def get_datakit(call: RequestContext) -> DataKit:
    """Get a DataKit by id, by name@version, or by name."""
    return _find(call)


@endpoint(
    blueprint,
    "GET",
    "/<kit:datakit_id>/versions",
    scope="datakits:read",
    tenanted=True,
    dags=DagPolicy.NONE,
    query=PageQuery,
    answer=DataKitList,
)
def list_datakit_versions(call: RequestContext) -> pagination.Page:
    """List the versions of a DataKit, the newest first."""
    reach = call.principal.reach("datakits:read")
    return service.versions(call.session, call.path["datakit_id"], reach=reach, **call.query)


@endpoint(
    blueprint,
    "PATCH",
    "/<kit:datakit_id>",
    scope="datakits:write",
    tenanted=True,
    dags=DagPolicy.NONE,
    body=DataKitChange,
    answer=DataKitAnswer,
    also=(HTTPStatus.PRECONDITION_FAILED,),
)
def update_datakit(call: RequestContext) -> DataKit:
    """Withdraw a version of a DataKit, so that nobody deploys it any more, or take that back."""
    kit = _find(call)
    service.require_owner(kit, call.principal)
    call.require_match(kit)
    service.withdraw(kit, **call.body)
    return kit


@endpoint(
    blueprint,
    "DELETE",
    "/<kit:datakit_id>",
    scope="datakits:write",
    tenanted=True,
    dags=DagPolicy.NONE,
    status=HTTPStatus.NO_CONTENT,
)
def delete_datakit(call: RequestContext) -> None:
    """Delete a version of a DataKit that no deployment runs."""
    kit = _find(call)
    service.require_owner(kit, call.principal)
    service.delete(call.session, kit)
