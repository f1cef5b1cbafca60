"""``/api/v1/datakits/…/deploy`` and ``/api/v1/datakits/deployments``."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.datakits.models import Deployment
from airflow_platform_plugin.deployments import service, status
from airflow_platform_plugin.deployments.schemas import (
    DeployAnswer,
    DeployInput,
    DeploymentAnswer,
    DeploymentList,
    DeploymentQuery,
    ReasonInput,
    RevisionList,
    RollbackInput,
    StatusAnswer,
    StatusQuery,
)
from airflow_platform_plugin.http.endpoint import RequestContext, Result, endpoint
from airflow_platform_plugin.http.fields import PageQuery

blueprint = Blueprint("platform_datakit_deployments", __name__, url_prefix="/api/v1/datakits")


@endpoint(
    blueprint,
    "POST",
    "/<kit:datakit_id>/deploy",
    scope="datakits:write",
    tenanted=True,
    body=DeployInput,
    answer=DeployAnswer,
    also=(HTTPStatus.CREATED,),
)
def deploy_datakit(call: RequestContext) -> Result:
    """Deploy a DataKit.

    With dry_run everything is checked and answered, and nothing is written.
    """
    made = service.deploy(call.session, call.path["datakit_id"], call.body, by=call.principal)
    return Result(made.view, HTTPStatus.CREATED if made.is_new else HTTPStatus.OK)


@endpoint(
    blueprint,
    "GET",
    "/deployments",
    scope="datakits:read",
    tenanted=True,
    query=DeploymentQuery,
    answer=DeploymentList,
)
def list_deployments(call: RequestContext) -> pagination.Page:
    """List deployments."""
    return service.page(call.session, reach=call.principal.reach("datakits:read"), **call.query)


def _find(call: RequestContext, scope: str = "datakits:write") -> Deployment:
    return service.get(call.session, call.path["deployment_id"], reach=call.principal.reach(scope))


def _view(deployment: Deployment) -> dict[str, Any]:
    return service.view(deployment, deployment.current)


@endpoint(
    blueprint,
    "GET",
    "/deployments/<deployment_id>",
    scope="datakits:read",
    tenanted=True,
    answer=DeploymentAnswer,
)
def get_deployment(call: RequestContext) -> dict[str, Any]:
    """Get a deployment."""
    return _view(_find(call, "datakits:read"))


@endpoint(
    blueprint,
    "GET",
    "/deployments/<deployment_id>/revisions",
    scope="datakits:read",
    tenanted=True,
    query=PageQuery,
    answer=RevisionList,
)
def list_deployment_revisions(call: RequestContext) -> pagination.Page:
    """List the revisions of a deployment, the newest first."""
    return service.revisions(call.session, _find(call, "datakits:read"), **call.query)


@endpoint(
    blueprint,
    "GET",
    "/deployments/<deployment_id>/status",
    scope="datakits:read",
    tenanted=True,
    query=StatusQuery,
    answer=StatusAnswer,
    session=False,
)
def get_deployment_status(call: RequestContext) -> status.Status:
    """Get where a deployment stands in Airflow.

    With wait the answer comes as soon as it is no longer pending, or after that many seconds. Few may wait
    at a time; all others are answered at once.
    """
    reach = call.principal.reach("datakits:read")
    return status.wait(call.path["deployment_id"], reach=reach, seconds=call.query["wait"])


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/rollback",
    scope="datakits:write",
    tenanted=True,
    body=RollbackInput,
    answer=DeploymentAnswer,
)
def rollback_deployment(call: RequestContext) -> dict[str, Any]:
    """Go back to an earlier revision, or to the last one of a version: as a new revision."""
    return _view(service.rollback(call.session, _find(call), by=call.principal.username, **call.body))


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/redeploy",
    scope="datakits:write",
    tenanted=True,
    body=ReasonInput,
    answer=DeploymentAnswer,
)
def redeploy_deployment(call: RequestContext) -> dict[str, Any]:
    """Deploy the present revision once more; a retired deployment comes back."""
    return _view(service.redeploy(call.session, _find(call), by=call.principal.username, **call.body))


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/pause",
    scope="datakits:write",
    tenanted=True,
    answer=DeploymentAnswer,
)
def pause_deployment(call: RequestContext) -> dict[str, Any]:
    """Schedule no further runs of a deployment."""
    deployment = _find(call)
    service.pause(call.session, deployment, paused=True)
    return _view(deployment)


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/resume",
    scope="datakits:write",
    tenanted=True,
    answer=DeploymentAnswer,
)
def resume_deployment(call: RequestContext) -> dict[str, Any]:
    """Schedule runs of a deployment again."""
    deployment = _find(call)
    service.pause(call.session, deployment, paused=False)
    return _view(deployment)


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/retire",
    scope="datakits:write",
    tenanted=True,
    answer=DeploymentAnswer,
)
def retire_deployment(call: RequestContext) -> dict[str, Any]:
    """Take a deployment's DAG away; its revisions and runs stay."""
    deployment = _find(call)
    service.retire(call.session, deployment)
    return _view(deployment)
