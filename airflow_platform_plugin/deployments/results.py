"""What the service of deployments returns: deployments as responses show them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_platform_plugin.core.types import Json
from airflow_platform_plugin.deployments.configuration import MASK
from airflow_platform_plugin.deployments.desired_state import RUN_OPTIONS
from airflow_platform_plugin.deployments.inputs import AutoRollbackPolicy
from airflow_platform_plugin.deployments.models import Deployment, DeploymentRevision


@dataclass(frozen=True, kw_only=True)
class DeploymentView:
    """A deployment at one of its revisions. The values of secrets are masked.

    Attributes:
        id: the deployment's id; None in a dry run of a new deployment.
        configuration: the values of options by name.
        notifications: mail addresses by ``on_success`` and ``on_failure``.
        diff: the differences from the revision before, each as ``{field, before, after}``.
        created_at: when the revision was created.
        created_by: the user who created the revision.
    """

    id: str | None
    datakit: str
    tenant_id: str | None
    environment: str
    namespace: str
    dag_id: str
    bad_versions: list[str]
    retired_at: datetime | None
    revision: int
    version: str
    configuration: dict[str, Any]
    schedule: str | None
    start_date: datetime
    catchup: bool
    retries: int | None
    retry_delay: float | None
    timeout: float | None
    max_active_runs: int | None
    connections: list[str]
    notifications: dict[str, list[str]]
    auto_rollback: AutoRollbackPolicy | None
    image_digest: str | None
    action: str
    source: int | None
    reason: str | None
    diff: list[dict[str, Json]]
    created_at: datetime
    created_by: str


@dataclass(frozen=True, kw_only=True)
class DeployResult(DeploymentView):
    """A deployment that was deployed, or would be deployed without ``dry_run``.

    Attributes:
        next_runs: when Airflow starts the next runs.
        warnings: sentences for the caller.
        is_new: whether the deployment was created.
    """

    next_runs: list[datetime]
    warnings: list[str]
    is_new: bool


def view(deployment: Deployment, revision: DeploymentRevision | None = None) -> DeploymentView:
    """Return a deployment at a revision, by default the one in force."""
    shown = deployment.current if revision is None else revision
    # The document as it is stored: one that is no longer valid must not fail a list.
    spec = shown.spec
    after = shown.auto_rollback_after
    return DeploymentView(
        id=deployment.id,
        datakit=deployment.datakit,
        tenant_id=deployment.tenant_id,
        environment=deployment.environment,
        namespace=deployment.namespace,
        dag_id=deployment.dag_id,
        bad_versions=deployment.bad_versions or [],
        retired_at=deployment.retired_at,
        revision=shown.number,
        version=shown.version,
        configuration=spec["configuration"] | dict.fromkeys(spec.get("secrets", []), MASK),
        schedule=spec["schedule"],
        start_date=datetime.fromisoformat(spec["start_date"].replace("Z", "+00:00")),
        notifications=shown.notifications,
        auto_rollback=None if after is None else {"after_failures": after},
        image_digest=shown.image_digest,
        action=shown.action,
        source=shown.source,
        reason=shown.reason,
        diff=shown.diff,
        created_at=shown.created_at,
        created_by=shown.created_by,
        **{name: spec.get(name, default) for name, default in RUN_OPTIONS.items()},
    )
