"""``/api/v1/datakits/…/deploy`` and ``/api/v1/datakits/deployments``."""

from http import HTTPStatus

from flask import Blueprint

from airflow_platform_plugin.core import pagination
from airflow_platform_plugin.core.principal import Access
from airflow_platform_plugin.deployments import service, status
from airflow_platform_plugin.deployments.models import Deployment
from airflow_platform_plugin.deployments.results import DeploymentView, view
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
    scope=service.WRITE,
    access=Access.TENANT,
    body=DeployInput,
    response=DeployResponse,
    extra_statuses=(HTTPStatus.CREATED,),
)
def deploy_datakit(context: RequestContext) -> Result:
    """Deploy a DataKit.

    With dry_run the response is the same, and nothing is written.
    """
    result = service.deploy(context.session, context.path["datakit_id"], context.body, by=context.principal)
    return Result(result, HTTPStatus.CREATED if result.is_new else HTTPStatus.OK)


@endpoint(
    blueprint,
    "GET",
    "/deployments",
    scope=service.READ,
    access=Access.TENANT,
    query=DeploymentQuery,
    response=DeploymentList,
)
def list_deployments(context: RequestContext) -> pagination.Page:
    """List deployments."""
    return service.page(context.session, context.query, by=context.principal)


@endpoint(
    blueprint,
    "GET",
    "/deployments/<deployment_id>",
    scope=service.READ,
    access=Access.TENANT,
    response=DeploymentResponse,
)
def get_deployment(context: RequestContext) -> DeploymentView:
    """Get a deployment."""
    return view(service.get(context.session, context.path["deployment_id"], by=context.principal))


@endpoint(
    blueprint,
    "GET",
    "/deployments/<deployment_id>/revisions",
    scope=service.READ,
    access=Access.TENANT,
    query=PageQuery,
    response=RevisionList,
)
def list_deployment_revisions(context: RequestContext) -> pagination.Page:
    """List the revisions of a deployment, the newest first."""
    return service.page_revisions(
        context.session, context.path["deployment_id"], context.query, by=context.principal
    )


@endpoint(
    blueprint,
    "GET",
    "/deployments/<deployment_id>/status",
    scope=service.READ,
    access=Access.TENANT,
    query=StatusQuery,
    response=StatusResponse,
    session=False,
)
def get_deployment_status(context: RequestContext) -> status.Status:
    """Get the status of a deployment in Airflow.

    With wait the response comes as soon as the status is no longer pending, or after that many seconds. Few
    requests may wait at a time; all others get a response at once.
    """
    return status.wait(context.path["deployment_id"], seconds=context.query["wait"], by=context.principal)


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/rollback",
    scope=service.WRITE,
    access=Access.TENANT,
    body=RollbackInput,
    response=DeploymentResponse,
)
def rollback_deployment(context: RequestContext) -> DeploymentView:
    """Deploy an earlier revision again: the one before, the one with a number, or the last of a version."""
    deployment = _get_writable(context)
    return view(service.rollback(context.session, deployment, context.body, by=context.principal))


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/redeploy",
    scope=service.WRITE,
    access=Access.TENANT,
    body=ReasonInput,
    response=DeploymentResponse,
)
def redeploy_deployment(context: RequestContext) -> DeploymentView:
    """Deploy the current revision again, which reactivates a retired deployment."""
    deployment = _get_writable(context)
    return view(
        service.redeploy(context.session, deployment, reason=context.body["reason"], by=context.principal)
    )


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/pause",
    scope=service.WRITE,
    access=Access.TENANT,
    response=DeploymentResponse,
)
def pause_deployment(context: RequestContext) -> DeploymentView:
    """Stop scheduling runs of a deployment."""
    return view(service.pause(context.session, _get_writable(context), paused=True))


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/resume",
    scope=service.WRITE,
    access=Access.TENANT,
    response=DeploymentResponse,
)
def resume_deployment(context: RequestContext) -> DeploymentView:
    """Schedule runs of a deployment again."""
    return view(service.pause(context.session, _get_writable(context), paused=False))


@endpoint(
    blueprint,
    "POST",
    "/deployments/<deployment_id>/retire",
    scope=service.WRITE,
    access=Access.TENANT,
    response=DeploymentResponse,
)
def retire_deployment(context: RequestContext) -> DeploymentView:
    """Remove a deployment's DAG; its revisions and runs stay."""
    return view(service.retire(context.session, _get_writable(context)))


def _get_writable(context: RequestContext) -> Deployment:
    return service.get_writable(context.session, context.path["deployment_id"], by=context.principal)
