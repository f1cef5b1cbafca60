"""``/api/v1/datakits``: the registry."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint

from airflow_platform_plugin import paging, routes
from airflow_platform_plugin.datakits import manifest, registry
from airflow_platform_plugin.datakits.manifest import Registration
from airflow_platform_plugin.datakits.models import DataKit
from airflow_platform_plugin.datakits.schemas import (
    DataKitAnswer,
    DataKitChange,
    DataKitList,
    DataKitQuery,
)
from airflow_platform_plugin.endpoint import Answer, Call, endpoint
from airflow_platform_plugin.fields import PageQuery
from airflow_platform_plugin.scopes import Dags

blueprint = Blueprint("platform_datakits", __name__, url_prefix="/api/v1/datakits")
routes.reserve(blueprint, "kit", registry.RESERVED)


@endpoint(
    blueprint,
    "POST",
    "",
    scope="datakits:write",
    tenanted=True,
    dags=Dags.NONE,
    body=Registration,
    answer=DataKitAnswer,
    also=(HTTPStatus.CREATED,),
)
def register_datakit(call: Call) -> Answer:
    """Register a version of a DataKit."""
    kit, is_new = registry.register(call.session, call.body, by=call.principal)
    return Answer(kit, HTTPStatus.CREATED if is_new else HTTPStatus.OK)


@endpoint(
    blueprint,
    "GET",
    "",
    scope="datakits:read",
    tenanted=True,
    dags=Dags.NONE,
    query=DataKitQuery,
    answer=DataKitList,
)
def list_datakits(call: Call) -> paging.Page:
    """List versions of DataKits."""
    return registry.page(call.session, reach=call.principal.reach("datakits:read"), **call.query)


@endpoint(blueprint, "GET", "/schema", scope=None, dags=Dags.NONE)
def get_datakit_schema(_: Call) -> dict[str, Any]:
    """Get the JSON Schema of a manifest, as it is registered and as datakit.yaml has it."""
    return manifest.json_schema()


def _find(call: Call) -> DataKit:
    return registry.get(call.session, call.path["datakit_id"], reach=call.principal.reach("datakits:read"))


@endpoint(
    blueprint,
    "GET",
    "/<kit:datakit_id>",
    scope="datakits:read",
    tenanted=True,
    dags=Dags.NONE,
    answer=DataKitAnswer,
)
def get_datakit(call: Call) -> DataKit:
    """Get a DataKit by id, by name@version, or by name."""
    return _find(call)


@endpoint(
    blueprint,
    "GET",
    "/<kit:datakit_id>/versions",
    scope="datakits:read",
    tenanted=True,
    dags=Dags.NONE,
    query=PageQuery,
    answer=DataKitList,
)
def list_datakit_versions(call: Call) -> paging.Page:
    """List the versions of a DataKit, the newest first."""
    reach = call.principal.reach("datakits:read")
    return registry.versions(call.session, call.path["datakit_id"], reach=reach, **call.query)


@endpoint(
    blueprint,
    "PATCH",
    "/<kit:datakit_id>",
    scope="datakits:write",
    tenanted=True,
    dags=Dags.NONE,
    body=DataKitChange,
    answer=DataKitAnswer,
    also=(HTTPStatus.PRECONDITION_FAILED,),
)
def update_datakit(call: Call) -> DataKit:
    """Withdraw a version of a DataKit, so that nobody deploys it any more, or take that back."""
    kit = _find(call)
    registry.require_owner(kit, call.principal)
    call.require_match(kit)
    registry.withdraw(kit, **call.body)
    return kit


@endpoint(
    blueprint,
    "DELETE",
    "/<kit:datakit_id>",
    scope="datakits:write",
    tenanted=True,
    dags=Dags.NONE,
    status=HTTPStatus.NO_CONTENT,
)
def delete_datakit(call: Call) -> None:
    """Delete a version of a DataKit that no deployment runs."""
    kit = _find(call)
    registry.require_owner(kit, call.principal)
    registry.delete(call.session, kit)
