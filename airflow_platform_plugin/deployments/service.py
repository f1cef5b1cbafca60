"""Deployments: deploy, find, roll back, pause and retire."""

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db, pagination
from airflow_platform_plugin.core.errors import Conflict, NotFound, ValidationFailed
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.deployments import maintenance, revisions
from airflow_platform_plugin.deployments import target as targets
from airflow_platform_plugin.deployments.deploy_request import to_desired_state
from airflow_platform_plugin.deployments.execution.loader import request_parsing
from airflow_platform_plugin.deployments.inputs import DeploymentFilter, DeployRequest, Rollback
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision
from airflow_platform_plugin.deployments.planning import Plan, plan
from airflow_platform_plugin.deployments.results import DeploymentView, DeployResult, view
from airflow_platform_plugin.deployments.revisions import ChangeCause

# Deployments have the scopes of kits.
READ, WRITE = "datakits:read", "datakits:write"


def deploy(session: Session, datakit_id: str, request: DeployRequest, *, by: Principal) -> DeployResult:
    """Deploy a kit: create a deployment, or a new revision of the existing one.

    A dry run returns the same result and writes nothing.

    Raises:
        NotFound: as for ``target.resolve``.
        ValidationFailed: as for ``target.resolve``, ``to_desired_state`` and ``plan``.
        PermissionDenied: as for ``to_desired_state`` and ``plan``.
        Conflict: as for ``plan``.
    """
    target = targets.resolve(session, datakit_id, request, by=by)
    desired, warnings = to_desired_state(session, request, target, by=by)
    planned = plan(session, desired, target, force=request["force"])
    cause = ChangeCause("deploy", by.username, request["reason"])
    is_dry = request["dry_run"]
    shown = _preview(planned, cause) if is_dry else view(revisions.apply(session, planned, cause))
    return DeployResult(
        **vars(shown),
        next_runs=planned.next_runs,
        warnings=[*warnings, *planned.warnings],
        is_new=planned.is_new and not is_dry,
    )


def _preview(planned: Plan, cause: ChangeCause) -> DeploymentView:
    revision = revisions.build_revision(planned, cause)
    deployment = planned.target.deployment
    if deployment is not None:
        return view(deployment, revision)
    return replace(view(revisions.build_deployment(planned, cause), revision), id=None)


def get(session: Session, deployment_id: str, *, by: Principal) -> Deployment:
    """Return a deployment that the caller may read.

    Raises:
        NotFound: there is no such deployment.
    """
    return _find(session, deployment_id, by, READ)


def get_writable(session: Session, deployment_id: str, *, by: Principal) -> Deployment:
    """Return a deployment that the caller may change.

    Raises:
        NotFound: there is no such deployment.
    """
    return _find(session, deployment_id, by, WRITE)


def _find(session: Session, deployment_id: str, by: Principal, scope: str) -> Deployment:
    deployment: Deployment | None = session.get(Deployment, deployment_id)
    if deployment is None or not by.reach(scope).allows(deployment.tenant_id):
        raise NotFound(f"Deployment '{deployment_id}' not found", deployment_id=deployment_id)
    return deployment


def page(session: Session, query: DeploymentFilter, *, by: Principal) -> pagination.Page:
    """Return a page of deployments, by default ordered by kit, environment and namespace."""
    is_retired = Deployment.retired_at.is_not(None) if query.retired else Deployment.retired_at.is_(None)
    rows = select(Deployment).where(is_retired, by.reach(READ).where(Deployment.tenant_id))
    rows = rows.order_by(Deployment.datakit, Deployment.environment, Deployment.namespace)
    for name in ("datakit", "environment", "namespace", "tenant_id"):
        value = getattr(query, name)
        if value is not None:
            rows = rows.where(getattr(Deployment, name) == value)
    found = pagination.fetch(session, rows, query)
    return pagination.Page([view(row) for row in found.items], found.total_entries)


def page_revisions(
    session: Session, deployment_id: str, query: pagination.Query, *, by: Principal
) -> pagination.Page:
    """Return a page of a deployment's revisions, the newest first.

    Raises:
        NotFound: as for ``get``.
    """
    deployment = get(session, deployment_id, by=by)
    rows = (
        select(DeploymentRevision)
        .where(DeploymentRevision.deployment_id == deployment.id)
        .order_by(DeploymentRevision.number.desc())
    )
    found = pagination.fetch(session, rows, query)
    return pagination.Page([view(deployment, row) for row in found.items], found.total_entries)


def rollback(session: Session, deployment: Deployment, data: Rollback, *, by: Principal) -> Deployment:
    """Deploy an earlier revision again.

    Raises:
        ValidationFailed: there is no such earlier revision; and as for ``revisions.redeploy``.
        NotFound: as for ``revisions.redeploy``.
        PermissionDenied: as for ``revisions.redeploy``.
        Conflict: as for ``revisions.redeploy``.
    """
    earlier = (
        select(DeploymentRevision)
        .where(
            DeploymentRevision.deployment_id == deployment.id,
            DeploymentRevision.number < deployment.revision,
        )
        .order_by(DeploymentRevision.number.desc())
    )
    if data.version is not None:
        earlier = earlier.where(DeploymentRevision.version == data.version)
    if data.revision is not None:
        earlier = earlier.where(DeploymentRevision.number == data.revision)
    revision = session.scalars(earlier.limit(1)).first()
    if revision is None:
        field = "version" if data.version is not None else "revision"
        raise ValidationFailed.of(field, message="there is no such revision before the current one")
    cause = ChangeCause("rollback", by.username, data.reason, revision.number)
    return revisions.redeploy(session, deployment, revision, cause)


def redeploy(session: Session, deployment: Deployment, *, reason: str | None, by: Principal) -> Deployment:
    """Deploy the current revision again, which reactivates a retired deployment.

    Raises:
        NotFound: as for ``revisions.redeploy``.
        ValidationFailed: as for ``revisions.redeploy``.
        PermissionDenied: as for ``revisions.redeploy``.
        Conflict: as for ``revisions.redeploy``.
    """
    cause = ChangeCause("redeploy", by.username, reason)
    return revisions.redeploy(session, deployment, deployment.current, cause)


def pause(session: Session, deployment: Deployment, *, paused: bool) -> Deployment:
    """Stop scheduling runs, or schedule them again.

    Raises:
        Conflict: the deployment is retired.
    """
    if deployment.retired_at is not None:
        raise Conflict("The deployment is retired; a redeploy reactivates it.")
    deployment.paused = paused
    airflow_compat.dags.pause_dag(session, deployment.dag_id, paused=paused)
    return deployment


def retire(session: Session, deployment: Deployment) -> Deployment:
    """Remove the DAG and end its runs; the revisions and the history of runs stay."""
    if deployment.retired_at is None:
        deployment.retired_at = db.now()
        airflow_compat.runs.end_runs(session, [str(deployment.dag_id)], maintenance.GONE)
        # At once: the DAG processor needs up to a minute to notice that a file lost a DAG.
        airflow_compat.dags.deactivate_dag(session, deployment.dag_id)
        request_parsing(session)
    return deployment
