"""``/api/v1/datakits/…/deploy`` and ``/api/v1/datakits/deployments``."""

from http import HTTPStatus
from typing import Any

from flask import Blueprint

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.principal import Access
from airflow_platform_plugin.deployments import service, status
from airflow_platform_plugin.deployments.models import Deployment
from airflow_platform_plugin.deployments.schemas import (
    DeployInput,
    DeploymentList,
    DeploymentQuery,
    DeploymentResponse,
    DeployResponse,
    ReasonInput,
    RevisionList,
    RollbackInput,
    StatusQuery,
    StatusResponse,
)
from airflow_platform_plugin.http.endpoint import RequestContext, Result, endpoint
from airflow_platform_plugin.http.schemas import PageQuery

blueprint = Blueprint("platform_datakit_deployments", __name__, url_prefix="/api/v1/datakits")


@endpoint(
    blueprint,
    "POST",
    "/<kit:datakit_id>/deploy",
    scope="datakits:write",
    access=Access.TENANT,
    body=DeployInput,
    response=DeployResponse,
    extra_statuses=(HTTPStatus.CREATED,),
)
def deploy_datakit(context: RequestContext) -> Result:
    """Deploy a DataKit.

    With dry_run everything is checked and answered, and nothing is written.
    """
    made = service.deploy(context.session, context.path["datakit_id"], context.body, by=context.principal)
    return Result(made.view, HTTPStatus.CREATED if made.is_new else HTTPStatus.OK)


@endpoint(
    blueprint,
    "GET",
    "/deployments",
    scope="datakits:read",
    access=Access.TENANT,
    query=DeploymentQuery,
    response=DeploymentList,
)
def list_deployments(context: RequestContext) -> pagination.Page:
    """List deployments."""
    return service.page(context.session, reach=context.principal.reach("datakits:read"), **context.query)


def _find(context: RequestContext, scope: str = "datakits:write") -> Deployment:
    return service.get(context.session, context.path["deployment_id"], reach=context.principal.reach(scope))


def _view(deployment: Deployment) -> dict[str, Any]:
    return service.view(deployment, deployment.current)


@endpoint(
    blueprint,
    "GET",
    "/deployments/<deployment_id>",
    scope="datakits:read",
    access=Access.TENANT,
    response=DeploymentResponse,
)
def get_deployment(context: RequestContext) -> dict[str, Any]:
    """Get a deployment."""
    return _view(_find(context, "datakits:read"))


@endpoint(
    blueprint,
    "GET",
    "/deployments/<deployment_id>/revisions",
    scope="datakits:read",
    access=Access.TENANT,
    query=PageQuery,
    response=RevisionList,
)
def list_deployment_revisions(context: RequestContext) -> pagination.Page:
    """List the revisions of a deployment, the newest first."""
    return service.revisions(context.session, _find(context, "datakits:read"), context.query)


@endpoint(
    blueprint,
    "GET",
    "/deployments/<deployment_id>/status",
    scope="datakits:read",
    access=Access.TENANT,
    query=StatusQuery,
    response=StatusResponse,
    session=False,
)
def get_deployment_status(context: RequestContext) -> status.Status:
    """Get where a deployment stands in Airflow.

    With wait the answer comes as soon as it is no longer pending, or after that many seconds. Few may wait
    at a time; all others are answered at once.
    """
    reach = context.principal.reach("datakits:read")
    return status.wait(context.path["deployment_id"], reach=reach, seconds=context.query["wait"])


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/rollback",
    scope="datakits:write",
    access=Access.TENANT,
    body=RollbackInput,
    response=DeploymentResponse,
)
def rollback_deployment(context: RequestContext) -> dict[str, Any]:
    """Go back to an earlier revision, or to the last one of a version: as a new revision."""
    return _view(
        service.rollback(context.session, _find(context), by=context.principal.username, **context.body)
    )


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/redeploy",
    scope="datakits:write",
    access=Access.TENANT,
    body=ReasonInput,
    response=DeploymentResponse,
)
def redeploy_deployment(context: RequestContext) -> dict[str, Any]:
    """Deploy the present revision once more; a retired deployment comes back."""
    return _view(
        service.redeploy(context.session, _find(context), by=context.principal.username, **context.body)
    )


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/pause",
    scope="datakits:write",
    access=Access.TENANT,
    response=DeploymentResponse,
)
def pause_deployment(context: RequestContext) -> dict[str, Any]:
    """Schedule no further runs of a deployment."""
    deployment = _find(context)
    service.pause(context.session, deployment, paused=True)
    return _view(deployment)


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/resume",
    scope="datakits:write",
    access=Access.TENANT,
    response=DeploymentResponse,
)
def resume_deployment(context: RequestContext) -> dict[str, Any]:
    """Schedule runs of a deployment again."""
    deployment = _find(context)
    service.pause(context.session, deployment, paused=False)
    return _view(deployment)


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/retire",
    scope="datakits:write",
    access=Access.TENANT,
    response=DeploymentResponse,
)
def retire_deployment(context: RequestContext) -> dict[str, Any]:
    """Take a deployment's DAG away; its revisions and runs stay."""
    deployment = _find(context)
    service.retire(context.session, deployment)
    return _view(deployment)
