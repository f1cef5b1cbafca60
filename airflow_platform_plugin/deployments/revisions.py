"""Write revisions: from a plan, or from an earlier revision."""

from dataclasses import replace
from typing import NamedTuple

from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db, events
from airflow_platform_plugin.core.timestamps import timestamp
from airflow_platform_plugin.deployments import connection_grants, maintenance
from airflow_platform_plugin.deployments import target as targets
from airflow_platform_plugin.deployments.configuration import encrypt_secrets
from airflow_platform_plugin.deployments.desired_state import DesiredState
from airflow_platform_plugin.deployments.execution.loader import request_parsing
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision
from airflow_platform_plugin.deployments.planning import Plan, plan
from airflow_platform_plugin.tenants import quota


class ChangeCause(NamedTuple):
    """Why there is a new revision.

    Attributes:
        action: ``deploy``, ``redeploy``, ``rollback`` or ``auto_rollback``.
        username: the user who acts.
        reason: what the user gave as the reason.
        source: the number of the earlier revision that a rollback repeats.
    """

    action: str
    username: str
    reason: str | None = None
    source: int | None = None


def build_deployment(planned: Plan, cause: ChangeCause) -> Deployment:
    """Return a deployment for a plan whose target has none; it is not in the session."""
    spec = planned.spec
    return Deployment(
        id=spec.deployment_id,
        datakit=spec.manifest.name,
        environment=spec.environment,
        namespace=spec.namespace,
        tenant_id=planned.target.tenant_id,
        dag_id=spec.dag_id,
        created_at=db.now(),
        created_by=cause.username,
    )


def build_revision(planned: Plan, cause: ChangeCause) -> DeploymentRevision:
    """Return the revision of a plan; it is not in the session."""
    return DeploymentRevision(
        deployment_id=planned.spec.deployment_id,
        number=planned.spec.revision,
        version=planned.spec.manifest.version,
        spec=planned.spec.model_dump(mode="json"),
        encrypted_secrets=encrypt_secrets(planned.desired.secrets),
        notifications=planned.desired.notifications,
        auto_rollback_after=planned.desired.auto_rollback_after,
        action=cause.action,
        source=cause.source,
        reason=cause.reason,
        diff=planned.diff,
        created_by=cause.username,
        created_at=db.now(),
    )


def apply(session: Session, planned: Plan, cause: ChangeCause) -> Deployment:
    """Write a plan's revision and make it the one in force."""
    deployment = planned.target.deployment
    if deployment is None:
        deployment = build_deployment(planned, cause)
        session.add(deployment)
    deployment.revision = planned.spec.revision
    deployment.retired_at = deployment.rollback_from = deployment.import_error = None
    version = planned.spec.manifest.version
    deployment.bad_versions = [bad for bad in deployment.bad_versions or [] if bad != version]
    session.flush()
    session.add(build_revision(planned, cause))
    session.flush()
    session.refresh(deployment)
    airflow_compat.dags.force_serialization(session, str(deployment.dag_id))
    if planned.target.tenant is not None:
        # Somebody may have deleted the pool in Airflow's pages: a task without one would wait forever.
        quota.ensure_pool(session, str(planned.target.tenant_id))
        maintenance.reapply_quotas(session, planned.target.tenant)
    request_parsing(session)
    return deployment


def redeploy(
    session: Session, deployment: Deployment, revision: DeploymentRevision, cause: ChangeCause
) -> Deployment:
    """Deploy the content of a revision again, as a new revision. A rollback is recorded as an event.

    Raises:
        NotFound: the version was deleted.
        ValidationFailed: the deployment may no longer use one of its connections.
        Conflict: the version is withdrawn; and as for ``plan``.
        PermissionDenied: as for ``plan``.
    """
    target = targets.of_deployment(session, deployment, str(revision.version))
    desired = DesiredState.from_revision(revision)
    connection_grants.find(session, desired.options.connections, target.tenant_id, desired.shared_connections)
    if target.current is not None:
        desired = replace(desired, start_date=target.current.start_date)
    planned = plan(session, desired, target, force=True)
    left = (int(deployment.revision), str(deployment.current.version))
    apply(session, planned, cause)
    if cause.source is not None:
        _record_rollback(session, deployment, left, cause)
    return deployment


def _record_rollback(
    session: Session, deployment: Deployment, left: tuple[int, str], cause: ChangeCause
) -> None:
    """Record the event of a rollback.

    Args:
        session: the transaction.
        deployment: the deployment, already at its new revision.
        left: number and version of the revision before.
        cause: why there is a new revision.
    """
    revision = deployment.current
    event = events.NewEvent(
        type="datakit.rolled_back",
        identity=(deployment.id, str(revision.number)),
        occurred_at=revision.created_at,
        data={
            "deployment_id": deployment.id,
            "datakit": deployment.datakit,
            "environment": deployment.environment,
            "namespace": deployment.namespace,
            "dag_id": deployment.dag_id,
            "from_revision": left[0],
            "from_version": left[1],
            "revision": revision.number,
            "version": revision.version,
            "automatic": cause.action == "auto_rollback",
            "reason": cause.reason,
            "at": timestamp(revision.created_at),
        },
        tenant_id=deployment.tenant_id,
    )
    events.record(session.connection(), [event])
