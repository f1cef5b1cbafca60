"""Deployments: made, found, rolled back, paused, retired."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from airflow_platform_plugin import airflow_compat
from airflow_platform_plugin.core import db, events, pagination
from airflow_platform_plugin.core.errors import Conflict, NotFound, ValidationFailed
from airflow_platform_plugin.core.naming import DEFAULT_NAMESPACE
from airflow_platform_plugin.core.principal import Principal
from airflow_platform_plugin.core.reach import EVERYWHERE, Reach
from airflow_platform_plugin.core.timestamps import timestamp
from airflow_platform_plugin.datakits import service
from airflow_platform_plugin.datakits.manifest import Manifest
from airflow_platform_plugin.deployments import connection_grants, maintenance
from airflow_platform_plugin.deployments.configuration import MASK, encrypt_secrets
from airflow_platform_plugin.deployments.execution.loader import registered_loaders
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision
from airflow_platform_plugin.deployments.planning import (
    OPTIONS,
    DesiredState,
    Plan,
    Target,
    plan,
    require_good,
)
from airflow_platform_plugin.deployments.request import ask
from airflow_platform_plugin.tenants import quota
from airflow_platform_plugin.tenants import service as tenants
from airflow_platform_plugin.tenants.models import Tenant


class DeployResult(NamedTuple):
    """What a deploy has made, or would make, as answers show it."""

    view: dict[str, Any]
    is_new: bool


def deploy(session: Session, datakit_id: str, request: dict[str, Any], *, by: Principal) -> DeployResult:
    """Deploy a kit, as a new deployment or as the next revision of the one that is there.

    A dry run checks and shows the same, and writes nothing.

    Raises:
        NotFound: there is no such kit.
        ValidationFailed: the configuration does not fit the manifest, or none of the caller's tenants owns
            the namespace; and as for ``plan``.
        PermissionDenied: as for ``plan``.
        Conflict: the version is withdrawn, or bad here; and as for ``plan``.
    """
    kit = service.get(session, datakit_id, reach=by.reach("datakits:read"))
    service.require_deployable(kit)
    namespace, environment = request["namespace"] or _usual_namespace(session, by), request["environment"]
    tenant = _owner(session, namespace, by)
    service.require_place(kit, tenant)
    service.require_image(kit)
    there = select(Deployment).where(
        Deployment.datakit == kit.name,
        Deployment.environment == environment,
        Deployment.namespace == namespace,
    )
    deployment: Deployment | None = session.scalar(there)
    place = Target(namespace, tenant, environment, deployment)
    if not request["force"]:
        require_good(deployment, kit.version)
    asked = ask(session, Manifest.model_validate(kit.manifest), request, place, by=by)
    planned = plan(session, asked.wanted, place)
    more = {"next_runs": planned.next_runs, "warnings": [*asked.warnings, *planned.warnings]}
    note = ChangeCause("deploy", by.username, request["reason"])
    if request["dry_run"]:
        shown = Deployment(id=None, revision=planned.spec.revision, **_place(planned), created_at=db.now())
        if deployment is not None:
            shown = deployment
        return DeployResult(view(shown, _revision(planned, note)) | more, is_new=False)
    deployment = apply(session, planned, note)
    return DeployResult(view(deployment, deployment.current) | more, planned.is_new)


class ChangeCause(NamedTuple):
    """Why there is a revision: what was done, by whom, what for, and which one it repeats."""

    action: str
    by: str
    reason: str | None = None
    source: int | None = None


def apply(session: Session, planned: Plan, note: ChangeCause) -> Deployment:
    """Make what is planned the revision in force."""
    deployment = planned.deployment
    if deployment is None:
        deployment = Deployment(
            id=planned.spec.deployment_id, created_at=db.now(), created_by=note.by, **_place(planned)
        )
        session.add(deployment)
    deployment.revision = planned.spec.revision
    deployment.retired_at = deployment.rollback_from = deployment.import_error = None
    version = planned.spec.manifest.version
    deployment.bad_versions = [bad for bad in deployment.bad_versions or [] if bad != version]
    session.flush()
    session.add(_revision(planned, note))
    session.flush()
    session.refresh(deployment)
    airflow_compat.dags.force_serialization(session, str(deployment.dag_id))
    if planned.tenant is not None:
        # Whoever has deleted the pool in Airflow's pages: a task without one would wait for ever.
        quota.ensure_pool(session, str(planned.tenant.tenant_id))
        maintenance.reapply_quotas(session, planned.tenant)
    request_parsing(session)
    return deployment


def _place(planned: Plan) -> dict[str, Any]:
    spec = planned.spec
    return {
        "datakit": spec.manifest.name,
        "environment": spec.environment,
        "namespace": spec.namespace,
        "tenant_id": planned.tenant.tenant_id if planned.tenant else None,
        "dag_id": spec.dag_id,
    }


def _revision(planned: Plan, note: ChangeCause) -> DeploymentRevision:
    return DeploymentRevision(
        deployment_id=planned.spec.deployment_id,
        number=planned.spec.revision,
        version=planned.spec.manifest.version,
        spec=planned.spec.model_dump(mode="json"),
        encrypted_secrets=encrypt_secrets(planned.secrets),
        notifications=planned.wanted.notifications,
        auto_rollback_after=planned.wanted.auto_rollback_after,
        action=note.action,
        source=note.source,
        reason=note.reason,
        diff=planned.diff,
        created_by=note.by,
        created_at=db.now(),
    )


def view(deployment: Deployment, revision: DeploymentRevision) -> dict[str, Any]:
    """A deployment at a revision, as answers show it: secrets masked."""
    # As it is stored: one document that is not valid any more must not fail a list of others.
    spec = revision.spec
    after = revision.auto_rollback_after
    return {
        "id": deployment.id,
        "datakit": deployment.datakit,
        "tenant_id": deployment.tenant_id,
        "environment": deployment.environment,
        "namespace": deployment.namespace,
        "dag_id": deployment.dag_id,
        "bad_versions": deployment.bad_versions or [],
        "retired_at": deployment.retired_at,
        "revision": revision.number,
        "version": revision.version,
        "configuration": spec["configuration"] | dict.fromkeys(spec.get("secrets", []), MASK),
        "schedule": spec["schedule"],
        "start_date": datetime.fromisoformat(spec["start_date"].replace("Z", "+00:00")),
        **{name: spec.get(name, default) for name, default in OPTIONS.items()},
        "notifications": revision.notifications,
        "auto_rollback": None if after is None else {"after_failures": after},
        "image_digest": revision.image_digest,
        "action": revision.action,
        "source": revision.source,
        "reason": revision.reason,
        "diff": revision.diff,
        "created_at": revision.created_at,
        "created_by": revision.created_by,
    }


def request_parsing(session: Session) -> None:
    """Have the loader files parsed at once."""
    for fileloc in registered_loaders(session):
        table, row = airflow_compat.dags.parsing_request(fileloc)
        db.insert_absent(session.connection(), table, [row])


def _usual_namespace(session: Session, by: Principal) -> str:
    """Where a caller deploys who does not say: the tenant's, where there is but one, or the platform's."""
    reach = by.reach("datakits:write")
    if reach.everywhere or len(reach.tenant_ids) != 1:
        return DEFAULT_NAMESPACE
    tenant = tenants.find(session, next(iter(reach.tenant_ids)))
    return DEFAULT_NAMESPACE if tenant is None else str(tenant.namespace)


def _owner(session: Session, namespace: str, by: Principal) -> Tenant | None:
    """The tenant that owns the namespace; a stranger's looks like nobody's."""
    tenant = tenants.find_by_namespace(session, namespace)
    reachable = by.may("datakits:write", str(tenant.tenant_id) if tenant else None)
    if not reachable or (tenant is None and namespace != DEFAULT_NAMESPACE):
        raise ValidationFailed.of("namespace", message=f"no tenant of yours owns the namespace '{namespace}'")
    return tenant


def get(session: Session, deployment_id: str, *, reach: Reach) -> Deployment:
    """The deployment of that id, if it is of a tenant that the caller reaches (None for all).

    Raises:
        NotFound: there is none.
    """
    deployment: Deployment | None = session.get(Deployment, deployment_id)
    if deployment is None or not reach.allows(deployment.tenant_id):
        raise NotFound(f"Deployment '{deployment_id}' not found", deployment_id=deployment_id)
    return deployment


def page(  # noqa: PLR0913 - the list's own parameters
    session: Session,
    *,
    reach: Reach,
    limit: int,
    offset: int,
    retired: bool,
    order_by: str | None = None,
    **filters: str,
) -> pagination.Page:
    """Deployments of the tenants that the caller reaches (None for all), by kit and place if not asked else.

    Those that are ``retired``, or those that are not. ``filters`` are columns' values.
    """
    wanted = select(Deployment).order_by(Deployment.datakit, Deployment.environment, Deployment.namespace)
    wanted = wanted.where(Deployment.retired_at.is_not(None) if retired else Deployment.retired_at.is_(None))
    wanted = wanted.where(reach.where(Deployment.tenant_id))
    for column, value in filters.items():
        wanted = wanted.where(getattr(Deployment, column) == value)
    found = pagination.fetch(session, wanted, pagination.Query(limit=limit, offset=offset, order_by=order_by))
    return pagination.Page([view(row, row.current) for row in found.items], found.total_entries)


def revisions(session: Session, deployment: Deployment, query: pagination.Query) -> pagination.Page:
    """A deployment's revisions, the newest first."""
    wanted = (
        select(DeploymentRevision)
        .where(DeploymentRevision.deployment_id == deployment.id)
        .order_by(DeploymentRevision.number.desc())
    )
    found = pagination.fetch(session, wanted, query)
    return pagination.Page([view(deployment, row) for row in found.items], found.total_entries)


def rollback(  # noqa: PLR0913 - the request's own parameters
    session: Session,
    deployment: Deployment,
    *,
    by: str,
    version: str | None = None,
    revision: int | None = None,
    reason: str | None = None,
) -> Deployment:
    """Deploy once more what an earlier revision had: the one of that number, or the last of that version.

    With neither, the one before.

    Raises:
        ValidationFailed: there was no such revision.
        NotFound: its version has been deleted.
        Conflict: its version is withdrawn; and as for ``plan``.
    """
    earlier = (
        select(DeploymentRevision)
        .where(
            DeploymentRevision.deployment_id == deployment.id,
            DeploymentRevision.number < deployment.revision,
        )
        .order_by(DeploymentRevision.number.desc())
    )
    if version is not None:
        earlier = earlier.where(DeploymentRevision.version == version)
    if revision is not None:
        earlier = earlier.where(DeploymentRevision.number == revision)
    target = session.scalars(earlier.limit(1)).first()
    if target is None:
        name = "version" if version is not None else "revision"
        raise ValidationFailed.of(name, message="there is no such revision before the present one")
    return redeploy_revision(session, deployment, target, ChangeCause("rollback", by, reason, target.number))


def redeploy_revision(
    session: Session, deployment: Deployment, target: DeploymentRevision, note: ChangeCause
) -> Deployment:
    """Make a revision's content the one in force again, as a new revision; a rollback is an event.

    Raises:
        NotFound: its version has been deleted.
        ValidationFailed: it may not have one of its connections any more.
        Conflict: its version is withdrawn; and as for ``plan``.
    """
    kit = service.get(session, f"{deployment.datakit}@{target.version}", reach=EVERYWHERE)
    service.require_deployable(kit)
    service.require_image(kit)
    tenant = session.get(Tenant, deployment.tenant_id) if deployment.tenant_id else None
    wanted = DesiredState.again(target)
    connection_grants.find(
        session, wanted.options["connections"], deployment.tenant_id, wanted.shared_connections
    )
    planned = plan(
        session,
        wanted,
        Target(deployment.namespace, tenant, deployment.environment, deployment),
    )
    left = deployment.current
    left_revision, left_version = left.number, left.version
    apply(session, planned, note)
    if note.source is not None:
        _emit_rolled_back(session, deployment, (left_revision, left_version), note)
    return deployment


def _emit_rolled_back(
    session: Session, deployment: Deployment, left: tuple[int, str], note: ChangeCause
) -> None:
    revision = deployment.current
    told = events.NewEvent(
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
            "automatic": note.action == "auto_rollback",
            "reason": note.reason,
            "at": timestamp(revision.created_at),
        },
        tenant_id=deployment.tenant_id,
    )
    events.record(session.connection(), [told])


def redeploy(session: Session, deployment: Deployment, *, by: str, reason: str | None = None) -> Deployment:
    """Deploy the present revision once more, which also brings a retired deployment back."""
    return redeploy_revision(session, deployment, deployment.current, ChangeCause("redeploy", by, reason))


def pause(session: Session, deployment: Deployment, *, paused: bool) -> None:
    """Schedule no further runs, or do again.

    Raises:
        Conflict: it is retired.
    """
    if deployment.retired_at is not None:
        raise Conflict("The deployment is retired; redeploy brings it back.")
    deployment.paused = paused
    airflow_compat.dags.pause_dag(session, deployment.dag_id, paused=paused)


def retire(session: Session, deployment: Deployment) -> None:
    """Take the DAG away and end what runs; the deployment's revisions and the history of its runs stay."""
    if deployment.retired_at is None:
        deployment.retired_at = db.now()
        airflow_compat.runs.end_runs(session, [str(deployment.dag_id)], maintenance.GONE)
        # At once: the DAG processor takes up to a minute to see that a file has a DAG no longer.
        airflow_compat.dags.deactivate_dag(session, deployment.dag_id)
        request_parsing(session)
